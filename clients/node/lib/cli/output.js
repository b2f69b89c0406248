/**
 * Writing to stdout without holding up the timers of this process, however slow the reader is. process.stdout does
 * not do: it writes to pipes in its own thread, and the publisher would think that this subscriber is dead.
 *
 * @module
 */
import { constants, fstatSync, openSync, writev } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const STDOUT = 1;
const MAX_BUFFERS = 512; // at once; the system takes 1024
const SMALL_BYTES = 4096; // buffers that are smaller than this on average are copied together
const AGAIN_MS = 5;

/**
 * A pipe is opened once more, for a file description of our own that may be non-blocking without anybody else
 * noticing. A write in a thread of the pool, as for files, would keep this process from ending while it hangs.
 */
function pipeOf(descriptor) {
  const stat = fstatSync(descriptor);
  if (stat.isSocket()) return descriptor;
  if (!stat.isFIFO()) return null;
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return null; // no /proc, or a pipe of another user
  }
}

export class Output {
  #socket = null;
  #error = null;

  constructor() {
    const pipe = pipeOf(STDOUT);
    if (pipe === null) return;
    this.#socket = new Socket({ fd: pipe, readable: false, writable: true });
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
  }

  /**
   * Writes all of it, in order.
   *
   * @param {Buffer[]} buffers
   * @throws {Error} with code EPIPE, if the reader has left
   */
  async write(buffers) {
    const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) return;
    const together = buffers.length > 1 && bytes / buffers.length < SMALL_BYTES ? [Buffer.concat(buffers, bytes)] : buffers;
    if (this.#socket === null) await writeFile(together);
    else await this.#writePipe(together);
  }

  #writePipe(buffers) {
    const socket = this.#socket;
    if (this.#error !== null) throw this.#error;
    return new Promise((resolve, reject) => {
      socket.cork();
      for (const buffer of buffers.slice(0, -1)) socket.write(buffer);
      socket.write(buffers.at(-1), (error) => (error ? reject(error) : resolve()));
      socket.uncork();
    });
  }
}

function writeOnce(buffers) {
  return new Promise((resolve, reject) => {
    writev(STDOUT, buffers, (error, written) => {
      if (!error) resolve(written);
      else if (error.code === 'EAGAIN') sleep(AGAIN_MS).then(() => resolve(0)); // whoever made it made it non-blocking
      else reject(error);
    });
  });
}

async function writeFile(buffers) {
  let rest = buffers.filter(({ length }) => length > 0);
  while (rest.length > 0) {
    let written = await writeOnce(rest.slice(0, MAX_BUFFERS));
    let whole = 0;
    while (whole < rest.length && written >= rest[whole].length) {
      written -= rest[whole].length;
      whole += 1;
    }
    rest = rest.slice(whole);
    if (written > 0) rest[0] = rest[0].subarray(written);
  }
}
