// TensorFlow.js in a browser page, driven by Python: Playwright starts a job and waits for `answer`; tensors travel by
// fetch between the page and the loopback server that served it (GET input, POST output).

import {adapter} from './adapter.mjs';
import {describe, Engine} from './engine.mjs';

const session = {answer: null, open, run};
window.yoloEdge = session;

let engine = null;

/** Start a job at once and leave its answer, or its error, in session.answer. */
function start(job) {
  session.answer = null;
  job().then((answer) => { session.answer = answer; }, (error) => { session.answer = describe(error); });
}

function open(backend) {
  start(async () => {
    tf.wasm.setWasmPaths(new URL('tfjs/', location.href).href);
    const opened = await Engine.open(tf, backend, new URL('model/model.json', location.href).href);
    engine = opened.engine;
    return {...opened.facts, adapter: await adapter(tf, backend), versions: {tfjs: tf.version_core}};
  });
}

function run(shape) {
  start(async () => {
    const images = new Float32Array(await (await fetch('input')).arrayBuffer());
    const output = await engine.run(images, shape);
    const stored = await fetch('output', {method: 'POST', body: output.values});
    if (!stored.ok) throw new Error(`the output was not taken: HTTP ${stored.status}`);
    return {shape: output.shape, seconds: output.seconds};
  });
}
