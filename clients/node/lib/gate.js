/**
 * Lets one in at a time, in the order in which they came.
 *
 * @module
 */
export class Gate {
  #taken = false;
  #waiting = [];

  /** Whether who comes now has to wait. */
  get taken() {
    return this.#taken;
  }

  /**
   * Whoever was let in has to call `leave`.
   *
   * @returns {Promise<void> | undefined} the turn, to be waited for; undefined if that is now
   */
  enter() {
    if (this.#taken) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
    return undefined;
  }

  /** The next one is let in. */
  leave() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next(); // it stays taken: nobody gets in between
  }
}
