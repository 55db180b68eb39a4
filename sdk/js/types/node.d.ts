import type { OutboxEntry, OutboxStorage } from './index.js';
export * from './index.js';

/** Keeps entries in a folder, one file each. One process at a time. */
export class FileStorage implements OutboxStorage {
  constructor(folder: string);
  load(): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(id: string): Promise<void>;
}
