import {PoseError} from './errors.js';

const LIMIT = 300;

/** Whether candidate `a` comes before `b`: higher score, then lower number. */
const before = (scores, a, b) => scores[a] > scores[b] || (scores[a] === scores[b] && a < b);

/** Let the candidate at `at` sink to its place in a heap. */
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

/** Intersection over union, in double precision. */
function overlap(boxes, a, b) {
  const width = Math.min(boxes[a + 2], boxes[b + 2]) - Math.max(boxes[a], boxes[b]);
  const height = Math.min(boxes[a + 3], boxes[b + 3]) - Math.max(boxes[a + 1], boxes[b + 1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const total = (boxes[a + 2] - boxes[a]) * (boxes[a + 3] - boxes[a + 1]) +
    (boxes[b + 2] - boxes[b]) * (boxes[b + 3] - boxes[b + 1]) - shared;
  return total > 0 ? shared / total : 0;
}

/** From the output tensor to persons, as yolo_edge/pose/decode.py and nms.py. */
export class Decoder {
  constructor(output, names, limit = LIMIT) {
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
    this.kept = new Int32Array(Math.min(limit, LIMIT));
  }

  /** Choose the persons: `kept` holds `count` candidates. Allocates nothing. */
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

  /** Collect what scores above the threshold. */
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
        const [low, high] = [count * 4 + n, count * 4 + n + 2];
        const centred = output.box_format === 'centre-xywh';
        boxes[low] = centred ? values[from] - values[from + 2 * step] / 2 : values[from];
        boxes[high] = centred ? values[from] + values[from + 2 * step] / 2 : values[from + 2 * step];
      }
      count++;
    }
    return count;
  }

  /** The chosen as objects of their own, in source pixels; `at` as of `place`. */
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
