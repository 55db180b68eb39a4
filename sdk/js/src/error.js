/** Errors as a kind and whether to retry. */

/** @type {readonly import('../types/index.js').ServerErrorCode[]} */
export const SERVER_ERROR_CODES = Object.freeze([
  'invalid', 'unknown_request', 'not_ready', 'unauthenticated', 'not_found', 'not_member', 'forbidden',
  'blocked_by_you', 'retracted', 'full', 'last_owner', 'wrong_kind', 'rejected', 'too_old', 'command_id_reused',
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
    const message = messageOf(thrown);
    return new TidingsError({ code, message, retry: true, cause: thrown });
  }
}

/** @param {unknown} thrown */
function messageOf(thrown) {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * The app's token, or why there is none: an error of the app's own with `retry` counts as it is, a failure
 * passes, and without a token nobody is signed in.
 * @param {import('../types/index.js').Options['getToken']} getToken
 * @param {boolean} refresh
 */
export async function tokenFrom(getToken, refresh) {
  let token;
  try {
    token = await getToken({ refresh });
  } catch (thrown) {
    if (thrown instanceof TidingsError) throw thrown;
    throw new TidingsError({ code: 'token_unavailable', message: `getToken failed: ${messageOf(thrown)}`, retry: true, cause: thrown });
  }
  if (typeof token === 'string' && token !== '') return token;
  throw new TidingsError({ code: 'unauthenticated', message: 'getToken gave no token: nobody is signed in' });
}

/**
 * @param {TidingsError} error
 * @returns {Promise<never>} rejected; nobody has to wait for it
 */
export function refused(error) {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
