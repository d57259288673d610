// @ and # are filled in.
const MESSAGES = {
  aborted: 'The load was aborted.',
  channel: '@ points to #, which is missing: roll it back.',
  disposed: 'The model was disposed of: load again.',
  expired: '@ expired at #: publish it again.',
  html: '@ is a web page: the file is missing, or a login is due.',
  http: '@ answered #: check the address, or upload it again.',
  insecure: 'This page is not secure: serve it over https.',
  integrity: '@ is not what was published, its SHA-256 differs: upload it again.',
  lost: 'The GPU was lost: load again.',
  network: '@ cannot be reached: offline, or no CORS header.',
  'no-backend': 'No backend runs the model (@): load tfjs-backend-wasm, or give a fallback.',
  'no-tf': 'TensorFlow.js is missing: give options.tf.',
  options: 'There is no @: give one of #.',
  output: 'The model answers NaN: try another backend.',
  replayed: '@ has number #, a higher one was seen: purge the CDN.',
  schema: '@ cannot be read (#): check the address, or update yolo-edge-web.',
  source: 'The source has no pixels (@): give a playing video, canvas or image.',
  truncated: '@ broke off after # bytes: try again, or upload it again.',
};

export class PoseError extends Error {
  name = 'PoseError';

  constructor(code, first, second, cause) {
    super(MESSAGES[code].replace('@', () => first).replace('#', () => second), {cause});
    this.code = code;
  }
}

export const reason = (error) => error?.message ?? String(error);
