// What happens below a runtime: draw calls, programs, WebAssembly memory. Import this before any runtime starts.

export const counters = {draws: 0, programs: 0};

const memories = new Set();

/** Bytes of all WebAssembly memories of this realm; null where there is none. */
export function wasmBytes() {
  return memories.size ? [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0) : null;
}

/** Bytes of JavaScript objects; null where that is not told. */
export function scriptBytes() {
  return globalThis.process?.memoryUsage().heapUsed ?? performance.memory?.usedJSHeapSize ?? null;
}

function count(prototype, method, counter) {
  const original = prototype?.[method];
  if (!original) return;
  prototype[method] = function (...words) {
    counters[counter]++;
    return original.apply(this, words);
  };
}

const gl = globalThis.WebGL2RenderingContext?.prototype;
count(gl, 'drawElements', 'draws');
count(gl, 'drawArrays', 'draws');
count(gl, 'linkProgram', 'programs');
count(globalThis.GPUComputePassEncoder?.prototype, 'dispatchWorkgroups', 'draws');
count(globalThis.GPUDevice?.prototype, 'createComputePipeline', 'programs');
count(globalThis.GPUDevice?.prototype, 'createComputePipelineAsync', 'programs');

// A module either makes its memory itself and imports it, or exports it.
const {instantiate, instantiateStreaming} = WebAssembly;
const note = (result) => {
  for (const value of Object.values((result.instance ?? result).exports)) {
    if (value instanceof WebAssembly.Memory) memories.add(value);
  }
  return result;
};
const noteImports = (imports) => {
  for (const part of Object.values(imports ?? {})) {
    for (const value of Object.values(part)) if (value instanceof WebAssembly.Memory) memories.add(value);
  }
};
WebAssembly.instantiate = (source, imports) => {
  noteImports(imports);
  return instantiate(source, imports).then(note);
};
if (instantiateStreaming) {
  WebAssembly.instantiateStreaming = (source, imports) => {
    noteImports(imports);
    return instantiateStreaming(source, imports).then(note);
  };
}
