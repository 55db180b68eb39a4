/** A WebSocket whose other end is the test. */
export function scriptedSockets() {
  const sockets = [];
  class Scripted {
    onopen = null;
    onmessage = null;
    onclose = null;
    onerror = null;
    sent = [];
    closed = false;

    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      sockets.push(this);
    }

    send(data) {
      this.sent.push(JSON.parse(data));
    }

    close() {
      this.closed = true;
    }

    // The other end:

    open() {
      this.onopen?.({});
    }

    receive(frame) {
      this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
    }

    end(code) {
      this.onclose?.({ code, reason: '' });
    }

    /** The frames sent that hold this request. */
    requests(name) {
      return this.sent.filter(({ request }) => name in request);
    }

    /** Answers the last request of this name. */
    answer(name, outcome) {
      const frame = this.requests(name).at(-1);
      this.receive({ reply: { id: frame.id, outcome } });
    }
  }
  return { WebSocket: Scripted, sockets, last: () => sockets.at(-1) };
}

export const EPOCH = '0198c0de-1234-7abc-8def-0123456789e1';

export function welcome(more = {}) {
  return {
    welcome: {
      id: 1,
      user: 'alice',
      session: '0198c0de-1234-7abc-8def-012345678951',
      now_ms: 1_764_000_000_000,
      resumed: false,
      cursor: { epoch: EPOCH, position: 100, index: 4294967295 },
      heartbeat_ms: 30_000,
      token_expires_ms: 0,
      limits: { frame_bytes: 65536, text_bytes: 16384, requests_per_second: 20, push_text_bytes: 4096 },
      replayed: 0,
      ...more,
    },
  };
}

export function reset(more = {}) {
  return {
    reset: {
      reason: 'first',
      cursor: { epoch: EPOCH, position: 100, index: 4294967295 },
      conversations: [],
      more: false,
      unread_total: 0,
      blocked: [],
      ...more,
    },
  };
}
