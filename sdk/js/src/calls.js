/** Requests under way on the present connection, who waits for their replies, and what the server has read of them. */

/**
 * @typedef {import('../types/wire.js').Request} Request
 * @typedef {Partial<import('../types/wire.js').Outcomes>} Outcome
 * @typedef {(outcome: Outcome) => void} OnOutcome
 */

export class Calls {
  #next = 1;
  /** In the order sent. The name is that of a command; null for what cannot be at fault. @type {Map<number, { onOutcome: OnOutcome, name: string | null }>} */
  #waiting = new Map();
  /** What was last answered. The server reads in the order sent, so it has read everything up to it. */
  #read = 0;
  /** What was last sent that nothing answers. */
  #told = 0;
  /** What waits while a command is under way alone. @type {(() => void)[] | null} */
  #held = null;
  #send;

  /** @param {(frame: import('../types/wire.js').ClientFrame) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Sends a request. Whoever asks again on the next connection is not called for this one.
   * @param {Request} request
   * @param {OnOutcome} onOutcome
   * @param {string} [commandId]
   * @returns {boolean} false when there is no connection
   */
  call(request, onOutcome, commandId = '') {
    if (!this.#held) return this.#ask(request, onOutcome, commandId);
    this.#held.push(() => this.#ask(request, onOutcome, commandId));
    return true;
  }

  /**
   * Sends what nothing answers.
   * @param {Request} request
   * @returns {boolean} false when there is no connection
   */
  tell(request) {
    if (this.#held) {
      this.#held.push(() => this.tell(request));
      return true;
    }
    const sent = this.#send({ id: 0, request });
    if (sent) this.#told = this.#next += 1;
    return sent;
  }

  /**
   * Sends a command once the server has read all that was sent before, and nothing else until it has read
   * the command: if the server ends the connection over what it cannot read, it is clear what that was.
   * @param {Request} request
   * @param {OnOutcome} onOutcome
   * @param {string} commandId
   */
  alone(request, onOutcome, commandId) {
    const held = (this.#held = [...(this.#held ?? [])]);
    this.#ask({ ping: {} }, () => {
      this.#ask(request, onOutcome, commandId);
      this.#ask({ ping: {} }, () => {
        // Another may be on its way alone by now, and has taken over what waits.
        if (this.#held !== held) return;
        this.#held = null;
        for (const send of held) send();
      }, null);
    }, null);
  }

  /** What the server may not have read yet: the ids of commands, and an empty one for each other request. */
  unread() {
    const names = [...this.#waiting].filter(([id]) => id > this.#read).map(([, { name }]) => name);
    if (this.#told > this.#read) names.push('');
    return names.filter((name) => name !== null);
  }

  /** @param {import('../types/wire.js').Reply} reply */
  onReply(reply) {
    const call = this.#waiting.get(reply.id);
    if (!call) return;
    this.#waiting.delete(reply.id);
    this.#read = Math.max(this.#read, reply.id);
    call.onOutcome(reply.outcome ?? {});
  }

  /** The connection is gone: no reply will come. */
  drop() {
    this.#waiting.clear();
    this.#held = null;
    this.#read = this.#next;
  }

  /**
   * @param {Request} request
   * @param {OnOutcome} onOutcome
   * @param {string | null} name
   */
  #ask(request, onOutcome, name) {
    const id = (this.#next += 1);
    this.#waiting.set(id, { onOutcome, name });
    const sent = this.#send(name ? { id, command_id: name, request } : { id, request });
    if (!sent) this.#waiting.delete(id);
    return sent;
  }
}
