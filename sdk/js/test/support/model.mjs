/**
 * What a server knows, in the plainest form: a list of facts. Every view is folded from the start,
 * as of any position, so it shares no logic with the code under test.
 */
export class Model {
  log = [];
  position = 0;

  /** Records facts in one commit. Each: { conversation, actor, kind, ...body }. */
  commit(...facts) {
    this.position += 1;
    facts.forEach((fact, index) => this.log.push({ ...fact, position: this.position, index, at_ms: 1_000_000 + this.position }));
    return this.position;
  }

  /** Everything as of a position. */
  at(position) {
    const conversations = new Map();
    for (const fact of this.log) {
      if (fact.position > position) break;
      if (fact.kind === 'started') {
        const members = new Map(fact.members.map((user) => [user, { read: 0, delivered: 0, muted: false, role: 'member' }]));
        conversations.set(fact.conversation, { ...fact, title: '', members, messages: [] });
        continue;
      }
      const conversation = conversations.get(fact.conversation);
      const member = conversation.members.get(fact.actor);
      const message = conversation.messages[fact.seq - 1];
      switch (fact.kind) {
        case 'posted':
          conversation.messages.push({ ...fact, seq: conversation.messages.length + 1, reactions: [], edited_ms: 0, retracted: false });
          break;
        case 'edited':
          Object.assign(message, { text: fact.text, mentions: fact.mentions, edited_ms: fact.at_ms });
          break;
        case 'retracted':
          Object.assign(message, { text: '', mentions: [], reactions: [], edited_ms: 0, retracted: true });
          break;
        case 'reacted':
          message.reactions.push({ user: fact.actor, reaction: fact.reaction });
          break;
        case 'unreacted':
          message.reactions = message.reactions.filter((each) => each.user !== fact.actor || each.reaction !== fact.reaction);
          break;
        case 'read':
          member.read = fact.seq;
          member.delivered = Math.max(member.delivered, fact.seq);
          break;
        case 'delivered':
          member.delivered = fact.seq;
          break;
        case 'titled':
          conversation.title = fact.title;
          break;
        case 'muted':
          member.muted = fact.muted;
          break;
        case 'joined': {
          const last = conversation.messages.length;
          conversation.members.set(fact.user, { read: last, delivered: last, muted: false, role: 'member' });
          break;
        }
        case 'left':
          conversation.members.delete(fact.user);
          break;
      }
    }
    return conversations;
  }

  view(id, user, position = this.position) {
    const conversation = this.at(position).get(id);
    const me = conversation.members.get(user);
    const last = conversation.messages.at(-1);
    const others = [...conversation.members].filter(([name]) => name !== user);
    return {
      id,
      kind: 'group',
      title: conversation.title,
      peer: '',
      context: '',
      role: me.role,
      member_count: conversation.members.size,
      last_message: last ? shown(last, user) : null,
      last_seq: conversation.messages.length,
      read_seq: me.read,
      unread: conversation.messages.filter(({ seq, actor, retracted }) => seq > me.read && actor !== user && !retracted).length,
      muted: me.muted,
      cursors: others.map(([name, { read, delivered }]) => ({ user: name, read_seq: read, delivered_seq: delivered })),
      activity_position: last?.position ?? conversation.position,
      activity_ms: last?.at_ms ?? conversation.at_ms,
      delivered_seq: me.delivered,
      as_of: position,
    };
  }

  list(user, { before = 0, limit = 20 } = {}, position = this.position) {
    const views = [...this.at(position).keys()]
      .map((id) => this.view(id, user, position))
      .sort((a, b) => b.activity_position - a.activity_position)
      .filter(({ activity_position }) => before === 0 || activity_position < before);
    return { conversations: views.slice(0, limit), more: views.length > limit, position };
  }

  page(id, user, { before = 0, after, limit = 50 }, position = this.position) {
    const all = this.at(position).get(id).messages.map((message) => shown(message, user));
    if (after !== undefined) {
      const rest = all.filter(({ seq }) => seq > after);
      return { messages: rest.slice(0, limit), more: rest.length > limit, position };
    }
    const rest = all.filter(({ seq }) => before === 0 || seq < before);
    return { messages: rest.slice(-limit), more: rest.length > limit, position };
  }

