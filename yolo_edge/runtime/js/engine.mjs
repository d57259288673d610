// One TensorFlow.js graph model on one backend: what the Node worker and the browser page share.

/** What went wrong, and whose fault it is: "backend" (not available here) or "model" (cannot be loaded or run). */
export class EngineError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The form in which an error travels to Python. */
export function describe(error) {
  return {error: String(error?.message ?? error), kind: error?.kind ?? 'model'};
}

export class Engine {
  /**
   * Switch to a backend, load a model and warm it up.
   *
   * @param tf the TensorFlow.js namespace (core, converter and backends).
   * @param {string} backend
   * @param {string|object} source URL of model.json, or an IO handler.
   */
  static async open(tf, backend, source) {
    await useBackend(tf, backend);
    let started = performance.now();
    const model = await tf.loadGraphModel(source);
    const engine = new Engine(tf, model);
    const loadSeconds = secondsSince(started);
    started = performance.now();
    const warm = await engine.warmUp();
    return {
      engine,
      facts: {
        backend: tf.getBackend(),
        inputShape: engine.inputShape,
        loadSeconds,
        firstRunSeconds: warm ? secondsSince(started) : null,
      },
    };
  }

  constructor(tf, model) {
    this.tf = tf;
    this.model = model;
    if (model.outputs.length !== 1) {
      throw new EngineError('model', `the model has ${model.outputs.length} outputs, one was expected`);
    }
    // Inputs captured from a modelInitializer graph are listed after the image.
    this.inputShape = (model.inputs[0].shape ?? []).map((size) => (size > 0 ? size : null));
  }

  /**
   * The first predict decodes the weights of models that have a modelInitializer, and compiles the shaders. It must not
   * happen inside tf.tidy, which would dispose of those weights when it ends. Nothing in this class uses tidy.
   */
  async warmUp() {
    const shape = this.inputShape.map((size, axis) => (axis === 0 ? size ?? 1 : size));
    if (shape.length !== 4 || shape.includes(null)) return false;
    await this.run(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    return true;
  }

  /**
   * @param {Float32Array} values
   * @param {number[]} shape
   * @returns {Promise<{values: Float32Array, shape: number[], seconds: number}>} the seconds count from the values in
   *     JavaScript memory to the output in JavaScript memory.
   */
  async run(values, shape) {
    const started = performance.now();
    const images = this.tf.tensor(values, shape, 'float32');
    let output;
    try {
      output = this.model.predict(images);
      const answer = await output.data();
      return {values: Float32Array.from(answer), shape: output.shape, seconds: secondsSince(started)};
    } finally {
      images.dispose();
      output?.dispose();
    }
  }
}

/** Switch to a backend, or say that it is not available. */
export async function useBackend(tf, backend) {
  let reason = 'its start failed';
  let ready = false;
  try {
    ready = await tf.setBackend(backend);
    await tf.ready();
  } catch (error) {
    reason = String(error?.message ?? error);
  }
  if (!ready || tf.getBackend() !== backend) {
    throw new EngineError('backend', `the TensorFlow.js backend '${backend}' is not available here: ${reason}`);
  }
}

function secondsSince(started) {
  return (performance.now() - started) / 1000;
}
