/** Says how the connection is, when it is not as it should be. */

import { h } from './dom.js';
import { explain, plural } from './text.js';

export class Banner {
  #timer = 0;
  #key = '';

  /**
   * @param {() => void} retryNow
   * @param {() => void} signIn
   */
  constructor(retryNow, signIn) {
    this.element = h('div.banner', { role: 'status', hidden: true });
    this.retryNow = retryNow;
    this.signIn = signIn;
  }

  /**
   * @param {import('../sdk/js/types/index.js').ConnectionState} connection
   * @param {boolean} before whether it was ever connected
   * @param {number} kept messages of an earlier visit that wait to be sent, and cannot be shown yet
   */
  show(connection, before, kept) {
    // A render for another reason must not start the countdown anew.
    const key = JSON.stringify([connection, before, kept]);
    if (key === this.#key) return;
    this.#key = key;
    clearInterval(this.#timer);
    const { state } = connection;
    const promise = kept > 0 ? ` ${plural(kept, 'message')} written here before ${kept === 1 ? 'is' : 'are'} kept and will be sent.` : '';
    this.element.hidden = state === 'online' || state === 'idle' || state === 'syncing' || (state === 'connecting' && connection.attempt === 0 && !before);
    this.element.dataset.state = state;
    if (connection.state === 'waiting') {
      const text = h('p');
      const problem = connection.error.code === 'token_unavailable' ? 'Cannot sign in. Trying again' : before ? 'No connection. Reconnecting' : 'Cannot reach the server. Trying again';
      const count = () => {
        const seconds = Math.max(0, Math.ceil((connection.retryAtMs - Date.now()) / 1000));
        text.textContent = (seconds > 0 ? `${problem} in ${seconds} s…` : `${problem}…`) + promise;
      };
      count();
      this.#timer = setInterval(count, 250);
      this.element.replaceChildren(text, button('Try now', this.retryNow));
      this.element.title = connection.error.message;
    } else if (connection.state === 'closed') {
      this.element.replaceChildren(h('p', null, explain(connection.error)), button('Sign in again', this.signIn));
    } else {
      this.element.replaceChildren(h('p', null, (before ? 'Reconnecting…' : 'Connecting…') + promise));
    }
  }
}

/**
 * @param {string} label
 * @param {() => void} onclick
 */
function button(label, onclick) {
  return h('button.text-button', { type: 'button', onclick }, label);
}
