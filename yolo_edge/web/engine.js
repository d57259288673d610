import {PoseError, reason} from './errors.js';
import {note} from './transport.js';

const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

const SIMD = atob('AGFzbQEAAAABBQFgAAF7AwIBAAoKAQgAQQD9D/1iCw==');

const bytesOf = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt());

// By docs/format.md.
export function drawCard({cells, grain, seed, background, strokes}, [, H, W]) {
  const grid = Array(cells * cells).fill(background);
  for (const [x1, y1, x2, y2, radius, ...colour] of strokes) {
    const [dx, dy, reach] = [x2 - x1, y2 - y1, radius * radius];
    const length = dx * dx + dy * dy;
    for (let n = 0; n < grid.length; n++) {
      const [x, y] = [(n % cells) - x1, Math.floor(n / cells) - y1];
      const [along, across] = [x * dx + y * dy, x * dy - y * dx];
      const near = (a, b) => a * a + b * b <= reach;
      const beside = along < length ? across * across <= reach * length : near(x - dx, y - dy);
      if (along <= 0 ? near(x, y) : beside) grid[n] = colour;
    }
  }
  let state = seed;
  const pixels = grid.map((colour) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const moved = Math.floor(((state >>> 24) * grain) / 256) - Math.floor(grain / 2);
    return colour.map((value) => Math.min(Math.max(value + moved, 0), 255) / 255);
  });
  const cell = (n, size) => Math.floor((n * cells) / size);
  const images = new Float32Array(H * W * 3);
  for (let n = 0; n < H * W; n++) images.set(pixels[cell(Math.floor(n / W), H) * cells + cell(n % W, W)], n * 3);
  return images;
}

function differs(values, {expected, indices, scores_only: scoresOnly}, tolerances, output) {
  const {box, scores, class_index: classIndex, keypoints, keypoint_values: kinds, value_axis: axis, shape} = output;
  const width = shape[axis];
  const wanted = new Float32Array(bytesOf(atob(expected)).buffer);
  for (let n = 0; n < wanted.length; n++) {
    const [row, value] = [indices[Math.floor(n / width)], n % width];
    const kind = kinds[(value - keypoints[0]) % kinds.length];
    const name = value < box[1] ? 'boxes' : value < scores[1] ? 'scores' : value === classIndex ? 'class_index' :
      kind === 'visibility' ? kind : 'keypoints';
    const apart = Math.abs(values[axis === 1 ? value * shape[2] + row : row * width + value] - wanted[n]);
    const compared = name === 'scores' || !scoresOnly.includes(row);
    if (compared && !(apart <= tolerances[name])) throw new Error(`computes wrongly, ${name} by ${apart}`);
  }
}

class Engine {
  constructor(tf, backend, manifest) {
    Object.assign(this, {tf, backend, manifest});
  }

  async open({json, weights, golden}) {
    const {tf, backend, manifest: {contract: {input: {shape}, output}}} = this;
    if (!(await tf.setBackend(backend))) throw new Error('does not start');
    const vector = golden?.vectors[0];
    const card = vector ? drawCard(vector.card, shape) : new Float32Array(shape[1] * shape[2] * 3);
    const {gpgpu, device} = tf.backend();
    const lost = () => {
      this.lost = new PoseError('lost');
      this.fail?.(this.lost);
    };
    gpgpu?.gl.canvas.addEventListener('webglcontextlost', lost);
    device?.lost?.then(lost);
    const load = async (groups) => [groups.flatMap((group) => group.weights), weights];
    this.model = await tf.loadGraphModel({load: () => tf.io.getModelArtifactsForJSON(json, load)});
    this.card = () => tf.tensor(card, shape);
    // The first run may decode weights: never inside tf.tidy.
    const values = await this.run(this.card);
    if (vector) differs(values, vector, golden.tolerances, output);
    return this;
  }

  async run(make) {
    const {tf, backend, lost, model} = this;
    if (lost) throw lost;
    // A started backend is switched to at once.
    if (tf.getBackend() !== backend) tf.setBackend(backend);
    const tensors = [make()];
    try {
      tensors.push(model.predict(tensors[0]));
      // A lost GPU never answers.
      return await new Promise((resolve, reject) => {
        this.fail = reject;
        tensors[1].data().then(resolve, reject);
      });
    } finally {
      tf.dispose(tensors);
    }
  }

  async measure() {
    const times = [];
    for (const end = performance.now() + 200; performance.now() < end; ) {
      const started = performance.now();
      await this.run(this.card);
      times.push(performance.now() - started);
    }
    return times.sort((a, b) => a - b)[times.length >> 1];
  }

  dispose() {
    this.model?.dispose();
    this.model = this.card = null;
  }
}

// Fastest first.
const PROBES = {
  async webgpu() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) return 'no adapter';
    const {vendor, architecture, description, isFallbackAdapter: soft} = adapter.info ?? {};
    return (soft || SOFTWARE.test([vendor, architecture, description])) && 'software';
  },
  async webgl() {
    const gl = document.createElement('canvas').getContext('webgl2');
    if (!gl?.getExtension('EXT_color_buffer_float')) return 'no float textures';
    const name = gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
    gl.getExtension('WEBGL_lose_context')?.loseContext();
    return SOFTWARE.test(name) && 'software';
  },
  async wasm() {
    return !WebAssembly.validate(bytesOf(SIMD)) && 'no SIMD';
  },
};

let turn;

// In turns: TF.js has one current backend.
export const climb = (...words) => (turn = Promise.allSettled([turn]).then(() => choose(...words)));

// The first that is right and fast, else the fastest that is right.
async function choose(tf, artifacts, {backend, key, reasons}) {
  const agent = navigator.userAgent;
  const auto = backend === 'auto';
  const past = auto && note(key);
  const groups = [past?.agent === agent ? [past.backend] : [], [], []];
  for (const name of auto ? Object.keys(PROBES) : [backend]) {
    const problem = tf.findBackendFactory(name) ? auto && (await PROBES[name]().catch(reason)) : 'not in this tf';
    if (problem) reasons.push(`${name}: ${problem}`);
    if (!problem || problem === 'software') groups[problem ? 2 : 1].push(name);
  }
  let best;
  for (const [group, names] of groups.entries()) {
    for (const name of names) {
      const engine = new Engine(tf, name, artifacts.manifest);
      try {
        await engine.open(artifacts);
        const milliseconds = group ? await engine.measure() : past.milliseconds;
        reasons.push(`${name}: ${Math.round(milliseconds)} ms a frame`);
        const slower = best?.milliseconds < milliseconds;
        (slower ? engine : best?.engine)?.dispose();
        if (!slower) best = {engine, milliseconds};
        if (milliseconds < 40) break;
      } catch (error) {
        engine.dispose();
        reasons.push(`${name}: ${reason(error)}`);
      }
    }
    if (best) break;
  }
  if (!best) throw new PoseError('no-backend', reasons.join('; '));
  if (auto) note(key, {agent, backend: best.engine.backend, milliseconds: best.milliseconds});
  return best;
}
