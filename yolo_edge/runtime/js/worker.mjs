// TensorFlow.js in Node, driven by Python over stdin and stdout.
//
// node worker.mjs NODE_MODULES MODEL_DIRECTORY BACKEND THREADS
//
// Both ways a frame is: uint32 (little-endian) length of a JSON header, the header, then header.bytes bytes of payload.
//   worker, once:  {inputShape, backend, loadSeconds, firstRunSeconds, ...}  or  {error, kind}
//   Python:        {shape, bytes} + float32 images
//   worker:        {shape, seconds, bytes} + float32 output                  or  {error, kind}
// The worker ends when stdin does, so it never outlives Python.

import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';

import {describe, Engine, EngineError} from './engine.mjs';

const [packages, modelDirectory, backend, threads] = process.argv.slice(2);

// stdout carries frames alone: whatever libraries print goes to stderr.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = (...words) => console.error(...words);

/** Split stdin into frames. */
async function* frames(stream) {
  let chunks = [];
  let size = 0;
  let header = null;
  let needed = 4;
  const take = () => {
    const whole = Buffer.concat(chunks, size);
    const part = whole.subarray(0, needed);
    chunks = [whole.subarray(needed)];
    size -= needed;
    return part;
  };
  let state = 'length';
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= needed) {
      const part = take();
      if (state === 'length') {
        [state, needed] = ['header', part.readUInt32LE(0)];
      } else if (state === 'header') {
        header = JSON.parse(part.toString('utf8'));
        [state, needed] = ['payload', header.bytes ?? 0];
      } else {
        [state, needed] = ['length', 4];
        yield {header, payload: part};
      }
    }
  }
}

function send(header, payload = new Uint8Array(0)) {
  const json = Buffer.from(JSON.stringify({...header, bytes: payload.byteLength}), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length, 0);
  const body = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  process.stdout.write(Buffer.concat([length, json, body]));
}

/** TensorFlow.js with the CPU kernels that the wasm backend falls back to. */
function loadTensorFlow() {
  const require = createRequire(path.join(packages, 'worker.cjs'));
  const tf = require('@tensorflow/tfjs-core');
  const converter = require('@tensorflow/tfjs-converter');
  require('@tensorflow/tfjs-backend-cpu');
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  if (Number(threads) > 1) {
    wasm.setThreadsCount(Number(threads));
  } else {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  }
  return {...tf, loadGraphModel: converter.loadGraphModel};
}

/** An IO handler that reads model.json and its shards from disk. */
function fromDirectory(tf, directory) {
  const read = async (name) => {
    const file = path.resolve(directory, name);
    if (path.relative(directory, file).startsWith('..')) {
      throw new EngineError('model', `model.json names a weight file outside its directory: ${name}`);
    }
    return readFile(file);
  };
  const loadWeights = async (manifest) => {
    const specs = manifest.flatMap((group) => group.weights);
    const files = await Promise.all(manifest.flatMap((group) => group.paths).map(read));
    // A list of shards, as a browser's loader passes on, so that what loads here loads there.
    return [specs, files.map(({buffer, byteOffset, byteLength}) => buffer.slice(byteOffset, byteOffset + byteLength))];
  };
  return {
    load: async () => tf.io.getModelArtifactsForJSON(JSON.parse(await read('model.json')), loadWeights),
  };
}

async function main() {
  const tf = loadTensorFlow();
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
