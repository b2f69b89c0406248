/**
 * The reads that are under way (PROTOCOL.md, section 7): at most two, answered in the order in which they were
 * asked, and asked again when there is no answer. Pure.
 *
 * @module
 */

/** The most reads that a subscriber waits for. */
export const MAX_READS = 2;
const PATIENCE_MS = 2000;
const MAX_PATIENCE_MS = 30000;
const BACK_OFF_MS = 100;
const MAX_BACK_OFF_MS = 2000;

/**
 * @typedef {object} Read
 * @property {bigint} request
 * @property {bigint | object} from
 * @property {number} max bytes
 * @property {boolean} damaged whether a bad message came while it was answered
 */

export class Reads {
  /** @type {Read[]} */
  #reads = [];
  #request = 0n;
  #heardAt = 0;
  #patience = PATIENCE_MS;
  #notBefore = 0;
  #backOff = BACK_OFF_MS;

  /** Reads under way. */
  get count() {
    return this.#reads.length;
  }

  /** Bytes that may still come. */
  get bytes() {
    let sum = 0;
    for (const read of this.#reads) sum += read.max;
    return sum;
  }

  /** @param {number} now */
  mayAsk(now) {
    return this.#reads.length < MAX_READS && now >= this.#notBefore;
  }

  /**
   * Notes a read that is sent now.
   *
   * @param {bigint | object} from
   * @param {number} max
   * @param {number} now
   * @returns {bigint} its `request`
   */
  ask(from, max, now) {
    if (this.#reads.length === 0) this.#heardAt = now;
    this.#request += 1n;
    this.#reads.push({ request: this.#request, from, max, damaged: false });
    return this.#request;
  }

  /** A block that belongs to an answer came. */
  heard(now) {
    this.#heardAt = now;
    this.#patience = PATIENCE_MS;
  }

  /** A bad message came, which may be part of any answer. */
  damaged() {
    for (const read of this.#reads) read.damaged = true;
  }

  /**
   * A `done` came. Answers come in order, so those that were asked before it are over as well.
   *
   * @returns {Read | undefined} undefined if it was given up, or never asked
   */
  done(request, now) {
    const at = this.#reads.findIndex((read) => read.request === request);
    if (at < 0) return undefined;
    this.heard(now);
    return this.#reads.splice(0, at + 1).at(-1);
  }

  /** Forgets all: none of them will be answered, or the answers are not wanted. */
  clear() {
    this.#reads = [];
  }

  /** An answer was of no use: the next question waits, each time longer. */
  backOff(now) {
    this.#notBefore = now + this.#backOff;
    this.#backOff = Math.min(this.#backOff * 2, MAX_BACK_OFF_MS);
  }

  /** The position moved. */
  progress() {
    this.#notBefore = 0;
    this.#backOff = BACK_OFF_MS;
  }

  /** @returns {boolean} whether reads were given up because nothing came for too long */
  expire(now) {
    if (this.#reads.length === 0 || now - this.#heardAt < this.#patience) return false;
    this.#patience = Math.min(this.#patience * 2, MAX_PATIENCE_MS);
    this.clear();
    return true;
  }
}
