// The kernels of TensorFlow.js, one by one: how many a frame has, and what each takes.

/** Backends whose kernels are done when their function returns; the others queue work for a GPU. */
const DONE_AT_RETURN = ['wasm', 'cpu'];

/**
 * Run a job with every kernel of the current backend watched.
 *
 * Kernels that are called by kernels count as part of those.
 *
 * @param tf the TensorFlow.js namespace.
 * @param {() => Promise<void>} job
 * @param {() => number} draws the number of draw calls so far.
 * @returns {Promise<{name: string, calls: number, milliseconds: number|null, draws: number}[]>} sums by name;
 *     milliseconds are null where kernels only queue their work.
 */
export async function watchKernels(tf, job, draws) {
  const backend = tf.getBackend();
  const sums = new Map();
  const originals = tf.getKernelsForBackend(backend).map((kernel) => [kernel, kernel.kernelFunc]);
  let depth = 0;
  for (const [kernel, original] of originals) {
    kernel.kernelFunc = (words) => {
      if (depth) return original(words);
      const drawn = draws();
      const started = performance.now();
      depth++;
      try {
        return original(words);
      } finally {
        depth--;
        const sum = sums.get(kernel.kernelName) ?? {name: kernel.kernelName, calls: 0, milliseconds: 0, draws: 0};
        sum.calls++;
        sum.milliseconds += performance.now() - started;
        sum.draws += draws() - drawn;
        sums.set(kernel.kernelName, sum);
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
