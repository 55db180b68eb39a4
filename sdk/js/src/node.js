/** What the package exports for Node.js. */

export * from './index.js';
export { FileStorage } from './storage/file.js';
