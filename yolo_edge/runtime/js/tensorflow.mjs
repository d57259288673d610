// TensorFlow.js in Node, and models from disk.

import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';

import {EngineError} from './engine.mjs';

/**
 * TensorFlow.js with the CPU kernels that the wasm backend falls back to.
 *
 * @param {string} packages node_modules.
 * @param {number} threads of the wasm backend.
 */
export function loadTensorFlow(packages, threads) {
  const require = createRequire(path.join(packages, 'worker.cjs'));
  const tf = require('@tensorflow/tfjs-core');
  const converter = require('@tensorflow/tfjs-converter');
  require('@tensorflow/tfjs-backend-cpu');
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  if (threads > 1) {
    wasm.setThreadsCount(threads);
  } else {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  }
  return {...tf, loadGraphModel: converter.loadGraphModel};
}

/** An IO handler that reads a model's JSON and its shards from a directory. */
export function fromDirectory(tf, directory, name = 'model.json') {
  const read = async (file) => {
    const place = path.resolve(directory, file);
    if (path.relative(directory, place).startsWith('..')) {
      throw new EngineError('model', `model.json names a weight file outside its directory: ${file}`);
    }
    return readFile(place);
  };
  const loadWeights = async (manifest) => {
    const specs = manifest.flatMap((group) => group.weights);
    const files = await Promise.all(manifest.flatMap((group) => group.paths).map(read));
    // A list of shards, as a browser's loader passes on, so that what loads here loads there.
    return [specs, files.map(({buffer, byteOffset, byteLength}) => buffer.slice(byteOffset, byteOffset + byteLength))];
  };
  return {
    load: async () => tf.io.getModelArtifactsForJSON(JSON.parse(await read(name)), loadWeights),
  };
}
