// TensorFlow.js in a browser page, driven by Python; tensors travel by fetch between the page and the loopback server that
// served it (GET input, POST output).

import {adapter} from './adapter.mjs';
import {Engine} from './engine.mjs';
import {offer} from './session.mjs';

let engine = null;

offer({
  async open(backend) {
    tf.wasm.setWasmPaths(new URL('tfjs/', location.href).href);
    const opened = await Engine.open(tf, backend, new URL('model/model.json', location.href).href);
    engine = opened.engine;
    return {...opened.facts, adapter: await adapter(tf, backend), versions: {tfjs: tf.version_core}};
  },
  async run(shape) {
    const images = new Float32Array(await (await fetch('input')).arrayBuffer());
    const output = await engine.run(images, shape);
    const stored = await fetch('output', {method: 'POST', body: output.values});
    if (!stored.ok) throw new Error(`the output was not taken: HTTP ${stored.status}`);
    return {shape: output.shape, seconds: output.seconds};
  },
});
