/** UUIDv7: ids that sort by time, also within a millisecond. */

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A clock that goes back further than this was wrong before, and ids that follow it are right. */
const RIDE_OUT_MS = 10_000;

/**
 * @param {{ now?: () => number, randomBytes?: (bytes: Uint8Array) => void }} [options]
 * @returns {() => string}
 */
export function uuidv7Maker({ now = Date.now, randomBytes = fillRandom } = {}) {
  let lastMs = 0;
  let counter = 0;
  const bytes = new Uint8Array(16);
  return () => {
    randomBytes(bytes);
    const ms = Math.floor(now());
    if (ms > lastMs || ms < lastMs - RIDE_OUT_MS) {
      lastMs = ms;
      // Half of the counter's range is left for this millisecond.
      counter = ((bytes[6] & 0x07) << 8) | bytes[7];
    } else if (++counter > 0xfff) {
      // Do not go back with a clock that is adjusted a little: run ahead of it instead.
      lastMs += 1;
      counter = 0;
    }
    let rest = lastMs;
    for (let i = 5; i >= 0; i -= 1) {
      bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    bytes[6] = 0x70 | (counter >> 8);
    bytes[7] = counter & 0xff;
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

/**
 * When a UUIDv7 was made, milliseconds since 1970.
 * @param {string} id
 */
export function uuidTime(id) {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** @param {Uint8Array} bytes */
function fillRandom(bytes) {
  crypto.getRandomValues(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
}
