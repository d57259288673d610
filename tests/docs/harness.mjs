// What the JavaScript of the documentation finds around it when a test runs it in Node: TF.js, and a server on 127.0.0.1.

import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {createRequire} from 'node:module';
import path from 'node:path';

/** TF.js on its WebAssembly backend; loadGraphModel takes addresses relative to base, as in a page. */
export async function tensorflow(packages, base) {
  const require = createRequire(path.join(packages, 'harness.cjs'));
  const tf = require('@tensorflow/tfjs-core');
  const {loadGraphModel} = require('@tensorflow/tfjs-converter');
  require('@tensorflow/tfjs-backend-cpu');
  require('@tensorflow/tfjs-backend-wasm');
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  await tf.setBackend('wasm');
  return {...tf, loadGraphModel: (address) => loadGraphModel(new URL(address, base).href)};
}

/** Serve a directory; returns its address. The server does not keep the process alive. */
export function serve(directory) {
  const server = createServer(async (request, response) => {
    try {
      response.end(await readFile(path.join(directory, path.normalize(request.url))));
    } catch {
      response.writeHead(404).end('not found');
    }
  });
  server.unref();
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/`));
  });
}
