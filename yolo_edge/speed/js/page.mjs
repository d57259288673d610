// A lane in a browser page, driven by Python.

import {adapter} from '../../runtime/js/adapter.mjs';
import {offer} from '../../runtime/js/session.mjs';
import {Lane} from './lane.mjs';

const root = new URL('../../', import.meta.url);

const place = {
  async tensorflow(threads) {
    tf.wasm.setWasmPaths(new URL('tfjs/', root).href);
    if (threads > 1) tf.wasm.setThreadsCount(threads);
    else tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    return tf;
  },
  onnxruntime: (file) => import(new URL(file, root)),
  /** The import map of the page finds what LiteRT.js imports by a bare name. */
  async litert(folder) {
    const core = new URL(`${folder}/core/`, root);
    const {version} = await (await fetch(new URL('package.json', core))).json();
    return {litert: await import(new URL('dist/index.js', core)), wasm: new URL('wasm/', core).href, version};
  },
  graph: (_, folder, file) => new URL(`${folder}/${file}`, root).href,
  async bytes(folder, file) {
    const answer = await fetch(new URL(`${folder}/${file}`, root));
    if (!answer.ok) throw new Error(`${file} did not come: HTTP ${answer.status}`);
    return answer.arrayBuffer();
  },
  async photo({width, height}, bytes) {
    const pixels = await createImageBitmap(new ImageData(new Uint8ClampedArray(bytes), width, height));
    return {pixels, width, height};
  },
  /** What computes, and with how many threads of WebAssembly really: TensorFlow.js may take fewer than it is given. */
  async facts(tf, {backend, threads}) {
    if (!tf) return {versions: {}, adapter: null, threads: globalThis.crossOriginIsolated ? threads : 1};
    const used = backend === 'wasm' ? tf.wasm.getThreadsCount() : null;
    return {versions: {}, adapter: await adapter(tf, backend), threads: used};
  },
};

let lane = null;

offer({
  async open(argument) {
    const opened = await Lane.open(place, argument);
    lane = opened.lane;
    return opened.facts;
  },
  frame: () => lane.frame(),
  find: () => lane.find(),
  inspect: () => lane.inspect(),
  kernels: (argument) => lane.kernels(argument),
});
