/** What the package exports. */

export { Tidings } from './client.js';
export { Conversation } from './conversation.js';
export { SERVER_ERROR_CODES, TidingsError } from './error.js';
export { IndexedDbStorage } from './storage/indexeddb.js';
export { MemoryStorage } from './storage/memory.js';
export { uuidv7Maker } from './uuid.js';
