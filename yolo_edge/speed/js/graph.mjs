// A TensorFlow.js graph model, of ours or of others.

import {EngineError, useBackend} from '../../runtime/js/engine.mjs';
import {counters} from './counters.mjs';
import {watchKernels} from './kernels.mjs';

function setFlags(tf, flags) {
  for (const [name, value] of Object.entries(flags)) {
    try {
      tf.env().set(name, value);
    } catch {
      throw new EngineError('backend', `there is no flag ${name} here`);
    }
  }
}

export class GraphRunner {
  /**
   * @param place where this runs: {tensorflow(threads), graph(tf, folder, file)}.
   * @param lane what to run, see lane.py.
   */
  static async open(place, lane) {
    const tf = await place.tensorflow(lane.threads);
    setFlags(tf, lane.flags);
    const started = performance.now();
    await useBackend(tf, lane.backend);
    const model = await tf.loadGraphModel(place.graph(tf, lane.folder, lane.file));
    return {runner: new GraphRunner(tf, model, lane), milliseconds: performance.now() - started};
  }

  constructor(tf, model, {outputs, input}) {
    Object.assign(this, {tf, model, outputs, input, versions: {tfjs: tf.version_core}});
  }

  /** From values in JavaScript memory to the first output in JavaScript memory, when all of them are there. */
  async predict(values) {
    return this.run(() => this.tf.tensor(values, this.input.shape, this.input.dtype));
  }

  /** Never inside tf.tidy: the first run may decode weights, which must stay. */
  async run(make) {
    const {tf, model, outputs} = this;
    const images = make();
    let answer = [];
    try {
      answer = [outputs.length ? model.execute(images, outputs) : model.predict(images)].flat();
      const [values] = await Promise.all(answer.map((tensor) => tensor.data()));
      return values;
    } finally {
      tf.dispose([images, answer]);
    }
  }

  /** Memory of tensors, kernels and draw calls of a frame. */
  async inspect(values) {
    const {tf} = this;
    await this.predict(values);
    const tensorBytes = tf.memory().numBytes;
    const before = counters.draws;
    let kernels = [];
    const profile = await tf.profile(async () => {
      kernels = await this.kernels(values, 1);
    });
    const drawn = counters.draws - before;
    return {
      kernels: kernels.reduce((sum, {calls}) => sum + calls, 0),
      draws: drawn || null,
      tensorBytes,
      peakTensorBytes: profile.peakBytes,
    };
  }

  async kernels(values, rounds) {
    const frames = async () => {
      for (let round = 0; round < rounds; round++) await this.predict(values);
    };
    const sums = await watchKernels(this.tf, frames, () => counters.draws);
    return sums.map(({name, calls, milliseconds, draws, multiplyAdds}) => ({
      name,
      calls: calls / rounds,
      milliseconds: milliseconds === null ? null : milliseconds / rounds,
      draws: draws / rounds,
      multiplyAdds: multiplyAdds / rounds,
    }));
  }
}
