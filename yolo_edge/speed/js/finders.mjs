// From a photo to persons: what a page does with a frame of the camera, whole.

/** Ours: letterbox and decoder of yolo-edge-web. */
class YoloFinder {
  constructor(tf, {Decoder, letterbox, place}, {contract, keypointNames}, photo) {
    const [, height, width] = contract.input.shape;
    this.images = (at) => letterbox(tf, photo.pixels, at, contract.input.pad_value);
    this.at = place(photo.width, photo.height, width, height);
    this.decoder = new Decoder(contract.output, keypointNames);
  }

  make() {
    return this.images(this.at);
  }

  decode(values) {
    this.decoder.decode(values);
    return this.decoder.persons(values, this.at).length;
  }
}

/** MoveNet: the photo is resized with its aspect kept and padded; rows of y, x and score come back, shares of a side. */
class MoveNetFinder {
  constructor(tf, decoder, {input}, photo) {
    const [, height, width] = input.shape;
    const scale = Math.min(height / photo.height, width / photo.width);
    const [h, w] = [Math.round(photo.height * scale), Math.round(photo.width * scale)];
    const borders = [[0, height - h], [0, width - w], [0, 0]];
    this.make = () => tf.tidy(() => {
      const resized = tf.image.resizeBilinear(tf.browser.fromPixels(photo.pixels), [h, w]);
      return tf.cast(tf.expandDims(tf.pad(resized, borders), 0), 'int32');
    });
    this.place = (y, x, score) => ({x: (x * width) / scale, y: (y * height) / scale, score});
  }

  decode(values) {
    const rows = values.length % 51 ? 56 : 51;  // several persons have a box and a score besides
    const mean = (keypoints) => keypoints.reduce((sum, {score}) => sum + score, 0) / keypoints.length;
    const persons = [];
    for (let start = 0; start < values.length; start += rows) {
      const keypoints = [];
      for (let n = start; n < start + 51; n += 3) keypoints.push(this.place(values[n], values[n + 1], values[n + 2]));
      persons.push({keypoints, score: rows > 51 ? values[start + 55] : mean(keypoints)});
    }
    return persons.filter(({score}) => score > 0.25).length;
  }
}

export const FINDERS = {yolo: YoloFinder, movenet: MoveNetFinder};
