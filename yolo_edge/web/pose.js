import {Decoder, letterbox, open, place} from './decoder.js';
import {PoseError, reason} from './errors.js';

export class Circuit {
  state = 'closed';
  failures = 0;

  constructor(options) {
    const defaults = {limit: 3, pause: 1000, longest: 60000, timeout: 10000, clock: Date.now, random: Math.random};
    Object.assign(this, defaults, options);
  }

  async run(call) {
    if (this.state === 'half-open' || (this.state === 'open' && this.clock() < this.retryAt)) return null;
    if (this.state === 'open') this.state = 'half-open';
    let timer;
    try {
      const late = new Promise((_, reject) => (timer = setTimeout(reject, this.timeout, new Error('no answer in time'))));
      const answer = await Promise.race([call(), late]);
      Object.assign(this, {state: 'closed', failures: 0});
      return answer;
    } catch (error) {
      this.lastError = reason(error);
      const over = ++this.failures - this.limit;
      if (over < 0) return null;
      // Clients that failed together shall not return together.
      this.retryAt = this.clock() + Math.min(this.pause * 2 ** over, this.longest) * (0.5 + this.random() / 2);
      this.state = 'open';
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}

const share = (cutoff, seconds) => 1 / (1 + 1 / (2 * Math.PI * cutoff * seconds));

function overlap(a, b) {
  const side = (at, size) => Math.max(Math.min(a[at] + a[size], b[at] + b[size]) - Math.max(a[at], b[at]), 0);
  const shared = side('x', 'width') * side('y', 'height');
  return shared / (a.width * a.height + b.width * b.height - shared || 1);
}

// The One-Euro filter (Casiez et al., CHI 2012), with speeds in box sizes a second.
export class Smoothing {
  tracks = [];
  ids = 0;

  constructor(options) {
    Object.assign(this, {minCutoff: 1, beta: 4, derivativeCutoff: 1}, options);
  }

  apply(persons, now) {
    let old = this.tracks.filter(({time}) => time < now && now - time <= 1000);
    const fresh = persons.map((person) => {
      const {box, keypoints} = person;
      const likeness = (track) => overlap(track.box, box);
      const [track] = old.filter((one) => likeness(one) > 0.3).sort((a, b) => likeness(b) - likeness(a));
      old = old.filter((one) => one !== track);
      const points = track?.points ?? keypoints.map(({x, y}) => ({x, y, dx: 0, dy: 0}));
      if (track) this.follow(person, points, (now - track.time) / 1000);
      person.id = track?.id ?? ++this.ids;
      return {id: person.id, box, points, time: now};
    });
    this.tracks = [...fresh, ...old];
    return persons;
  }

  follow({box, keypoints}, points, seconds) {
    for (const [n, point] of points.entries()) {
      for (const axis of ['x', 'y']) {
        const slope = `d${axis}`;
        const speed = (keypoints[n][axis] - point[axis]) / Math.max(box.width, box.height, 1) / seconds;
        point[slope] += share(this.derivativeCutoff, seconds) * (speed - point[slope]);
        const cutoff = this.minCutoff + this.beta * Math.abs(point[slope]);
        keypoints[n][axis] = point[axis] += share(cutoff, seconds) * (keypoints[n][axis] - point[axis]);
      }
    }
  }
}

export class PoseModel {
  names = [];
  skeleton = [];
  settled = Promise.resolve();
  #parts;
  #next;
  #busy = false;

  constructor(options, chosen, recover) {
    const {smoothing, fallback, circuit, clock} = options;
    Object.assign(this, {options, chosen, recover});
    this.smoothing = smoothing && new Smoothing(smoothing);
    this.circuit = fallback && new Circuit({clock, ...circuit});
  }

  get capabilities() {
    const {state, failures, lastError} = this.circuit ?? {};
    return {...this.chosen, circuit: {state, failures, lastError}};
  }

  adopt({engine, ...facts}) {
    const {model: {keypoint_names: names, skeleton}, contract: {output}} = engine.manifest;
    this.#next?.engine.dispose();
    this.#next = {engine, decoder: new Decoder(output, names, this.options.maxPersons), facts, names, skeleton};
    this.#turn();
  }

  #turn(busy = this.#busy) {
    if (busy || !(this.disposed || this.#next)) return;
    this.#parts?.engine.dispose();
    this.#parts = this.#next;
    this.#next = null;
    if (this.disposed) return this.#parts?.engine.dispose();
    const {facts, names, skeleton} = this.#parts;
    Object.assign(this, {names, skeleton});
    Object.assign(this.chosen, facts);
  }

  async detect(source) {
    if (this.disposed) throw new PoseError('disposed');
    if (this.#busy) return null;
    this.#busy = true;
    try {
      const persons = await this.#answer(source);
      return persons && this.smoothing ? this.smoothing.apply(persons, this.options.clock()) : persons;
    } finally {
      this.#busy = false;
      this.#turn();
    }
  }

  async #answer(source) {
    const remote = () => this.circuit.run(() => this.options.fallback(source));
    if (this.chosen.tier === 'server') {
      const persons = await remote();
      if (persons || !this.#parts) return persons;
    }
    try {
      return await this.#local(source).catch((error) => {
        if (error.code === 'lost') return this.#again(source);
        throw error;
      });
    } catch (error) {
      if (error.code === 'source' || !this.circuit) throw error;
      this.chosen.tier = 'server';
      this.chosen.reasons.push(`server: ${reason(error)}`);
      return remote();
    }
  }

  async #local(source) {
    const {engine, decoder} = this.#parts;
    const {tf, manifest: {contract: {input: {shape: [, H, W], pad_value: grey}}}} = engine;
    const {pixels, w, h, close} = await open(source);
    try {
      const at = place(w, h, W, H);
      const values = await engine.run(() => letterbox(tf, pixels, at, grey));
      decoder.decode(values, this.options.confidence, this.options.iou);
      return decoder.persons(values, at);
    } finally {
      close();
    }
  }

  async #again(source) {
    this.adopt(await this.recover(this.#parts.engine));
    this.#turn(false);
    return this.#local(source);
  }

  dispose() {
    this.disposed = true;
    this.#turn();
  }
}
