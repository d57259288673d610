/** Whether candidate `one` is visited before `other`: higher score, of equal ones the lower number. */
function before(scores, one, other) {
  return scores[one] > scores[other] || (scores[one] === scores[other] && one < other);
}

/** `order` is a heap of candidates, the first to visit on top. */
function sift(order, size, scores, at) {
  const moving = order[at];
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && before(scores, order[child + 1], order[child])) child++;
    if (!before(scores, order[child], moving)) break;
    order[at] = order[child];
    at = child;
  }
  order[at] = moving;
}

/** Intersection over union of boxes `one` and `other`, in double precision. */
function overlap(boxes, one, other) {
  const a = 4 * one;
  const b = 4 * other;
  const width = Math.min(boxes[a + 2], boxes[b + 2]) - Math.max(boxes[a], boxes[b]);
  const height = Math.min(boxes[a + 3], boxes[b + 3]) - Math.max(boxes[a + 1], boxes[b + 1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const first = (boxes[a + 2] - boxes[a]) * (boxes[a + 3] - boxes[a + 1]);
  const total = first + (boxes[b + 2] - boxes[b]) * (boxes[b + 3] - boxes[b + 1]) - shared;
  return total > 0 ? shared / total : 0;
}

/**
 * Greedy suppression, as `yolo_edge/pose/nms.py`: by falling score, one that overlaps a kept one of its class by more
 * than `iou` is dropped. Allocates nothing.
 *
 * @param {number} count candidates
 * @param {Float32Array} scores by candidate
 * @param {Int32Array} classes by candidate
 * @param {Float32Array} boxes corners, four a candidate
 * @param {Int32Array} order scratch of `count` or more
 * @param {Int32Array} kept receives the chosen; its length is the limit
 * @param {number} limit
 * @param {number} iou 1 keeps all
 * @returns {number} how many were chosen
 */
export function suppress(count, scores, classes, boxes, order, kept, limit, iou) {
  for (let n = 0; n < count; n++) order[n] = n;
  for (let n = (count >> 1) - 1; n >= 0; n--) sift(order, count, scores, n);
  let chosen = 0;
  for (let size = count; size > 0 && chosen < limit;) {
    const next = order[0];
    order[0] = order[--size];
    sift(order, size, scores, 0);
    let free = true;
    for (let n = 0; iou < 1 && free && n < chosen; n++) {
      free = classes[kept[n]] !== classes[next] || !(overlap(boxes, kept[n], next) > iou);
    }
    if (free) kept[chosen++] = next;
  }
  return chosen;
}
