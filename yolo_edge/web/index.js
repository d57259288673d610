import {climb} from './engine.js';
import {PoseError, reason} from './errors.js';
import {PoseModel} from './pose.js';
import {note, sha256, Transport} from './transport.js';

export {Decoder, letterbox, place} from './decoder.js';
export {PoseError} from './errors.js';
export {Circuit, PoseModel, Smoothing} from './pose.js';

const encode = (text) => new TextEncoder().encode(text);

function parse(bytes, url) {
  const text = new TextDecoder().decode(bytes);
  let problem = 'it is of a newer schema';
  try {
    const document = JSON.parse(text);
    if (!(document.schema_version > 1)) return document;
  } catch (error) {
    problem = reason(error);
  }
  throw new PoseError(/^\s*</.test(text) ? 'html' : 'schema', url, problem);
}

export async function takesCanary(canary, clientId) {
  if (!canary || clientId == null) return false;
  const hash = await sha256(encode(`${canary.salt}:${clientId}`));
  return (parseInt(hash.slice(0, 8), 16) / 2 ** 32) * 100 < canary.percent;
}

async function enter(url, transport, now, reasons) {
  const read = (bytes) => {
    const document = parse(bytes, url);
    const {kind, expires, seq} = document;
    if (kind !== 'channel') return document;
    if (expires && !(Date.parse(expires) > now)) throw new PoseError('expired', url, expires);
    if (!(seq >= (note(`seq ${url}`) ?? 0))) throw new PoseError('replayed', url, seq);
    note(`seq ${url}`, seq);
    return document;
  };
  try {
    const bytes = await transport.latest(url);
    const document = read(bytes);
    transport.keep(url, bytes);
    return document;
  } catch (error) {
    const passing = /network|html|truncated|replayed/.test(error.code) || error.status >= 500;
    const stored = passing && (await transport.stored(url));
    if (!stored) throw error;
    reasons.push(`as on an earlier visit: ${reason(error)}`);
    return read(stored);
  }
}

async function follow(channel, url, transport, clientId) {
  const canary = await takesCanary(channel.canary, clientId);
  const {version, release, record: {path, sha256: hash}} = canary ? channel.canary : channel;
  const target = new URL(path, url).href;
  const bytes = await transport.file(target, {sha256: hash}).catch((error) => {
    throw error.status < 500 ? new PoseError('channel', url, target, error) : error;
  });
  const record = parse(bytes, target);
  if (record.release !== release || record.version !== version) throw new PoseError('channel', url, target);
  return {...record, url: target, channel: channel.channel, canary};
}

// A converted directory becomes a record of one variant.
async function findRelease(url, transport, {clientId, now, reasons}) {
  const entry = url.replace(/\/(model\.json)?$/, '/manifest.json');
  const document = await enter(entry, transport, now, reasons);
  const {kind, name, scheme, contract, files, wire_bytes} = document;
  if (kind === 'channel') return {...(await follow(document, entry, transport, clientId)), entry};
  if (kind === 'release') return {...document, url: entry, entry};
  if (!contract) throw new PoseError('schema', entry, 'it is no document of yolo-edge');
  const release = await sha256(encode(Object.values(files).map((file) => file.sha256)));
  const variants = {[scheme]: {model: 'model.json', wire_bytes}};
  return {name, release, base: '', variants, files, url: entry, entry, manifest: document};
}

const BACKENDS = ['auto', 'webgpu', 'webgl', 'wasm', 'cpu'];

const DEFAULTS = {
  backend: 'auto', variant: 'auto', cache: true, slowest: 250,
  clock: () => performance.timeOrigin + performance.now(),
};

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

class Load {
  reasons = [];
  chosen = {tier: 'edge', reasons: this.reasons};
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
    if (!manifest || !shards?.every(Boolean)) throw new PoseError('schema', this.at(folder), 'a file is missing');
    const weights = await new Blob(shards).arrayBuffer();
    return {json, weights, manifest, golden: contents[`${folder}golden.json`]};
  }

  async open(variant, backend = this.options.backend) {
    const {release: {release}, reasons, options: {tf, fallback, slowest, signal}} = this;
    const artifacts = await this.artifacts(variant);
    this.tell('start');
    const best = await climb(tf, artifacts, {backend, key: `${release} ${variant}`, reasons});
    if (signal?.aborted) {
      best.engine.dispose();
      throw new PoseError('aborted');
    }
    const tier = fallback && best.milliseconds > slowest ? 'server' : 'edge';
    return {...best, tier, variant, backend: best.engine.backend};
  }

  async recover({tf, backend, ...engine}) {
    this.reasons.push(`${backend}: the GPU was lost`);
    engine.model.dispose();
    const factory = tf.findBackendFactory(backend);
    tf.removeBackend(backend);
    tf.registerBackend(backend, factory);
    return this.open(this.chosen.variant, backend).catch(() => this.open(this.chosen.variant, 'wasm'));
  }

  async tidy() {
    const {url, entry} = this.release;
    await this.transport.evict((stored) => stored.startsWith(this.at('')) || [url, entry].includes(stored));
  }
}

/** See index.d.ts. */
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
