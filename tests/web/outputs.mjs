// A raw output of 8,400 anchors as of a street full of people; the tests and the benchmark decode it.

/** @param {number} above how many anchors have a score above the threshold. */
export function crowdedOutput(above) {
  const rows = 8400;
  const values = new Float32Array(56 * rows);
  let state = 1;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  for (let row = 0; row < rows; row++) {
    const [x, y] = [random() * 640, random() * 640];
    const centre = [Math.round(x / 64) * 64 + random() * 9, Math.round(y / 128) * 128 + random() * 9];
    const score = row % Math.floor(rows / above) === 0 ? 0.3 + random() * 0.6 : random() * 0.2;
    [...centre, 60, 120, score].forEach((value, index) => (values[index * rows + row] = value));
    for (let index = 5; index < 56; index++) values[index * rows + row] = random() * ((index - 5) % 3 === 2 ? 1 : 640);
  }
  const output = {
    shape: [1, 56, rows], layout: 'raw', value_axis: 1, box: [0, 4], box_format: 'centre-xywh', scores: [4, 5],
    class_index: null, keypoints: [5, 56], keypoint_values: ['x', 'y', 'visibility'], needs_nms: true,
    confidence: 0.25, iou: 0.7,
  };
  return {output, values, names: Array.from({length: 17}, (_, index) => `point ${index}`)};
}
