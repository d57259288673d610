// What the tests do in a page: load models, detect on pictures, all by the public module.

import * as edge from '/web/index.js';

tf.wasm.setWasmPaths('/tfjs/');
tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);

const plain = (error) => ({code: error.code ?? null, message: String(error.message ?? error), name: error.name});

async function picture(url) {
  return createImageBitmap(await (await fetch(url)).blob());
}

/** Load and say how it went; the model stays in lab.pose. */
async function load(url, options = {}) {
  const progress = [];
  const started = performance.now();
  try {
    lab.pose = await edge.loadPose(url, {backend: lab.backend, onProgress: (step) => progress.push(step), ...options});
    const {capabilities, names, skeleton} = lab.pose;
    return {capabilities, names, skeleton, progress, milliseconds: performance.now() - started};
  } catch (error) {
    return {error: plain(error), progress};
  }
}

async function detect(url) {
  try {
    return await lab.pose.detect(await picture(url));
  } catch (error) {
    return {error: plain(error)};
  }
}

window.lab = {...edge, load, detect, picture, plain, pose: null, backend: 'wasm'};