  unread(user, position = this.position) {
    const total = [...this.at(position).keys()]
      .map((id) => this.view(id, user, position))
      .reduce((sum, { muted, unread }) => sum + (muted ? 0 : unread), 0);
    return { total, as_of: position };
  }

  reset(user, window, position = this.position) {
    const { conversations, more } = this.list(user, { limit: window }, position);
    return {
      reason: 'first',
      cursor: { epoch: 'e', position, index: 4294967295 },
      conversations,
      more,
      unread_total: this.unread(user, position).total,
      blocked: [],
    };
  }

  /** The events a session of this user is sent after a position. */
  events(user, after) {
    return this.log.filter((fact) => fact.position > after && !(fact.kind === 'muted' && fact.actor !== user)).map((fact) => this.#event(fact, user));
  }

  #event(fact, user) {
    const { position, index, conversation, actor, at_ms } = fact;
    const event = { position, index, conversation, actor, at_ms };
    const after = this.#until(fact).get(conversation);
    const message = fact.seq ? after.messages[fact.seq - 1] : undefined;
    switch (fact.kind) {
      case 'started':
        return { ...event, kind: { conversation_added: this.#viewUntil(fact, user) } };
      case 'posted':
        return { ...event, kind: { message_posted: shown(after.messages.at(-1), user) } };
      case 'edited':
        return { ...event, kind: { message_edited: { seq: fact.seq, text: fact.text, mentions: fact.mentions, stub: false, erased: false } } };
      case 'retracted':
        return { ...event, kind: { message_retracted: { seq: fact.seq, author: message.actor, countable: true } } };
      case 'reacted':
      case 'unreacted': {
        const count = message.reactions.filter(({ reaction }) => reaction === fact.reaction).length;
        const name = fact.kind === 'reacted' ? 'reaction_added' : 'reaction_removed';
        return { ...event, kind: { [name]: { seq: fact.seq, reaction: fact.reaction, count } } };
      }
      case 'read': {
        const unread = after.messages.filter(({ seq, actor: author, retracted }) => seq > fact.seq && author !== actor && !retracted).length;
        return { ...event, kind: { read_up_to: { user: actor, seq: fact.seq, unread: actor === user ? unread : 0, as_of: actor === user ? position : 0 } } };
      }
      case 'delivered':
        return { ...event, kind: { delivered_up_to: { user: actor, seq: fact.seq, unread: 0 } } };
      case 'titled':
        return { ...event, kind: { title_changed: { title: fact.title } } };
      case 'muted':
        return { ...event, kind: { muted_changed: { muted: fact.muted } } };
      case 'joined':
        return { ...event, kind: { members_joined: { users: [fact.user], member_count: after.members.size, removed: false } } };
      case 'left':
        return { ...event, kind: { member_left: { users: [fact.user], member_count: after.members.size, removed: false } } };
      default:
        throw new Error(`no event for ${fact.kind}`);
    }
  }

  /** As of right after a fact, within its commit. */
  #until(fact) {
    return this.#cut(fact).at(fact.position);
  }

  #viewUntil(fact, user) {
    return this.#cut(fact).view(fact.conversation, user, fact.position);
  }

  #cut(fact) {
    const cut = new Model();
    cut.log = this.log.slice(0, this.log.indexOf(fact) + 1);
    cut.position = fact.position;
    return cut;
  }
}

function shown(message, user) {
  const reactions = [];
  for (const reaction of new Set(message.reactions.map((each) => each.reaction))) {
    const users = message.reactions.filter((each) => each.reaction === reaction).map((each) => each.user);
    reactions.push({ reaction, count: users.length, mine: users.includes(user) });
  }
  reactions.sort((a, b) => b.count - a.count || (a.reaction < b.reaction ? -1 : 1));
  return {
    seq: message.seq,
    author: message.actor,
    at_ms: message.at_ms,
    text: message.text,
    reply_to: message.reply_to ?? 0,
    mentions: message.mentions ?? [],
    edited_ms: message.edited_ms,
    retracted: message.retracted,
    countable: !message.retracted,
    reactions,
    command_id: message.command_id ?? '',
  };
}
