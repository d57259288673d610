// The demo page: what a page does with the loader, from the address of a channel to poses on a canvas.
import {compare, drawDifferences, drawPersons} from './draw.js';
import {SquatCounter} from './squats.js';

const {channel: channelPath} = await (await fetch('demo.json')).json();
const channelUrl = new URL(channelPath, location.href).href;
const part = (id) => document.getElementById(id);
const context = part('view').getContext('2d');
const COLOURS = {ours: '#e8590c', reference: '#1c7ed6', difference: '#e03131'};

const state = {poses: {}, source: null, running: 0, squats: new SquatCounter()};

function tell(text, isError = false) {
  part('message').textContent = text;
  part('message').classList.toggle('error', isError);
}

/** The record, and the loader that was published with it. */
async function findRelease() {
  const channel = await (await fetch(channelUrl)).json();
  const recordUrl = new URL(channel.record.path, channelUrl).href;
  const record = await (await fetch(recordUrl)).json();
  const {loadPose} = await import(new URL(record.base + record.web, recordUrl).href);
  const names = Object.keys(record.variants);
  const bySize = [...names].sort((a, b) => record.variants[b].raw_bytes - record.variants[a].raw_bytes);
  const reference = names.find((name) => record.variants[name].scheme === 'float32') ?? bySize[0];
  return {record, loadPose, names, reference, smallest: bySize.at(-1)};
}

const release = await findRelease().catch((error) => {
  tell(`The release could not be loaded: ${error.message}`, true);
  throw error;
});
for (const name of release.names) part('variant').add(new Option(name, name, false, name === release.smallest));
const isAlone = release.names.length === 1;
part('compare').disabled = isAlone;
if (!isAlone) part('reference').textContent = release.reference;
tf.wasm.setWasmPaths(new URL('tfjs/', location.href).href);

async function load(role, variant) {
  state.poses[role]?.dispose();
  delete state.poses[role];
  tell(`Loading ${variant}…`);
  const pose = await release.loadPose(channelUrl, {
    tf,
    variant,
    backend: part('backend').value,
    smoothing: role === 'ours' && part('smoothing').checked,
    onProgress: ({bytes, total}) => {
      if (role === 'ours' && total) part('bytes').textContent = `${(bytes / 1e6).toFixed(2)} MB`;
    },
  });
  state.poses[role] = pose;
  if (role === 'ours') show(pose.capabilities);
  tell(`${variant} of ${release.record.name} ${release.record.version} is ready.`);
}

function show({backend, reasons, milliseconds}) {
  part('chosen').textContent = milliseconds ? `${backend}, ${Math.round(milliseconds)} ms` : backend;
  part('reasons').replaceChildren(...reasons.map((text) => Object.assign(document.createElement('li'), {textContent: text})));
}

async function ready() {
  if (!state.poses.ours) await load('ours', part('variant').value);
  if (part('compare').checked && !state.poses.reference) await load('reference', release.reference);
}

/** Look at one frame: detect, draw, count. */
async function look(source, width, height) {
  await ready();
  const {ours, reference} = state.poses;
  const started = performance.now();
  const persons = await ours.detect(source);
  const spent = performance.now() - started;
  const theirs = part('compare').checked && reference ? await reference.detect(source) : null;
  if (!persons) return null;
  Object.assign(context.canvas, {width, height});
  context.drawImage(source, 0, 0, width, height);
  if (theirs) drawPersons(context, theirs, reference.skeleton, COLOURS.reference, true);
  drawPersons(context, persons, ours.skeleton, COLOURS.ours);
  part('difference').textContent = '–';
  if (theirs) {
    const found = compare(persons, theirs);
    drawDifferences(context, found, COLOURS.difference);
    const counts = `${found.pairs.length} of ${theirs.length} persons, ${found.invented} made up`;
    part('difference').textContent = `mean ${found.mean.toFixed(1)} px, worst ${found.worst.toFixed(1)} px; ${counts}`;
  }
  part('persons').textContent = persons.length;
  part('time').textContent = `${Math.round(spent)} ms`;
  return persons;
}

async function play(video) {
  const turn = ++state.running;
  state.squats = new SquatCounter();
  const times = [];
  while (turn === state.running && !video.ended) {
    if (video.videoWidth && !video.paused) {
      const persons = await look(video, video.videoWidth, video.videoHeight);
      if (persons) {
        part('squats').textContent = state.squats.see(persons);
        part('angle').textContent = state.squats.angle === null ? '–' : `${Math.round(state.squats.angle)}°`;
        times.push(performance.now());
        if (times.length > 20) times.shift();
        const seconds = (times.at(-1) - times[0]) / 1000;
        if (seconds) part('fps').textContent = ((times.length - 1) / seconds).toFixed(1);
      }
    }
    await new Promise((next) => (document.hidden ? setTimeout(next, 500) : requestAnimationFrame(next)));
  }
}

function stop() {
  state.running += 1;
  state.source?.stop?.();
  state.source = null;
  part('stop').disabled = true;
}

async function useCamera() {
  stop();
  if (!navigator.mediaDevices?.getUserMedia) {
    return tell('This page may not use a camera: browsers allow it on https and on this machine alone.', true);
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'user', width: {ideal: 640}}, audio: false});
  } catch (error) {
    const why = {NotAllowedError: 'it was not allowed', NotFoundError: 'there is none'}[error.name] ?? error.message;
    return tell(`The camera cannot be used: ${why}. Pick a photo or a video instead.`, true);
  }
  const video = Object.assign(document.createElement('video'), {srcObject: stream, muted: true, playsInline: true});
  state.source = {stop: () => stream.getTracks().forEach((track) => track.stop())};
  part('stop').disabled = false;
  await video.play();
  tell('Camera');
  return play(video);
}

async function useFile(file) {
  stop();
  const url = URL.createObjectURL(file);
  state.source = {stop: () => URL.revokeObjectURL(url)};
  part('stop').disabled = false;
  if (file.type.startsWith('image/')) {
    const image = Object.assign(new Image(), {src: url});
    await image.decode();
    state.last = () => look(image, image.naturalWidth, image.naturalHeight);
    await state.last();
    return tell(file.name);
  }
  state.last = null;
  const video = Object.assign(document.createElement('video'), {src: url, muted: true, playsInline: true});
  await video.play();
  tell(file.name);
  return play(video);
}

/** Run something a person asked for; whatever goes wrong is said on the page. */
const asked = (work) => async (event) => {
  try {
    await work(event);
  } catch (error) {
    tell(error.message, true);
  }
};

async function change(role) {
  state.poses[role]?.dispose();
  delete state.poses[role];
  await ready();
  if (state.last) await state.last();
}

part('camera').addEventListener('click', asked(useCamera));
part('file').addEventListener('change', asked(({target: {files: [file]}}) => file && useFile(file)));
part('stop').addEventListener('click', asked(() => {
  stop();
  tell('Stopped.');
}));
for (const id of ['variant', 'smoothing']) part(id).addEventListener('change', asked(() => change('ours')));
part('compare').addEventListener('change', asked(() => change('reference')));
part('backend').addEventListener('change', asked(async () => {
  await change('ours');
  if (part('compare').checked) await change('reference');
}));
part('controls').addEventListener('submit', (event) => event.preventDefault());
await asked(ready)();
document.documentElement.dataset.ready = 'true';
