// Skeletons over a frame.

const SEEN = 0.5;

/** Draw persons in a colour. Coordinates are pixels of the frame, which the canvas has the size of. */
export function drawPersons(context, persons, skeleton, colour, dashed = false) {
  const unit = Math.max(2, context.canvas.width / 250);
  context.lineWidth = unit;
  context.strokeStyle = context.fillStyle = colour;
  context.setLineDash(dashed ? [unit * 2, unit * 2] : []);
  for (const {keypoints} of persons) {
    for (const [from, to] of skeleton) {
      const [a, b] = [keypoints[from], keypoints[to]];
      if (a.score < SEEN || b.score < SEEN) continue;
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      context.stroke();
    }
    for (const {x, y, score} of keypoints) {
      if (score < SEEN) continue;
      context.beginPath();
      context.arc(x, y, unit * 1.4, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.setLineDash([]);
}

/** Pair persons by the nearest box centres; returns pairs, and how far their seen keypoints are apart, pixels. */
export function compare(ours, theirs) {
  const centre = ({box: {x, y, width, height}}) => [x + width / 2, y + height / 2];
  const far = (a, b) => Math.hypot(centre(a)[0] - centre(b)[0], centre(a)[1] - centre(b)[1]);
  const left = [...theirs];
  const pairs = [];
  for (const person of ours) {
    left.sort((a, b) => far(person, a) - far(person, b));
    if (left.length && far(person, left[0]) < Math.max(person.box.width, person.box.height)) {
      pairs.push([person, left.shift()]);
    }
  }
  const distances = pairs.flatMap(([a, b]) => a.keypoints
    .map((point, n) => [point, b.keypoints[n]])
    .filter(([p, q]) => p.score >= SEEN && q.score >= SEEN)
    .map(([p, q]) => Math.hypot(p.x - q.x, p.y - q.y)));
  const mean = distances.length ? distances.reduce((sum, d) => sum + d, 0) / distances.length : 0;
  return {pairs, mean, worst: Math.max(0, ...distances), lost: left.length, invented: ours.length - pairs.length};
}

/** Draw a line from each keypoint to the one of the other model, five times as long as it is. */
export function drawDifferences(context, {pairs}, colour) {
  context.strokeStyle = colour;
  context.lineWidth = Math.max(2, context.canvas.width / 350);
  for (const [a, b] of pairs) {
    for (const [n, point] of a.keypoints.entries()) {
      const other = b.keypoints[n];
      if (point.score < SEEN || other.score < SEEN) continue;
      context.beginPath();
      context.moveTo(other.x, other.y);
      context.lineTo(other.x + 5 * (point.x - other.x), other.y + 5 * (point.y - other.y));
      context.stroke();
    }
  }
}
