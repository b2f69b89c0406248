/**
 * Writing to stdout without holding up the timers of this process: process.stdout writes to pipes in its own thread,
 * which would stop the status that tells the publisher that this subscriber lives.
 *
 * @module
 */
import { writev } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const write = promisify(writev);
const STDOUT = 1;
const MAX_BUFFERS = 512; // at once; the system takes 1024
const AGAIN_MS = 5;

/**
 * Writes all of it, in order.
 *
 * @param {Buffer[]} buffers
 * @throws {Error} with code EPIPE, if the reader has left
 */
export async function writeAll(buffers) {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  while (rest.length > 0) {
    let { bytesWritten } = await write(STDOUT, rest.slice(0, MAX_BUFFERS)).then(
      (written) => (typeof written === 'number' ? { bytesWritten: written } : written),
      async (error) => {
        if (error.code !== 'EAGAIN') throw error;
        await sleep(AGAIN_MS); // whoever made the pipe made it non-blocking
        return { bytesWritten: 0 };
      },
    );
    let whole = 0;
    while (whole < rest.length && bytesWritten >= rest[whole].length) {
      bytesWritten -= rest[whole].length;
      whole += 1;
    }
    rest = rest.slice(whole);
    if (bytesWritten > 0) rest[0] = rest[0].subarray(bytesWritten);
  }
}
