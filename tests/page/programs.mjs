// The programs, as the tests of the page run them, and a browser that asks nobody else anything.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const bin = process.env.PIPEDUP_BIN;
export const kPatience = 60_000; // ms; passes only where a test fails

/** A program that says in JSON, on stderr, what happens. */
export class Program {
  constructor(name, options, environment = {}) {
    this.events = [];
    this.waiters = [];
    this.process = spawn(join(bin, name), ["-v", "--log-format", "json", ...options], {
      stdio: ["pipe", "ignore", "pipe"], env: { ...process.env, ...environment },
    });
    this.process.stdin.on("error", () => {}); // it was killed
    this.exited = once(this.process, "exit");
    createInterface(this.process.stderr).on("line", line => {
      this.events.push(JSON.parse(line));
      this.waiters = this.waiters.filter(look => !look());
    });
  }
  /** The first event of that name, of all that it ever said. */
  event(name) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.events.find(event => event.event === name);
        if (found) { clearTimeout(timer); resolve(found); }
        return found;
      };
      const timer = setTimeout(() => reject(new Error(`no '${name}': ${JSON.stringify(this.events)}`)), kPatience);
      if (!look()) this.waiters.push(look);
    });
  }
  write(text) { this.process.stdin.write(text); }
  end() { this.process.stdin.end(); return this.exited; }
  kill() { this.process.kill("SIGKILL"); return this.exited; }
}

/** A publisher with its journal in a directory of its own. */
export class Publisher extends Program {
  static async start({ port = 0, options = [] } = {}) {
    const directory = await mkdtemp(join(tmpdir(), "pipedup-page-"));
    const publisher = new Publisher("pipedup-pub",
      ["--bind", "tcp://127.0.0.1:0", "--http", `127.0.0.1:${port}`, "--linger", "5s", ...options],
      { XDG_RUNTIME_DIR: directory });
    publisher.directory = directory;
    const { url, port: bound } = await publisher.event("http");
    const { endpoint } = await publisher.event("listening");
    return Object.assign(publisher, { url, port: bound, endpoint });
  }
  /** Writes what `text` returns, ten times a second. */
  tick(text) { this.ticking = setInterval(() => this.write(text()), 100); }
  async stop() {
    clearInterval(this.ticking);
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.PIPEDUP_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--disable-dev-shm-usage"],
  });
}
