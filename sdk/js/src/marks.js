/**
 * What was marked as read: shown at once, sent at a pace, and again after a lost connection until
 * the server's own cursor has come as far.
 */

const EVERY_MS = 500;

export class Marks {
  /** @type {Map<string, { seq: number, sentSeq: number, timer: unknown }>} */
  #marks = new Map();
  #clock;
  #send;

  /**
   * @param {import('../types/index.js').Clock} clock
   * @param {(conversation: string, seq: number, refused: (afterMs: number | null) => void) => boolean} send
   *   false without a connection; calls `refused` with a time after which to try again, or null for never
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * How far a conversation was marked, if that is further than the server knows.
   * @param {string} conversation
   */
  seq(conversation) {
    return this.#marks.get(conversation)?.seq ?? 0;
  }

  /**
   * @param {string} conversation
   * @param {number} seq
   */
  set(conversation, seq) {
    const mark = this.#marks.get(conversation) ?? { seq: 0, sentSeq: 0, timer: null };
    if (seq <= mark.seq) return false;
    mark.seq = seq;
    this.#marks.set(conversation, mark);
    if (mark.timer === null) this.#flush(conversation, mark);
    return true;
  }

  /**
   * The server's cursor stands here.
   * @param {string} conversation
   * @param {number} readSeq
   */
  known(conversation, readSeq) {
    const mark = this.#marks.get(conversation);
    if (!mark || mark.seq > readSeq) return;
    if (mark.timer !== null) this.#clock.clearTimeout(mark.timer);
    this.#marks.delete(conversation);
  }

  /** @param {string} conversation */
  drop(conversation) {
    this.known(conversation, Infinity);
  }

  online() {
    for (const [conversation, mark] of this.#marks) {
      mark.sentSeq = 0;
      if (mark.timer !== null) this.#clock.clearTimeout(mark.timer);
      this.#flush(conversation, mark);
    }
  }

  close() {
    for (const conversation of [...this.#marks.keys()]) this.drop(conversation);
  }

  /**
   * @param {string} conversation
   * @param {{ seq: number, sentSeq: number, timer: unknown }} mark
   */
  #flush(conversation, mark) {
    mark.timer = null;
    if (mark.seq <= mark.sentSeq) return;
    const sent = this.#send(conversation, mark.seq, (afterMs) => {
      if (this.#marks.get(conversation) !== mark) return;
      if (afterMs === null) return this.drop(conversation);
      mark.sentSeq = 0;
      if (mark.timer !== null) this.#clock.clearTimeout(mark.timer);
      mark.timer = this.#clock.setTimeout(() => this.#flush(conversation, mark), Math.max(afterMs, EVERY_MS));
    });
    if (!sent) return;
    mark.sentSeq = mark.seq;
    mark.timer = this.#clock.setTimeout(() => this.#flush(conversation, mark), EVERY_MS);
  }
}
