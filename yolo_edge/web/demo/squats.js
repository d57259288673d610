// Counts squats from the angles of the knees: an example of what keypoints are good for.

const JOINTS = {left: ['left_hip', 'left_knee', 'left_ankle'], right: ['right_hip', 'right_knee', 'right_ankle']};

/** Angle at b of the path a-b-c, degrees. */
export function angleAt(a, b, c) {
  const turn = Math.atan2(a.y - b.y, a.x - b.x) - Math.atan2(c.y - b.y, c.x - b.x);
  const degrees = Math.abs((turn * 180) / Math.PI);
  return Math.min(degrees, 360 - degrees);
}

/** Mean angle of the knees that are seen, degrees; null if none is. A stretched leg has 180. */
export function kneeAngle(person, leastScore = 0.5) {
  const at = Object.fromEntries(person.keypoints.map((point) => [point.name, point]));
  const angles = Object.values(JOINTS)
    .map((names) => names.map((name) => at[name]))
    .filter((leg) => leg.every((point) => point && point.score >= leastScore))
    .map((leg) => angleAt(...leg));
  return angles.length ? angles.reduce((sum, angle) => sum + angle, 0) / angles.length : null;
}

/** One squat is a bend below `down` and a stretch above `up`; the gap keeps a trembling knee from being counted. */
export class SquatCounter {
  count = 0;
  angle = null;
  isDown = false;
  #recent = [];

  constructor({down = 120, up = 150} = {}) {
    Object.assign(this, {down, up});
  }

  /** Look at the persons of a frame, of whom the one with the largest box counts. Returns the count. */
  see(persons) {
    const area = ({box}) => box.width * box.height;
    const [person] = [...persons].sort((a, b) => area(b) - area(a));
    const angle = person ? kneeAngle(person) : null;
    if (angle === null) return this.count;
    this.#recent = [...this.#recent, angle].slice(-3);
    this.angle = [...this.#recent].sort((a, b) => a - b)[this.#recent.length >> 1]; // one wrong frame is no squat
    if (!this.isDown && this.angle < this.down) this.isDown = true;
    else if (this.isDown && this.angle > this.up) {
      this.isDown = false;
      this.count += 1;
    }
    return this.count;
  }
}
