// Programs that tests run, and stop: by their process id, and only those that were started here.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const BIN = process.env.PIPEDUP_BIN;
/** For tests against the real programs: they are skipped where there are none. */
export const needsPrograms = { skip: BIN ? false : 'PIPEDUP_BIN names no directory of built programs', timeout: 120000 };
export const SHIM = new URL('../../bin/pipedup-sub.mjs', import.meta.url).pathname;

/** Bounds every wait: a test that waits for what never comes fails, and says for what. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${typeof what === 'string' ? what : what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A directory that is removed when all programs that use it have ended. */
export function scratch() {
  const path = mkdtempSync(join(tmpdir(), 'pipedup-node-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A program that runs, what it wrote, and what it says on stderr as JSON. */
export class Program {
  events = [];
  output = [];
  bytes = 0;
  #watchers = new Set();

  constructor(t, file, args, { stdin = 'pipe', stdout = 'pipe', env = {} } = {}) {
    this.process = spawn(file, args, { stdio: [stdin, stdout, 'pipe'], env: { ...process.env, ...env } });
    this.stdin = this.process.stdin;
    this.stdin?.on('error', () => {}); // it may end before it has read all
    this.exited = new Promise((resolve) => {
      this.process.on('close', (code, signal) => resolve(code ?? signal));
    });
    this.exited.then((status) => {
      this.status = status;
      this.#look();
    });
    this.process.stdout?.on('data', (data) => {
      this.output.push(data);
      this.bytes += data.length;
      this.#look();
    });
    let rest = '';
    this.process.stderr.on('data', (data) => {
      rest += data;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) this.events.push(line.startsWith('{') ? JSON.parse(line) : { event: 'text', message: line });
      this.#look();
    });
    t.after(async () => {
      this.kill('SIGKILL');
      await this.exited;
    });
  }

  get text() {
    return Buffer.concat(this.output);
  }

  kill(signal = 'SIGKILL') {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
  }

  /** Waits until something holds; it is looked at whenever the program wrote or ended. */
  until(what, holds, ms = 30000) {
    return within(ms, () => `${what}; ${this.#state()}`, new Promise((resolve) => {
      const watch = () => {
        const result = holds(this);
        if (!result) return;
        this.#watchers.delete(watch);
        resolve(result);
      };
      this.#watchers.add(watch);
      watch();
    }));
  }

  event(name, ms) {
    return this.until(`the event ${name}`, () => this.events.find(({ event }) => event === name), ms);
  }

  end(ms = 30000) {
    return within(ms, () => `the end; ${this.#state()}`, this.exited);
  }

  #state() {
    return `${this.bytes} bytes; it said ${JSON.stringify(this.events.slice(-3))}`;
  }

  #look() {
    for (const watch of this.#watchers) watch();
  }
}

/** A publisher of what is written to its stdin. */
export function publisher(t, endpoint, ...args) {
  return new Program(t, join(BIN, 'pipedup-pub'), ['-b', endpoint, '-v', '--log-format', 'json', ...args]);
}

/** pipedup-sub of this package. */
export function shim(t, endpoint, args = [], options = {}) {
  return new Program(t, process.execPath, [SHIM, endpoint, '--log-format', 'json', ...args], options);
}

/** Two neighbouring free ports, as an endpoint. */
export async function tcpEndpoint() {
  const listen = (port) => new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const first = await listen(0);
    const { port } = first.address();
    const second = await listen(port + 1).catch(() => null);
    await new Promise((resolve) => first.close(resolve));
    if (second === null) continue;
    await new Promise((resolve) => second.close(resolve));
    return `tcp://127.0.0.1:${port}`;
  }
  throw new Error('no two neighbouring free ports');
}
