// What QuickJS has not and extensions may want. Loaded before the extension.
const utf8 = {
  encode(text) {
    const s = String(text).toWellFormed();
    const out = new Uint8Array(s.length * 3);
    let n = 0;
    for (const ch of s) {
      const c = ch.codePointAt(0);
      if (c < 0x80) out[n++] = c;
      else if (c < 0x800) { out[n++] = 0xc0 | c >> 6; out[n++] = 0x80 | c & 63; }
      else if (c < 0x10000) { out[n++] = 0xe0 | c >> 12; out[n++] = 0x80 | c >> 6 & 63; out[n++] = 0x80 | c & 63; }
      else { out[n++] = 0xf0 | c >> 18; out[n++] = 0x80 | c >> 12 & 63; out[n++] = 0x80 | c >> 6 & 63; out[n++] = 0x80 | c & 63; }
    }
    return out.slice(0, n);
  },
  // WHATWG's decoder: lower and upper bounds of the second byte keep out overlong forms and surrogates
  decode(b, fatal) {
    let s = '', cp = 0, need = 0, seen = 0, lo = 0x80, hi = 0xbf;
    const bad = () => { if (fatal) throw new TypeError('not UTF-8'); s += '\ufffd'; };
    for (let i = 0; i < b.length; i++) {
      const x = b[i];
      if (need === 0) {
        if (x < 0x80) s += String.fromCharCode(x);
        else if (x >= 0xc2 && x <= 0xdf) { need = 1; cp = x & 0x1f; }
        else if (x >= 0xe0 && x <= 0xef) { if (x === 0xe0) lo = 0xa0; if (x === 0xed) hi = 0x9f; need = 2; cp = x & 0xf; }
        else if (x >= 0xf0 && x <= 0xf4) { if (x === 0xf0) lo = 0x90; if (x === 0xf4) hi = 0x8f; need = 3; cp = x & 7; }
        else bad();
        continue;
      }
      if (x < lo || x > hi) { need = seen = cp = 0; lo = 0x80; hi = 0xbf; bad(); i--; continue; }
      lo = 0x80; hi = 0xbf;
      cp = cp << 6 | x & 63;
      if (++seen === need) { s += String.fromCodePoint(cp); need = seen = cp = 0; }
    }
    if (need) bad();
    return s;
  },
};
globalThis.TextEncoder ??= class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return utf8.encode(text); }
};
globalThis.TextDecoder ??= class TextDecoder {
  #fatal; #bom;
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!/^(unicode-1-1-)?utf-?8$/i.test(label.trim())) throw new RangeError(`TextDecoder: only utf-8, not ${label}`);
    this.#fatal = fatal; this.#bom = ignoreBOM;
  }
  get encoding() { return 'utf-8'; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#bom; }
  decode(b = new Uint8Array()) {
    const bytes = b instanceof Uint8Array ? b : ArrayBuffer.isView(b) ? new Uint8Array(b.buffer, b.byteOffset, b.byteLength) : new Uint8Array(b);
    const s = utf8.decode(bytes, this.#fatal);
    return !this.#bom && s.charCodeAt(0) === 0xfeff ? s.slice(1) : s;
  }
};
// There is no clock: what time it is, the call knows.
{
  const none = () => { throw new Error('there is no clock: take call.now()'); };
  const Real = Date;
  Real.now = none;
  globalThis.Date = new Proxy(Real, {
    construct: (_, args, target) => args.length === 0 ? none() : Reflect.construct(Real, args, target),
    apply: none,
  });
  Real.prototype.constructor = globalThis.Date;
}
