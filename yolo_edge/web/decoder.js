import {PoseError} from './errors.js';
import {suppress} from './suppression.js';

const MAX_PERSONS = 300;

/**
 * From the output tensor to persons, as `yolo_edge/pose/decode.py`. `decode` allocates nothing and leaves its answer in
 * the typed arrays below, valid until the next call; `persons` copies it into plain objects that are the caller's.
 */
export class Decoder {
  count = 0;

  /**
   * @param {object} output `contract.output` of manifest.json
   * @param {string[]} names of the keypoints
   * @param {number} [maxPersons] 1-300
   */
  constructor(output, names, maxPersons = MAX_PERSONS) {
    const raw = output.value_axis === 1;
    const [rows, values] = raw ? [output.shape[2], output.shape[1]] : [output.shape[1], output.shape[2]];
    this.output = output;
    this.names = names;
    this.limit = Math.min(maxPersons, MAX_PERSONS);
    this.rows = rows;
    this.size = rows * values;
    [this.rowStep, this.valueStep] = raw ? [1, rows] : [values, 1];
    this.dimensions = output.keypoint_values.length;
    /** Scores, 0-1, and class indices of the `count` persons. */
    this.scores = new Float32Array(this.limit);
    this.classes = new Int32Array(this.limit);
    /** Corners x1, y1, x2, y2 in source pixels. */
    this.boxes = new Float64Array(this.limit * 4);
    /** x, y in source pixels and visibility 0-1, by person and keypoint. */
    this.keypoints = new Float64Array(this.limit * names.length * 3);
    this.found = {
      rows: new Int32Array(rows), scores: new Float32Array(rows), classes: new Int32Array(rows),
      boxes: new Float32Array(rows * 4), order: new Int32Array(rows), kept: new Int32Array(this.limit),
    };
  }

  /**
   * @param {Float32Array} values the output tensor
   * @param {object} at where the source lies in the input, see `place`
   * @param {number} [confidence] lowest score, exclusive
   * @param {number} [iou] largest overlap of two persons
   * @returns {number} how many persons
   */
  decode(values, at, confidence = this.output.confidence, iou = this.output.iou) {
    if (values.length !== this.size) {
      throw new PoseError('output', `The model gave ${values.length} values, its manifest promises ${this.size}. ` +
        'model.json and manifest.json do not belong together: convert the weights again.');
    }
    const count = this.gather(values, Math.fround(confidence));
    const {scores, classes, boxes, order, kept} = this.found;
    const {needs_nms: overlapping} = this.output;
    this.count = suppress(count, scores, classes, boxes, order, kept, this.limit, overlapping ? iou : 1);
    for (let n = 0; n < this.count; n++) this.place(values, n, kept[n], at);
    return this.count;
  }

  /** Collect the rows of a score above the threshold. */
  gather(values, threshold) {
    const {scores, box, box_format: format, class_index: classIndex} = this.output;
    const classCount = scores[1] - scores[0];
    const {rowStep, valueStep, found} = this;
    let count = 0;
    for (let row = 0, from = scores[0] * valueStep; row < this.rows; row++, from += rowStep) {
      let score = values[from];
      let best = 0;
      for (let n = 1; n < classCount; n++) {
        const other = values[from + n * valueStep];
        if (other > score) {
          score = other;
          best = n;
        }
      }
      if (!(score <= threshold)) {
        if (!(score < Infinity)) {
          throw new PoseError('output', 'The model gave NaN or infinity: this backend lacks the precision. Try another.');
        }
        const start = row * rowStep;
        found.rows[count] = row;
        found.scores[count] = score;
        found.classes[count] = classIndex === null ? best : values[start + classIndex * valueStep];
        this.corners(values, start + box[0] * valueStep, count++ * 4, format === 'centre-xywh');
      }
    }
    return count;
  }

  corners(values, from, to, centred) {
    const {valueStep: step, found: {boxes}} = this;
    for (let n = 0; n < 2; n++) {
      const first = values[from + n * step];
      const second = values[from + (n + 2) * step];
      boxes[to + n] = centred ? first - second / 2 : first;
      boxes[to + n + 2] = centred ? first + second / 2 : second;
    }
  }

  /** Take a candidate from the input to the source, clipped to its border. */
  place(values, person, candidate, at) {
    const {found, rowStep, valueStep, dimensions} = this;
    const scaleX = at.width / at.w;
    const scaleY = at.height / at.h;
    this.scores[person] = found.scores[candidate];
    this.classes[person] = found.classes[candidate];
    for (let n = 0; n < 4; n += 2) {
      const from = candidate * 4 + n;
      this.boxes[person * 4 + n] = Math.min(Math.max((found.boxes[from] - at.left) / scaleX, 0), at.w);
      this.boxes[person * 4 + n + 1] = Math.min(Math.max((found.boxes[from + 1] - at.top) / scaleY, 0), at.h);
    }
    let from = found.rows[candidate] * rowStep + this.output.keypoints[0] * valueStep;
    const end = (person + 1) * this.names.length * 3;
    for (let to = end - this.names.length * 3; to < end; to += 3, from += dimensions * valueStep) {
      this.keypoints[to] = Math.min(Math.max((values[from] - at.left) / scaleX, 0), at.w);
      this.keypoints[to + 1] = Math.min(Math.max((values[from + valueStep] - at.top) / scaleY, 0), at.h);
      this.keypoints[to + 2] = dimensions > 2 ? values[from + 2 * valueStep] : 1;
    }
  }

  /** @returns {object[]} the persons of the last `decode`, by falling score */
  persons() {
    const {boxes, keypoints, names} = this;
    return Array.from({length: this.count}, (_, person) => ({
      score: this.scores[person],
      classIndex: this.classes[person],
      box: {
        x: boxes[person * 4],
        y: boxes[person * 4 + 1],
        width: boxes[person * 4 + 2] - boxes[person * 4],
        height: boxes[person * 4 + 3] - boxes[person * 4 + 1],
      },
      keypoints: names.map((name, index) => {
        const at = 3 * (person * names.length + index);
        return {x: keypoints[at], y: keypoints[at + 1], score: keypoints[at + 2], name};
      }),
    }));
  }
}
