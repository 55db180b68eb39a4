import assert from 'node:assert/strict';
import { test } from 'node:test';

import { unsendable } from '../src/sendable.js';

const conversation = '0198c0de-1234-7abc-8def-0123456789c1';

test('what a server reads is sent', () => {
  for (const text of ['', 'plain', '\u{1F600}', 'a\u{1F468}\u200D\u{1F469}b', '\u0000', '🎉'.repeat(3)]) {
    assert.equal(unsendable({ post_message: { conversation, text, reply_to: 0, mentions: ['ann', text] } }), null);
  }
  assert.equal(unsendable({ set_muted: { conversation, muted: true } }), null);
  assert.equal(unsendable({ list_conversations: { before: Number.MAX_SAFE_INTEGER, limit: 20 } }), null);
  assert.equal(unsendable({ start_direct: { user: 'ann', context: undefined } }), null);
  assert.equal(unsendable({ list_messages: { conversation, after: null, before: 7 } }), null);
});

test('what it cannot read is named', () => {
  const post = (/** @type {object} */ wrong) => ({ post_message: { conversation, text: 'x', ...wrong } });
  for (const [request, name] of /** @type {[object, string][]} */ ([
    [post({ text: 'a\ud83d' }), 'text'],
    [post({ text: '\ude00b' }), 'text'],
    [post({ mentions: ['ann', 'be\ud800n'] }), 'mentions'],
    [post({ conversation: 'nope' }), 'conversation'],
    [post({ conversation: '' }), 'conversation'],
    [post({ reply_to: -1 }), 'reply_to'],
    [post({ reply_to: 1.5 }), 'reply_to'],
    [post({ reply_to: NaN }), 'reply_to'],
    [post({ reply_to: 2 ** 53 }), 'reply_to'],
    [post({ reply_to: 7n }), 'reply_to'],
  ])) {
    const error = unsendable(request);
    assert.equal(error?.code, 'invalid');
    assert.equal(error.retry, false);
    assert.ok(error.message.startsWith(`${name}: `), error.message);
  }
});
