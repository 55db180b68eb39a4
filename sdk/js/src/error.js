/** Errors as a kind and whether to retry. */

/** @type {readonly import('../types/index.js').ServerErrorCode[]} */
export const SERVER_ERROR_CODES = Object.freeze([
  'invalid', 'unknown_request', 'not_ready', 'unauthenticated', 'not_found', 'not_member', 'forbidden',
  'blocked_by_you', 'retracted', 'full', 'last_owner', 'wrong_kind', 'too_old', 'command_id_reused',
  'too_large', 'rate_limited', 'unavailable', 'internal',
]);

export class TidingsError extends Error {
  /** @param {{ code: string, message: string, retry?: boolean, retryAfterMs?: number, commandId?: string, cause?: unknown }} init */
  constructor({ code, message, retry = false, retryAfterMs = 0, commandId = '', cause }) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TidingsError';
    this.code = code;
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
    this.commandId = commandId;
  }

  /**
   * The error behind a refusal from the server.
   * @param {import('../types/wire.js').ErrorBody} body
   * @param {string} [commandId]
   */
  static fromWire(body, commandId) {
    return new TidingsError({
      code: body.code,
      message: body.message,
      retry: body.retry,
      retryAfterMs: body.retry_after_ms,
      commandId,
    });
  }

  /**
   * Whatever was thrown, as one of these. A fault outside (a token that could not be fetched) may pass.
   * @param {unknown} thrown
   * @param {string} code
   */
  static from(thrown, code) {
    if (thrown instanceof TidingsError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new TidingsError({ code, message, retry: true, cause: thrown });
  }
}

/**
 * @param {string} code
 * @param {string} message
 * @returns {Promise<never>} rejected; nobody has to wait for it
 */
export function refused(code, message) {
  const promise = Promise.reject(new TidingsError({ code, message }));
  promise.catch(() => {});
  return promise;
}
