/** Whatever this library throws. `code` is stable, `message` says what is wrong and what to do. */
export class PoseError extends Error {
  /**
   * @param {string} code one of those of `index.d.ts`
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message, {cause});
    this.name = 'PoseError';
    this.code = code;
  }
}

/** One line about any error. */
export const reason = (error) => String(error?.message ?? error);
