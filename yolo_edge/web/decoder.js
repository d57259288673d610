import {PoseError} from './errors.js';

const before = (scores, a, b) => scores[a] > scores[b] || (scores[a] === scores[b] && a < b);

function sink(heap, size, scores, at) {
  const moving = heap[at];
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && before(scores, heap[child + 1], heap[child])) child++;
    if (!before(scores, heap[child], moving)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moving;
}

function overlap(boxes, a, b) {
  const width = Math.min(boxes[a + 2], boxes[b + 2]) - Math.max(boxes[a], boxes[b]);
  const height = Math.min(boxes[a + 3], boxes[b + 3]) - Math.max(boxes[a + 1], boxes[b + 1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const area = (at) => (boxes[at + 2] - boxes[at]) * (boxes[at + 3] - boxes[at + 1]);
  const total = area(a) + area(b) - shared;
  return total > 0 ? shared / total : 0;
}

// As yolo_edge/pose/decode.py and nms.py.
export class Decoder {
  constructor(output, names, limit = 300) {
    const [, first, second] = output.shape;
    const raw = output.value_axis === 1;
    this.output = output;
    this.names = names;
    this.rows = raw ? second : first;
    this.rowStep = raw ? 1 : second;
    this.step = raw ? second : 1;
    this.row = new Int32Array(this.rows);
    this.scores = new Float32Array(this.rows);
    this.classes = new Int32Array(this.rows);
    this.boxes = new Float32Array(this.rows * 4);
    this.heap = new Int32Array(this.rows);
    this.kept = new Int32Array(Math.min(limit, 300));
  }

  // Leaves the chosen in `kept`; allocates nothing.
  decode(values, confidence = this.output.confidence, iou = this.output.iou) {
    const {scores, classes, boxes, heap, kept, output} = this;
    let size = this.gather(values, Math.fround(confidence));
    for (let n = 0; n < size; n++) heap[n] = n;
    for (let n = size >> 1; n-- > 0; ) sink(heap, size, scores, n);
    this.count = 0;
    while (size > 0 && this.count < kept.length) {
      const next = heap[0];
      heap[0] = heap[--size];
      sink(heap, size, scores, 0);
      let free = true;
      for (let n = 0; output.needs_nms && free && n < this.count; n++) {
        free = classes[kept[n]] !== classes[next] || !(overlap(boxes, kept[n] * 4, next * 4) > iou);
      }
      if (free) kept[this.count++] = next;
    }
    return this.count;
  }

  gather(values, threshold) {
    const {output, rowStep, step, boxes} = this;
    const [first, end] = output.scores;
    let count = 0;
    for (let row = 0; row < this.rows; row++) {
      const start = row * rowStep;
      let score = values[start + first * step];
      let best = 0;
      for (let n = first + 1; n < end; n++) {
        const other = values[start + n * step];
        if (other > score) {
          score = other;
          best = n - first;
        }
      }
      if (score <= threshold) continue;
      if (!(score < Infinity)) throw new PoseError('output');
      this.row[count] = row;
      this.scores[count] = score;
      this.classes[count] = output.class_index === null ? best : values[start + output.class_index * step];
      for (let n = 0; n < 2; n++) {
        const from = start + (output.box[0] + n) * step;
        const one = values[from];
        const two = values[from + 2 * step];
        const centred = output.box_format === 'centre-xywh';
        boxes[count * 4 + n] = centred ? one - two / 2 : one;
        boxes[count * 4 + n + 2] = centred ? one + two / 2 : two;
      }
      count++;
    }
    return count;
  }

  persons(values, {w, h, width, height, left, top}) {
    const {step, boxes, output} = this;
    const toX = (x) => Math.min(Math.max((x - left) / (width / w), 0), w);
    const toY = (y) => Math.min(Math.max((y - top) / (height / h), 0), h);
    const {length} = output.keypoint_values;
    return Array.from(this.kept.subarray(0, this.count), (n) => {
      const [x, y] = [toX(boxes[n * 4]), toY(boxes[n * 4 + 1])];
      const start = this.row[n] * this.rowStep + output.keypoints[0] * step;
      return {
        score: this.scores[n],
        classIndex: this.classes[n],
        box: {x, y, width: toX(boxes[n * 4 + 2]) - x, height: toY(boxes[n * 4 + 3]) - y},
        keypoints: this.names.map((name, index) => {
          const from = start + index * length * step;
          const score = length > 2 ? values[from + 2 * step] : 1;
          return {x: toX(values[from]), y: toY(values[from + step]), score, name};
        }),
      };
    });
  }
}

let canvas;

// Half to even.
const round = (x) => (x % 2 === 0.5 ? Math.floor(x) : Math.round(x));

// As yolo_edge/pose/letterbox.py.
export function place(w, h, W, H) {
  const ratio = Math.min(H / h, W / w);
  const width = Math.max(round(w * ratio), 1);
  const height = Math.max(round(h * ratio), 1);
  return {w, h, W, H, width, height, left: (W - width) >> 1, top: (H - height) >> 1};
}

// An img becomes a bitmap of its natural size.
export async function open(source) {
  let pixels = source;
  try {
    if (!/Video(?!Frame)|Canvas|Bitmap/.test(source)) pixels = await createImageBitmap(source);
  } catch (error) {
    throw new PoseError('source', error.message);
  }
  const [w, h] = [pixels.videoWidth ?? pixels.width, pixels.videoHeight ?? pixels.height];
  if (!(w && h) || pixels.readyState < 2) throw new PoseError('source', `${w} x ${h}`);
  return {pixels, w, h, close: () => pixels !== source && pixels.close()};
}

export function letterbox(tf, pixels, at, grey) {
  return (/^webg/.test(tf.getBackend()) ? onGpu : onCpu)(tf, pixels, at, grey);
}

function onGpu(tf, pixels, {W, H, width, height, left, top}, grey) {
  return tf.tidy(() => {
    const whole = tf.cast(tf.browser.fromPixels(pixels), 'float32');
    const resized = tf.round(tf.image.resizeBilinear(whole, [height, width], false, true));
    const borders = [[top, H - height - top], [left, W - width - left], [0, 0]];
    return tf.expandDims(tf.div(tf.pad(resized, borders, grey * 255), 255), 0);
  });
}

function axis(from, to) {
  const lows = new Int32Array(to);
  const highs = new Int32Array(to);
  const parts = new Float64Array(to);
  for (let n = 0; n < to; n++) {
    const at = Math.min(Math.max(((n + 0.5) * from) / to - 0.5, 0), from - 1);
    lows[n] = Math.floor(at) * 4;
    highs[n] = Math.min(lows[n] + 4, from * 4 - 4);
    parts[n] = at % 1;
  }
  return [lows, highs, parts];
}

// A canvas that draws smaller smooths in a way of its own.
function onCpu(tf, pixels, {w, h, W, H, width, height, left, top}, grey) {
  canvas ??= document.createElement('canvas');
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(pixels, 0, 0);
  const {data} = context.getImageData(0, 0, w, h);
  const values = new Float32Array(W * H * 3).fill(grey);
  const [lows, highs, parts] = axis(w, width);
  const [above, below, downs] = axis(h, height);
  for (let y = 0; y < height; y++) {
    const upper = data.subarray(above[y] * w);
    const lower = data.subarray(below[y] * w);
    let to = ((top + y) * W + left) * 3;
    for (let x = 0; x < width; x++) {
      for (let n = 0; n < 3; n++) {
        const [low, high] = [lows[x] + n, highs[x] + n];
        const up = upper[low] * (1 - parts[x]) + upper[high] * parts[x];
        const under = lower[low] * (1 - parts[x]) + lower[high] * parts[x];
        values[to++] = ((up * (1 - downs[y]) + under * downs[y] + 0.5) | 0) / 255;
      }
    }
  }
  return tf.tensor(values, [1, H, W, 3]);
}
