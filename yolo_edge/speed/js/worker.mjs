// A lane in Node, driven by Python in the frames of frames.mjs.
//
// node worker.mjs NODE_MODULES
//
//   Python:  {job: "open", argument: lane}, then {job: "frame" | "find" | "inspect" | "kernels", argument}
//   worker:  the answer  or  {error, kind}

import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

import './counters.mjs';
import {describe} from '../../runtime/js/engine.mjs';
import {frames, send} from '../../runtime/js/frames.mjs';
import {fromDirectory, loadTensorFlow} from '../../runtime/js/tensorflow.mjs';
import {Lane} from './lane.mjs';

const [packages] = process.argv.slice(2);

/** Just enough of a canvas for the letterbox of yolo-edge-web: it gives back the photo that is drawn onto it. */
class PhotoCanvas {
  getContext() {
    return {drawImage: (photo) => { this.photo = photo; }, getImageData: () => this.photo};
  }
}
globalThis.document = {createElement: () => new PhotoCanvas()};

const place = {
  tensorflow: () => loadTensorFlow(packages, 1),
  onnxruntime: (file) => import(pathToFileURL(file)),
  graph: fromDirectory,
  async bytes(folder, file) {
    const {buffer, byteOffset, byteLength} = await readFile(path.join(folder, file));
    return buffer.slice(byteOffset, byteOffset + byteLength);
  },
  photo: ({width, height}, bytes) => ({pixels: {data: new Uint8Array(bytes), width, height}, width, height}),
  facts: () => ({versions: {node: process.versions.node}, adapter: null, threads: 1}),
};

let lane = null;
for await (const {header: {job, argument}} of frames(process.stdin)) {
  try {
    if (job === 'open') {
      const opened = await Lane.open(place, argument);
      lane = opened.lane;
      send(opened.facts);
    } else {
      send(await lane[job](argument));
    }
  } catch (error) {
    send(describe(error));
  }
}
process.exit(0);
