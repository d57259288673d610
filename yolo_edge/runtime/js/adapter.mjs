// What computes behind a backend of TensorFlow.js in a page.

/** What draws or computes behind a GPU backend, as the browser names it. */
export async function adapter(tf, backend) {
  if (backend === 'webgl') {
    const gl = tf.backend().gpgpu.gl;
    const names = gl.getExtension('WEBGL_debug_renderer_info');
    return String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  }
  if (backend === 'webgpu') {
    const info = tf.backend().adapterInfo ?? {};
    return [info.vendor, info.architecture].filter(Boolean).join(' ') || 'unknown';
  }
  return `${navigator.hardwareConcurrency} cores, ${crossOriginIsolated ? '' : 'not '}cross-origin isolated`;
}
