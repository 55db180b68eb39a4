/** Requests under way on the present connection, and who waits for their replies. */

/**
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {Partial<import('../types/wire.js').Outcomes>} Outcome
 */

export class Calls {
  #next = 1;
  /** @type {Map<number, (outcome: Outcome) => void>} */
  #waiting = new Map();
  #send;

  /** @param {(frame: import('../types/wire.js').ClientFrame) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Sends a request. Whoever asks again on the next connection is not called for this one.
   * @param {Request} request
   * @param {(outcome: Outcome) => void} onOutcome
   * @param {string} [commandId]
   * @returns {boolean} false when there is no connection
   */
  call(request, onOutcome, commandId) {
    const id = (this.#next += 1);
    this.#waiting.set(id, onOutcome);
    const sent = this.#send(commandId ? { id, command_id: commandId, request } : { id, request });
    if (!sent) this.#waiting.delete(id);
    return sent;
  }

  /** @param {import('../types/wire.js').Reply} reply */
  onReply(reply) {
    const onOutcome = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    onOutcome?.(reply.outcome ?? {});
  }

  /** The connection is gone: no reply will come. */
  drop() {
    this.#waiting.clear();
  }
}
