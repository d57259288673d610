/** Round half to even, as Python. */
function round(x) {
  const low = Math.floor(x);
  return x - low < 0.5 || (x - low === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** Where a source of w x h pixels lies in an input of W x H, see docs/format.md. */
export function place(w, h, W, H) {
  const ratio = Math.min(H / h, W / w);
  const width = Math.max(round(w * ratio), 1);
  const height = Math.max(round(h * ratio), 1);
  return {w, h, width, height, left: Math.floor((W - width) / 2), top: Math.floor((H - height) / 2)};
}
