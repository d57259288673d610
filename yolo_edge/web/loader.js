import {PoseError, reason} from './errors.js';
import {climb} from './engine.js';
import {PoseModel} from './pose.js';
import {findRelease, parse} from './release.js';
import {Transport} from './transport.js';

const BACKENDS = ['auto', 'webgpu', 'webgl', 'wasm', 'cpu'];

const DEFAULTS = {
  backend: 'auto', variant: 'auto', cache: true, slowest: 250,
  clock: () => performance.timeOrigin + performance.now(),
};

/** Variants to load one after the other. 'auto' is the largest that arrives within 4 seconds. */
function choose(variants, wanted) {
  const size = (name) => variants[name].wire_bytes;
  const names = Object.keys(variants).sort((a, b) => size(a) - size(b));
  const {saveData, downlink = 10} = navigator.connection ?? {};
  const small = saveData || navigator.deviceMemory < 2;
  const best = names.filter((name) => !small && size(name) <= downlink * 5e5).pop() ?? names[0];
  if (wanted === 'auto') return [best];
  if (wanted === 'progressive') return [...new Set([names[0], best])];
  if (variants[wanted]) return [wanted];
  throw new PoseError('options', `variant ${wanted}`, names);
}

/** One load: what its parts share. */
class Load {
  reasons = [];
  chosen = {tier: 'edge', backend: null, variant: null, milliseconds: null, reasons: this.reasons};
  sizes = {};
  bytes = 0;
  total = 0;

  constructor(url, options) {
    Object.assign(this, {url, options});
  }

  async start() {
    const {signal, cache, clientId, clock, variant} = this.options;
    this.transport = await Transport.open(this.url, cache, signal);
    this.tell('documents');
    this.release = await findRelease(this.url, this.transport, {clientId, now: clock(), reasons: this.reasons});
    const {name, version, release, channel, canary} = this.release;
    Object.assign(this.chosen, {name, version, release, channel, canary, cache: this.transport.store.kind});
    return choose(this.release.variants, variant);
  }

  tell(stage) {
    const bytes = Object.values(this.sizes).reduce((a, b) => a + b, 0);
    this.bytes = Math.max(this.bytes, bytes);
    this.options.onProgress?.({stage, bytes: this.bytes, total: this.total});
  }

  at(path) {
    const {base, url} = this.release;
    return new URL(base + path, url).href;
  }

  /** The files of a variant that a browser needs. */
  async artifacts(name) {
    const {files, variants, manifest: own} = this.release;
    const folder = variants[name].model.replace('model.json', '');
    const wanted = Object.keys(files).filter((path) => path.startsWith(folder) && /(model|golden|t)\.json$|bin$/.test(path));
    for (const path of wanted) if (!(path in this.sizes)) this.total += files[path].bytes;
    const contents = Object.fromEntries(await Promise.all(wanted.map(async (path) => {
      const bytes = await this.transport.file(this.at(path), files[path], (size) => {
        this.sizes[path] = size;
        this.tell('download');
      });
      return [path, /json$/.test(path) ? parse(bytes, this.at(path)) : bytes];
    })));
    const json = contents[`${folder}model.json`];
    const manifest = own ?? contents[`${folder}manifest.json`];
    const shards = json?.weightsManifest.flatMap(({paths}) => paths).map((path) => contents[folder + path]);
    if (!manifest || !shards?.every(Boolean)) {
      throw new PoseError('schema', this.at(folder), 'a file is missing');
    }
    const weights = await new Blob(shards).arrayBuffer();
    return {json, weights, manifest, golden: contents[`${folder}golden.json`]};
  }

  /** A variant on a backend: the engine, and what to say about it. */
  async open(variant, backend = this.options.backend) {
    const {release: {release}, reasons, options: {tf, fallback, slowest, signal}} = this;
    const artifacts = await this.artifacts(variant);
    this.tell('start');
    const timed = backend === 'auto' || fallback;
    const best = await climb(tf, artifacts, {backend, key: `${release} ${variant}`, reasons, timed});
    if (signal?.aborted) {
      best.engine.dispose();
      throw new PoseError('aborted');
    }
    const tier = fallback && best.milliseconds > slowest ? 'server' : 'edge';
    if (tier === 'server') reasons.push(`server: more than ${slowest} ms a frame here`);
    return {...best, tier, variant, backend: best.engine.backend, imageSize: artifacts.manifest.model.image_size};
  }

  /** After a lost GPU: its backend made anew, else wasm. */
  async recover({tf, backend, ...engine}) {
    this.reasons.push(`${backend}: the GPU was lost`);
    engine.model.dispose();
    const factory = tf.findBackendFactory(backend);
    tf.removeBackend(backend);
    tf.registerBackend(backend, factory);
    return this.open(this.chosen.variant, backend).catch(() => this.open(this.chosen.variant, 'wasm'));
  }

  /** Forget other releases. */
  async tidy() {
    const {url, entry} = this.release;
    await this.transport.evict((stored) => stored.startsWith(this.at('')) || [url, entry].includes(stored));
  }
}

/**
 * Load a pose model from the URL of a channel, a commit record or a converted directory. Options and answer are
 * described in index.d.ts. With a `fallback`, failures leave the work to that.
 */
export async function loadPose(url, options) {
  const settings = {...DEFAULTS, tf: globalThis.tf, ...options};
  const {tf, backend, fallback} = settings;
  if (!tf?.loadGraphModel) throw new PoseError('no-tf');
  if (!BACKENDS.includes(backend)) throw new PoseError('options', `backend ${backend}`, BACKENDS);
  const load = new Load(new URL(url, globalThis.location).href, settings);
  const pose = new PoseModel(settings, load.chosen, (lost) => load.recover(lost));
  const bring = async (variant) => {
    pose.adopt(await load.open(variant));
    await load.tidy();
  };
  try {
    const [first, better] = await load.start();
    await bring(first);
    if (better) pose.settled = bring(better).catch((error) => void load.reasons.push(`${better}: ${reason(error)}`));
  } catch (error) {
    if (!fallback || ['aborted', 'options'].includes(error.code)) throw error;
    load.chosen.tier = 'server';
    load.reasons.push(`server: ${reason(error)}`);
  }
  load.tell('ready');
  return pose;
}
