// Welcomes who joins a group. The words are a setting; the backend may set others for a conversation.
import { get as setting } from 'tidings:extension/config@0.1.0';
import { post } from 'tidings:extension/effects@0.1.0';
import { get } from 'tidings:extension/kv-read@0.1.0';
import { set } from 'tidings:extension/kv-write@0.1.0';

const key = (conversation) => `text/${conversation}`;

/** The words for a conversation. */
function words(conversation) {
  const stored = get(key(conversation));
  return stored ? new TextDecoder().decode(stored.value) : JSON.parse(setting('text'));
}

export const reactor = {
  onEvent(call, event) {
    const { user } = JSON.parse(event.payload());
    // Nobody welcomes a bot, this one least of all.
    if (user.startsWith('extension:')) {
      return;
    }
    const conversation = event.conversation();
    // Once for each joining: delivered again, the event has the same id, and a key takes effect once.
    const message = post(conversation, `welcome/${event.id()}`, words(conversation).replaceAll('{user}', user));
    message.mention(user);
  },
};

export const command = {
  invoke(call, invocation) {
    const args = JSON.parse(invocation.args());
    if (invocation.name() === 'set-welcome') {
      set(key(args.conversation), new TextEncoder().encode(args.text), undefined, undefined);
      return JSON.stringify({ text: args.text });
    }
    const conversation = invocation.conversation();
    if (conversation == null) {
      throw { tag: 'usage', val: 'call it from a conversation' };
    }
    return JSON.stringify({ text: words(conversation) });
  },
};
