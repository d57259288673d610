// An ONNX model in onnxruntime-web, on its WebAssembly backend.

import {OpaqueRunner} from './opaque.mjs';

export class OnnxRunner extends OpaqueRunner {
  /**
   * @param place where this runs: {onnxruntime(file), bytes(folder, file)}.
   * @param lane what to run, see lane.py.
   */
  static async open(place, lane) {
    const ort = await place.onnxruntime(lane.onnxruntime);
    ort.env.wasm.numThreads = lane.threads;
    const started = performance.now();
    const session = await ort.InferenceSession.create(await place.bytes(lane.folder, lane.file), {
      executionProviders: ['wasm'],
    });
    return {runner: new OnnxRunner(ort, session, lane), milliseconds: performance.now() - started};
  }

  constructor(ort, session, {input}) {
    super();
    Object.assign(this, {ort, session, input, versions: {'onnxruntime-web': ort.env.versions.web}});
  }

  async predict(values) {
    const {ort, session, input} = this;
    const answer = await session.run({[session.inputNames[0]]: new ort.Tensor(input.dtype, values, input.shape)});
    return answer[session.outputNames[0]].getData();
  }
}
