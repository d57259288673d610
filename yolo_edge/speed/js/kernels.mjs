// The kernels of TensorFlow.js, one by one: how many a frame has, and what each takes.

/** Backends whose kernels are done when their function returns; the others queue work for a GPU. */
const DONE_AT_RETURN = ['wasm', 'cpu'];

const size = (shape) => shape.reduce((product, side) => product * side, 1);
const convolution = ({filter}, output) => size(output) * size(filter.shape.slice(0, 3));
const depthwise = ({filter}, output) => size(output) * size(filter.shape.slice(0, 2));
const product = ({a}, output, {transposeA}) => size(output) * a.shape.at(transposeA ? -2 : -1);

/** Multiplications with addition of the kernels that are known for them. */
const MULTIPLY_ADDS = {
  Conv2D: convolution,
  FusedConv2D: convolution,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2D: depthwise,
  BatchMatMul: product,
  _FusedMatMul: product,
};

/**
 * Run a job with every kernel of the current backend watched.
 *
 * Kernels that are called by kernels count as part of those.
 *
 * @param tf the TensorFlow.js namespace.
 * @param {() => Promise<void>} job
 * @param {() => number} draws the number of draw calls so far.
 * @returns {Promise<{name: string, calls: number, milliseconds: number|null, draws: number, multiplyAdds: number}[]>}
 *     sums by name; milliseconds are null where kernels only queue their work.
 */
export async function watchKernels(tf, job, draws) {
  const backend = tf.getBackend();
  const sums = new Map();
  const originals = tf.getKernelsForBackend(backend).map((kernel) => [kernel, kernel.kernelFunc]);
  let depth = 0;
  for (const [kernel, original] of originals) {
    const {kernelName: name} = kernel;
    kernel.kernelFunc = (words) => {
      if (depth) return original(words);
      const drawn = draws();
      const started = performance.now();
      depth++;
      try {
        const result = original(words);
        const sum = sums.get(name) ?? {name, calls: 0, milliseconds: 0, draws: 0, multiplyAdds: 0};
        sum.calls++;
        sum.milliseconds += performance.now() - started;
        sum.draws += draws() - drawn;
        sum.multiplyAdds += MULTIPLY_ADDS[name]?.(words.inputs, result.shape, words.attrs) ?? 0;
        sums.set(name, sum);
        return result;
      } finally {
        depth--;
      }
    };
  }
  try {
    await job();
  } finally {
    for (const [kernel, original] of originals) kernel.kernelFunc = original;
  }
  const timed = DONE_AT_RETURN.includes(backend);
  return [...sums.values()].map((sum) => ({...sum, milliseconds: timed ? sum.milliseconds : null}));
}
