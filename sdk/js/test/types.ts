// Checked by `npm run check`, never run: the declarations hold what the sources export, and the
// snippets of README.md are typed as an app would type them.

import type * as Declared from '../types/index.js';
import type * as DeclaredNode from '../types/node.js';
import * as implementation from '../src/index.js';
import * as implementationNode from '../src/node.js';

// `Conversation` is only made by the client, so its constructor is private in the declarations.
type Public<T> = { [K in keyof T]: T[K] };
type Without<T> = Omit<T, 'Conversation' | 'Tidings'>;

export const exports: Without<typeof Declared> = implementation;
export const nodeExports: Without<typeof DeclaredNode> = implementationNode;

declare const tidings: implementation.Tidings;
declare const conversation: implementation.Conversation;
export const asClient: Public<Omit<Declared.Tidings, 'conversation' | 'conversations' | 'startDirect' | 'createGroup'>> = tidings;
export const asConversation: Public<Declared.Conversation> = conversation;
export const handles: Public<Declared.Conversation>[] = [
  tidings.conversation('x'),
  ...tidings.conversations,
  await tidings.startDirect('bob', { context: 'listing-7' }),
  await tidings.createGroup({ title: 'x', members: ['bob'], historyFromStart: true, maxMembers: 3 }),
];
export const urls: Declared.Options['url'][] = ['https://a.example.com', ['https://a.example.com', 'https://b.example.com']];
export const construct: new (options: Declared.Options) => object = implementation.Tidings;

// Nothing declared is missing, nothing public is undeclared.
type Same<A, B> = [Exclude<A, B>, Exclude<B, A>] extends [never, never] ? true : [Exclude<A, B>, Exclude<B, A>];
export const sameClient: Same<keyof Declared.Tidings, keyof implementation.Tidings> = true;
export const sameConversation: Same<keyof Declared.Conversation, keyof implementation.Conversation> = true;
export const sameExports: Same<keyof typeof Declared, keyof typeof implementation> = true;

export async function snippet(client: Declared.Tidings): Promise<void> {
  const off: () => void = client.on('change', ({ conversations, list }) => {
    if (list || conversations.has('x')) off();
  });
  const handle = await client.startDirect('bob');
  await handle.open();
  for (const item of handle.timeline) {
    if (item.type === 'message') item.message.text satisfies string;
    else if (item.type === 'pending') item.pending.state satisfies 'pending' | 'sent' | 'held' | 'failed';
    else item.before satisfies number;
  }
  const { seq } = await handle.send('hello', { replyTo: handle.lastSeq });
  await handle.react(seq, '👍');
  // @ts-expect-error a reaction is text
  await handle.react(seq, 1);
  // @ts-expect-error made by the client only
  new (null as unknown as typeof Declared.Conversation)();
}
