/**
 * Whoever goes on from promise to promise keeps timers and sockets from their turn: the status by which a publisher
 * knows that a subscriber lives, for one. So what may go on for long asks here whether it is time to let others run.
 *
 * @module
 */
import { setImmediate as turn } from 'node:timers/promises';

const TURN_MS = 5;

export class Turns {
  #at = performance.now();

  /** Whether the others have waited for long enough. */
  get due() {
    return performance.now() - this.#at > TURN_MS;
  }

  /** Lets timers and sockets have their turn. */
  async give() {
    await turn();
    this.had();
  }

  /** They just had it. */
  had() {
    this.#at = performance.now();
  }
}
