import {PoseError} from './errors.js';

let canvas;

// Half to even, as Python.
const round = (x) => (x % 2 === 0.5 ? Math.floor(x) : Math.round(x));

/** Where a source of w x h pixels lies in an input of W x H. */
export function place(w, h, W, H) {
  const ratio = Math.min(H / h, W / w);
  const width = Math.max(round(w * ratio), 1);
  const height = Math.max(round(h * ratio), 1);
  return {w, h, W, H, width, height, left: (W - width) >> 1, top: (H - height) >> 1};
}

/** Pixels that can be read at once: an img becomes a bitmap of its natural size and orientation. */
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

/** The input tensor of a source, made on the GPU where the backend has one. */
export function letterbox(tf, pixels, at, grey) {
  return /^webg/.test(tf.getBackend()) ? onGpu(tf, pixels, at, grey) : onCpu(tf, pixels, at, grey);
}

function onGpu(tf, pixels, {W, H, width, height, left, top}, grey) {
  return tf.tidy(() => {
    const whole = tf.cast(tf.browser.fromPixels(pixels), 'float32');
    const resized = tf.round(tf.image.resizeBilinear(whole, [height, width], false, true));
    const borders = [[top, H - height - top], [left, W - width - left], [0, 0]];
    return tf.expandDims(tf.div(tf.pad(resized, borders, grey * 255), 255), 0);
  });
}

// Neighbours and weight by target pixel: bilinear, half-pixel centres.
const axis = (from, to) => Array.from({length: to}, (_, n) => {
  const at = Math.min(Math.max(((n + 0.5) * from) / to - 0.5, 0), from - 1);
  const low = Math.floor(at);
  return [low * 4, Math.min(low + 1, from - 1) * 4, at - low];
});

// The canvas gives the pixels alone: to draw them smaller it would smooth them in a way of its own.
function onCpu(tf, pixels, {w, h, W, H, width, height, left, top}, grey) {
  canvas ??= document.createElement('canvas');
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(pixels, 0, 0);
  const {data} = context.getImageData(0, 0, w, h);
  const values = new Float32Array(W * H * 3).fill(grey);
  const columns = axis(w, width);
  axis(h, height).forEach(([above, below, down], y) => {
    let to = ((top + y) * W + left) * 3;
    for (let x = 0; x < width; x++) {
      const [before, after, part] = columns[x];
      for (let n = 0; n < 3; n++) {
        const upper = data[above * w + before + n] * (1 - part) + data[above * w + after + n] * part;
        const lower = data[below * w + before + n] * (1 - part) + data[below * w + after + n] * part;
        values[to++] = Math.round(upper * (1 - down) + lower * down) / 255;
      }
    }
  });
  return tf.tensor(values, [1, H, W, 3]);
}
