// A LiteRT model (.tflite) in LiteRT.js, on its WebAssembly backend.

import {EngineError} from '../../runtime/js/engine.mjs';
import {OpaqueRunner} from './opaque.mjs';

const same = (left, right) => left.length === right.length && left.every((side, axis) => side === right[axis]);

/** Turn channels that come last into channels that come first. */
function channelsFirst(values, [, height, width, channels]) {
  const pixels = height * width;
  return Float32Array.from(values, (_, at) => values[(at % pixels) * channels + Math.floor(at / pixels)]);
}

export class LiteRtRunner extends OpaqueRunner {
  /**
   * @param place where this runs: {litert(folder), bytes(folder, file)}.
   * @param lane what to run, see lane.py.
   */
  static async open(place, lane) {
    const {litert, wasm, version} = await place.litert(lane.litert);
    const started = performance.now();
    await litert.loadLiteRt(wasm, {threads: lane.threads > 1});
    const model = await litert.loadAndCompile(new Uint8Array(await place.bytes(lane.folder, lane.file)), {
      accelerator: 'wasm',
      cpuOptions: {numThreads: lane.threads},
    });
    return {runner: new LiteRtRunner(litert, model, lane, version), milliseconds: performance.now() - started};
  }

  constructor(litert, model, {input}, version) {
    super();
    const [{dtype, shape}] = model.getInputDetails();
    Object.assign(this, {litert, model, input, dtype, shape: [...shape], versions: {'@litertjs/core': version}});
  }

  /** Bring values into the layout that the model's signature names; once, so that no frame pays for it. */
  arrange(values) {
    const {dtype, shape, input} = this;
    const [one, height, width, channels] = input.shape;
    if (dtype === input.dtype && same(shape, input.shape)) return values;
    if (dtype === input.dtype && same(shape, [one, channels, height, width])) return channelsFirst(values, input.shape);
    throw new EngineError('model', `it takes ${dtype} [${shape}], and the directory's model ${input.dtype} [${input.shape}]`);
  }

  async predict(values) {
    const image = new this.litert.Tensor(values, this.shape);
    let answer = [];
    try {
      answer = await this.model.run([image]);
      return await answer[0].data();
    } finally {
      for (const tensor of [image, ...answer]) tensor.delete();
    }
  }
}
