/** Whom one has added, who asks, who is asked: as the server has it, and kept so. */

/** Asked for at a time, the most there is. */
const PAGE = 1_000;
/** More than anybody looks through. */
const MOST = 10_000;

/** @typedef {import('../sdk/js/types/index.js').Contact} Contact */

export class Contacts {
  /** @type {Map<string, Contact>} */
  #of = new Map();
  /** What happened while they were asked for. @type {Contact[] | null} */
  #meanwhile = null;
  #client;
  #onChange;
  #off;
  /** Whether they are there. */
  loaded = false;

  /**
   * @param {import('../sdk/js/src/index.js').Tidings} client
   * @param {(users: readonly string[] | null) => void} onChange whose state changed; null for all
   */
  constructor(client, onChange) {
    this.#client = client;
    this.#onChange = onChange;
    const offs = [
      client.on('event', ({ kind, body, atMs }) => {
        if (kind !== 'contact_changed') return;
        const { user, state } = /** @type {{ user: string, state: Contact['state'] }} */ (body);
        this.#set({ user, state, atMs });
        onChange([user]);
      }),
      // What happened since the last connection may not be told one by one.
      client.on('connection', ({ state }) => state === 'online' && void this.#load()),
    ];
    this.#off = () => offs.forEach((off) => off());
    if (client.connection.state === 'online') void this.#load();
  }

  close() {
    this.#off();
  }

  /** @param {string} user */
  stateOf(user) {
    return this.#of.get(user)?.state ?? 'none';
  }

  /**
   * @param {Contact['state']} state
   * @returns {Contact[]} latest first
   */
  all(state) {
    return [...this.#of.values()].filter((contact) => contact.state === state).sort((a, b) => b.atMs - a.atMs);
  }

  /** @param {Contact} contact */
  #set(contact) {
    this.#meanwhile?.push(contact);
    if (contact.state === 'none') this.#of.delete(contact.user);
    else this.#of.set(contact.user, contact);
  }

  async #load() {
    const meanwhile = (this.#meanwhile = /** @type {Contact[]} */ ([]));
    /** @type {Map<string, Contact>} */
    const found = new Map();
    try {
      for (let after = ''; ; ) {
        const { contacts, more } = await this.#client.listContacts({ after, limit: PAGE });
        for (const contact of contacts) found.set(contact.user, contact);
        after = contacts.at(-1)?.user ?? '';
        if (!more || found.size >= MOST) break;
      }
    } catch {
      // Without a connection; it is asked again with the next one.
      return;
    }
    // Another connection, another question.
    if (this.#meanwhile !== meanwhile) return;
    this.#meanwhile = null;
    this.#of = found;
    for (const contact of meanwhile) this.#set(contact);
    this.loaded = true;
    this.#onChange(null);
  }
}
