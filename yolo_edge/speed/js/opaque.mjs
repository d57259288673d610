// What a runtime that is not TensorFlow.js tells of itself: nothing of its tensors and kernels.

export class OpaqueRunner {
  async inspect() {
    return {kernels: null, draws: null, tensorBytes: null, peakTensorBytes: null};
  }

  async kernels() {
    return [];
  }
}
