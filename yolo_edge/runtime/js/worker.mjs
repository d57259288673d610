// TensorFlow.js in Node, driven by Python in the frames of frames.mjs.
//
// node worker.mjs NODE_MODULES MODEL_DIRECTORY BACKEND THREADS
//
//   worker, once:  {inputShape, backend, loadSeconds, firstRunSeconds, ...}  or  {error, kind}
//   Python:        {shape, bytes} + float32 images
//   worker:        {shape, seconds, bytes} + float32 output                  or  {error, kind}
// The worker ends when stdin does, so it never outlives Python.

import {describe, Engine} from './engine.mjs';
import {frames, send} from './frames.mjs';
import {fromDirectory, loadTensorFlow} from './tensorflow.mjs';

const [packages, modelDirectory, backend, threads] = process.argv.slice(2);

async function main() {
  const tf = loadTensorFlow(packages, Number(threads));
  const {engine, facts} = await Engine.open(tf, backend, fromDirectory(tf, modelDirectory));
  send({...facts, versions: {node: process.versions.node, tfjs: tf.version_core}});
  for await (const {header, payload} of frames(process.stdin)) {
    try {
      const bytes = payload.buffer.slice(payload.byteOffset, payload.byteOffset + payload.byteLength);
      const {values, shape, seconds} = await engine.run(new Float32Array(bytes), header.shape);
      send({shape, seconds}, values);
    } catch (error) {
      send(describe(error));
    }
  }
}

main().then(
    () => process.exit(0),
    (error) => {
      send(describe(error));
      process.exitCode = 1;  // not exit(): the frame may still be on its way
    });
