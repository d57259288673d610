import {PoseError} from './errors.js';

const PREFIX = 'yolo-edge ';
const ATTEMPTS = {network: 3, truncated: 3, integrity: 2};
const running = new Map();

export function note(key, value) {
  try {
    if (value) localStorage.setItem(PREFIX + key, JSON.stringify(value));
    return JSON.parse(localStorage.getItem(PREFIX + key));
  } catch {
    return null;
  }
}

export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) throw new PoseError('insecure');
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const answer = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const PLACES = {
  async cache(scope) {
    const cache = await caches.open(scope);
    const methods = {
      get: async (url) => (await cache.match(url))?.arrayBuffer(),
      put: (bytes, url) => cache.put(url, new Response(bytes)),
      delete: (url) => cache.delete(url),
      getAllKeys: async () => (await cache.keys()).map(({url}) => url),
    };
    return (method, ...words) => methods[method](...words);
  },
  async indexeddb(scope) {
    const opening = indexedDB.open(scope);
    opening.onupgradeneeded = () => opening.result.createObjectStore(scope);
    const database = await answer(opening);
    return (method, ...words) => answer(database.transaction(scope, 'readwrite').objectStore(scope)[method](...words));
  },
};

// A place that fails (quota, private mode) costs a download and no error.
async function openStore(scope, wanted) {
  for (const kind in wanted && PLACES) {
    const place = await PLACES[kind](PREFIX + scope).catch(() => null);
    if (place) return {kind, ask: (...words) => place(...words).catch(() => null)};
  }
  return {kind: 'none', ask: async () => null};
}

// A fetch with `integrity` gives nothing before its end, so the bytes are hashed here.
async function attempt(url, {signal, cache, expected, onBytes}) {
  const parts = [];
  let size;
  try {
    const {ok, status, headers, body} = await fetch(url, {signal, cache});
    if (!ok) throw Object.assign(new PoseError('http', url, status), {status});
    if (/html/.test(headers.get('content-type'))) throw new PoseError('html', url);
    const reader = body.getReader();
    size = 0;
    for (let part; !(part = await reader.read()).done; onBytes?.(size)) size += parts[parts.push(part.value) - 1].length;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    if (size < expected?.bytes) throw null;
    if (!expected || (await sha256(bytes)) === expected.sha256) return bytes;
    throw new PoseError('integrity', url);
  } catch (error) {
    throw error instanceof PoseError ? error : new PoseError(size >= 0 ? 'truncated' : 'network', url, size, error);
  }
}

async function download(url, options) {
  for (let count = 1; ; count++) {
    try {
      return await attempt(url, options);
    } catch (error) {
      if (options.signal?.aborted) throw new PoseError('aborted');
      if (count >= (options.attempts ?? ATTEMPTS[error.code] ?? (error.status >= 500 ? 3 : 1))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * count * (0.5 + Math.random())));
      options = {...options, cache: 'reload'};
    }
  }
}

// Loads of a file share it; it ends when all of them gave up.
function share(url, expected, signal, onBytes) {
  const key = url + expected.sha256;
  const job = running.get(key) ?? {controller: new AbortController(), listeners: new Set()};
  const {controller, listeners} = job;
  running.set(key, job);
  listeners.add(onBytes);
  const tell = (size) => listeners.forEach((listener) => listener(size));
  job.bytes ??= download(url, {expected, signal: controller.signal, onBytes: tell}).finally(() => running.delete(key));
  return new Promise((resolve, reject) => {
    const quit = () => {
      listeners.delete(onBytes);
      if (!listeners.size) controller.abort(running.delete(key));
      reject(new PoseError('aborted'));
    };
    if (signal?.aborted) quit();
    signal?.addEventListener('abort', quit);
    job.bytes.then(resolve, reject);
  });
}

export class Transport {
  writes = [];

  static async open(scope, cache, signal) {
    return Object.assign(new Transport(), {store: await openStore(scope, cache), signal});
  }

  async stored(url) {
    const bytes = await this.store.ask('get', url);
    return bytes && new Uint8Array(bytes);
  }

  keep(url, bytes) {
    this.writes.push(this.store.ask('put', bytes, url));
  }

  async file(url, expected, onBytes = () => {}) {
    let bytes = await this.stored(url);
    if (!bytes || (await sha256(bytes)) !== expected.sha256) {
      bytes = await share(url, expected, this.signal, (size) => onBytes(size));
      this.keep(url, bytes);
    }
    onBytes(bytes.length);
    return bytes;
  }

  latest(url) {
    const late = new Promise((_, reject) => setTimeout(reject, 3000, new PoseError('network', url)));
    return Promise.race([late, download(url, {signal: this.signal, cache: 'no-cache', attempts: 1})]);
  }

  async evict(wanted) {
    await Promise.all(this.writes);
    for (const url of (await this.store.ask('getAllKeys')) ?? []) if (!wanted(url)) await this.store.ask('delete', url);
  }
}
