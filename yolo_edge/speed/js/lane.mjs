// One model in one process or page of its own, to be raced against others: what the Node worker and the page share.

import {counters, scriptBytes, wasmBytes} from './counters.mjs';
import {EngineError} from '../../runtime/js/engine.mjs';
import {FINDERS} from './finders.mjs';
import {GraphRunner} from './graph.mjs';
import {LiteRtRunner} from './litert.mjs';
import {OnnxRunner} from './onnx.mjs';

const RUNNERS = {graph: GraphRunner, onnx: OnnxRunner, litert: LiteRtRunner};
const ARRAYS = {float32: Float32Array, int32: Int32Array};

export class Lane {
  /**
   * Load a model and predict once.
   *
   * @param place what differs between Node and a page: tensorflow, onnxruntime, litert, graph, bytes, photo, facts.
   * @param lane what to run, see lane.py.
   */
  static async open(place, lane) {
    const {runner, milliseconds} = await RUNNERS[lane.runner].open(place, lane);
    const values = new ARRAYS[lane.input.dtype](await place.bytes(lane.lab, lane.input.file));
    const self = new Lane(runner, runner.arrange ? runner.arrange(values) : values);
    const first = await self.frame();
    if (lane.decode) {
      const photo = await place.photo(lane.photo, await place.bytes(lane.lab, lane.photo.file));
      self.finder = new FINDERS[lane.decode](runner.tf, await import('../../web/decoder.js'), lane, photo);
    }
    const {versions, ...others} = await place.facts(runner.tf, lane);
    const facts = {
      ...others,
      versions: {...versions, ...runner.versions},
      loadMilliseconds: milliseconds,
      firstMilliseconds: first.milliseconds,
      programs: counters.programs || null,
      finds: Boolean(self.finder),
    };
    return {lane: self, facts};
  }

  constructor(runner, values) {
    Object.assign(this, {runner, values});
  }

  /** One prediction. */
  async frame() {
    const started = performance.now();
    await this.runner.predict(this.values);
    return {milliseconds: performance.now() - started};
  }

  /** One frame from the photo to persons. */
  async find() {
    if (!this.finder) throw new EngineError('model', 'there is no decoder for it here');
    const started = performance.now();
    const values = await this.runner.run(() => this.finder.make());
    const persons = this.finder.decode(values);
    return {milliseconds: performance.now() - started, persons};
  }

  async inspect() {
    return {...(await this.runner.inspect(this.values)), wasmBytes: wasmBytes(), scriptBytes: scriptBytes()};
  }

  async kernels({rounds}) {
    return {kernels: await this.runner.kernels(this.values, rounds)};
  }
}
