import {PoseError, reason} from './errors.js';
import {note, sha256} from './transport.js';

const encode = (text) => new TextEncoder().encode(text);

/** Read a JSON document; refuse what is newer than this loader. */
export function parse(bytes, url) {
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

/** Whether a client takes the canary of a channel. */
export async function takesCanary(canary, clientId) {
  const hash = canary && clientId != null && (await sha256(encode(`${canary.salt}:${clientId}`)));
  return Boolean(hash) && (parseInt(hash.slice(0, 8), 16) / 2 ** 32) * 100 < canary.percent;
}

/** The entry document: from the network, else that of the last visit. */
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

/** The commit record that a channel points to. */
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

/**
 * What a URL stands for, told by the document's content: a commit record and its `url`. A converted directory becomes
 * one of a single variant.
 */
export async function findRelease(url, transport, {clientId, now, reasons}) {
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
