/** The real server, for tests. `TIDINGS_BIN` names the program. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const program = process.env.TIDINGS_BIN ?? '';

/**
 * Without a server these tests say so; in CI that is a failure, so that they cannot be left out by mistake.
 * @returns {string | false} why to skip
 */
export function skipReason() {
  if (program) return false;
  if (process.env.CI === 'true') throw new Error('TIDINGS_BIN names no server to test against');
  return 'TIDINGS_BIN is not set';
}

/** A server on a folder of its own, which can be stopped and started again at the same port. */
export class Server {
  #folder = '';
  #process = null;
  #more = [];
  port = 0;

  /**
   * Without the standard extensions unless they are what a test is about: they allow nobody to write as fast as tests do.
   * @param {{ apiKey?: { key: string, scopes: string[] }, extensions?: boolean }} [options]
   */
  static async start({ apiKey, extensions = false } = {}) {
    const server = new Server();
    if (!extensions) server.#more.push('--no-extensions');
    server.#folder = await mkdtemp(join(tmpdir(), 'tidings-test-'));
    if (apiKey) await server.#allow(apiKey);
    await server.start();
    return server;
  }

  /** For the backend API. */
  async #allow({ key, scopes }) {
    const file = join(this.#folder, 'backend.key');
    await writeFile(file, key, { mode: 0o600 });
    const config = join(this.#folder, 'tidings.toml');
    await writeFile(config, `[[auth.api_keys]]\nname = "backend"\nfile = ${JSON.stringify(file)}\nscopes = ${JSON.stringify(scopes)}\n`);
    this.#more.push('--config', config);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    const args = ['demo', '--port', String(this.port), '--address', '127.0.0.1', '--data', join(this.#folder, 'data'), ...this.#more];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    process.once('exit', () => child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (text) => (said += text));
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code} before it listened:\n${said}`);
    });
    const listening = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        said += `${line}\n`;
        const found = line.match(/http=127\.0\.0\.1:(\d+)/);
        if (found) return Number(found[1]);
      }
      throw new Error(`the server does not say where it listens:\n${said}`);
    })();
    listening.catch(() => {});
    this.port = await Promise.race([listening, exited]);
    exited.catch(() => {});
    // What else it prints must not fill the pipe.
    child.stdout.resume();
  }

  /** Ends it, at once and without its help. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Takes away what a server that was ended has kept: the next start begins another log. */
  async wipe() {
    await rm(join(this.#folder, 'data'), { recursive: true, force: true });
  }

  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const DEADLINE_MS = 20_000;

/**
 * Waits for a condition, never for a time.
 * @param {() => unknown} condition
 * @param {string} what
 * @param {number} [withinMs]
 */
export async function until(condition, what, withinMs = DEADLINE_MS) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`still not so: ${what}`);
    await new Promise((next) => setTimeout(next, 10));
  }
}
