import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { IDBFactory } from 'fake-indexeddb';
import { FileStorage, IndexedDbStorage, MemoryStorage, uuidv7Maker } from '../src/node.js';

const newId = uuidv7Maker();
const entry = (more = {}) => ({
  id: newId(),
  owner: 'tab',
  user: 'alice',
  request: { post_message: { conversation: 'c', text: 'é 中文 \u0000 "', reply_to: 0, mentions: [] } },
  createdMs: 1,
  sent: false,
  error: null,
  ...more,
});
const sorted = (entries) => [...entries].sort((a, b) => (a.id < b.id ? -1 : 1));

/** The same exam for each: what `open` returns reads what an earlier one has written. */
const storages = {
  memory: async () => {
    const storage = new MemoryStorage();
    return { open: () => storage, end: async () => {} };
  },
  indexeddb: async () => {
    const indexedDB = new IDBFactory();
    return { open: () => new IndexedDbStorage({ name: 'exam', indexedDB }), end: async () => {} };
  },
  file: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidings-outbox-'));
    return { folder, open: () => new FileStorage(join(folder, 'outbox')), end: () => rm(folder, { recursive: true }) };
  },
};

for (const [name, make] of Object.entries(storages)) {
  test(`${name}: what was put is there, what was removed is gone`, async () => {
    const { open, end } = await make();
    const storage = open();
    assert.deepEqual(await storage.load(), []);
    const [a, b, c] = [entry(), entry(), entry({ error: { code: 'forbidden', message: 'm', retry: false, retry_after_ms: 0 } })];
    await Promise.all([a, b, c].map((each) => storage.put(each)));
    assert.deepEqual(sorted(await open().load()), [a, b, c]);
    await storage.put({ ...b, sent: true });
    // Not waited for: a removal keeps its place behind the write.
    storage.put({ ...a, sent: true });
    await storage.remove(a.id);
    await storage.remove(newId());
    assert.deepEqual(sorted(await open().load()), [{ ...b, sent: true }, c]);
    await end();
  });
}

test('file: half-written entries are not read, names are not taken on trust', async () => {
  const { open, end, folder } = await storages.file();
  const storage = open();
  const kept = entry();
  await storage.put(kept);
  await writeFile(join(folder, 'outbox', `${newId()}.tmp`), '{"id":');
  assert.deepEqual(await open().load(), [kept]);
  await assert.rejects(storage.put(entry({ id: '../../etc/passwd' })), /is not a command id/);
  assert.deepEqual((await readdir(folder)).sort(), ['outbox']);
  await end();
});

test('file: a damaged entry does not hide the others, and can be taken away', async () => {
  const { open, end, folder } = await storages.file();
  const kept = entry();
  const id = newId();
  await open().put(kept);
  await writeFile(join(folder, 'outbox', `${id}.json`), '{"id":');
  await writeFile(join(folder, 'outbox', 'notes.json'), '{}');
  const loaded = sorted(await open().load());
  assert.deepEqual(loaded.map((each) => each.id), [kept.id, id].sort());
  assert.equal(loaded.find((each) => each.id === id).request, undefined);
  await open().remove(id);
  assert.deepEqual(await open().load(), [kept]);
  await end();
});
