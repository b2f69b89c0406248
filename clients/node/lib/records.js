/**
 * Records out of blocks (PROTOCOL.md, section 3): a record ends with its delimiter, which belongs to it.
 *
 * @module
 */

import { Gate } from './gate.js';

const DELIMITERS = { lines: 0x0a, nul: 0x00 };
const MAX_BYTES = 64 * 1024 * 1024;
const LOOK_EVERY = 256; // records: what looks at the clock for each one is slower by a third

/** Whole records and pieces out of a sequence of items. Pure, but for the memory of what is held. */
export class RecordSplitter {
  #maxBytes;
  #delimiter = -1;
  #stream = '';
  #session = '';
  #block = null; // what is being split
  #at = 0; // behind the last record in it
  #pieces = []; // of a record that has not ended yet
  #held = 0;
  #start = 0n; // of that record
  #begun = true; // whether the next record is whole from its first byte

  /** @param {number} [maxBytes] of a record that is held together */
  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes an item. Before, `next` must have given null.
   *
   * @returns {object[]} what is to be given now: the rest of a record that was cut off, and the item, if it is no block
   * @throws {TypeError} if the stream is raw
   */
  add(item) {
    if (item.type === 'block') {
      this.#block = item;
      this.#at = 0;
      if (this.#held === 0 && item.beginsRecord) this.#begun = true;
      return [];
    }
    const rest = this.rest();
    this.#begun = item.type !== 'gap';
    if (item.type === 'newSession') {
      if (!Object.hasOwn(DELIMITERS, item.records)) throw new TypeError(`the stream '${item.stream}' is raw: it has no records`);
      this.#delimiter = DELIMITERS[item.records];
      this.#session = item.session;
      this.#stream = item.stream;
    }
    return [...rest, item];
  }

  /** @returns {object | null} the next record of the block; null when another item is wanted */
  next() {
    const block = this.#block;
    if (block === null) return null;
    const { data } = block;
    const from = this.#at;
    const end = data.indexOf(this.#delimiter, from) + 1;
    if (end === 0) {
      this.#block = null;
      if (from < data.length) this.#hold(block, from);
      return this.#held > this.#maxBytes ? this.#piece() : null;
    }
    this.#at = end;
    const complete = this.#begun;
    this.#begun = true;
    if (this.#held === 0) return this.#record(block.position + BigInt(from), data.subarray(from, end), complete);
    this.#pieces.push(data.subarray(from, end));
    return this.#record(this.#start, this.#flush(), complete);
  }

  /** @returns {object[]} what is held, as a record that is not whole */
  rest() {
    return this.#held === 0 ? [] : [this.#record(this.#start, this.#flush(), false)];
  }

  #hold(block, from) {
    if (this.#held === 0) this.#start = block.position + BigInt(from);
    this.#pieces.push(from === 0 ? block.data : block.data.subarray(from));
    this.#held += block.data.length - from;
  }

  #piece() {
    this.#begun = false;
    return this.#record(this.#start, this.#flush(), false);
  }

  #flush() {
    const rest = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    return rest;
  }

  #record(position, data, complete) {
    return { type: 'record', stream: this.#stream, session: this.#session, position, data, complete };
  }
}

/** Records as an async iterator. It is written by hand: an async generator took twice as long. */
export class Records {
  #items;
  #turns;
  #splitter;
  #ready = []; // to be given before more is split
  #given = 0;
  #done = false;
  #asking = new Gate(); // who asks while another one waits gets what comes after it

  /**
   * @param {AsyncIterator<object>} items
   * @param {import('./turns.js').Turns} turns
   * @param {{ maxBytes?: number }} [options]
   */
  constructor(items, turns, { maxBytes } = {}) {
    this.#items = items;
    this.#turns = turns;
    this.#splitter = new RecordSplitter(maxBytes);
  }

  next() {
    this.#given += 1;
    const waits = this.#given % LOOK_EVERY === 0 && this.#turns.due;
    const value = waits || this.#asking.taken || this.#ready.length > 0 ? undefined : this.#splitter.next() ?? undefined;
    return value === undefined ? this.#more() : Promise.resolve({ value, done: false });
  }

  async return() {
    this.#done = true;
    this.#ready = [];
    await this.#items.return();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async #more() {
    const turn = this.#asking.enter();
    if (turn !== undefined) await turn;
    try {
      if (this.#turns.due) await this.#turns.give();
      for (;;) {
        const value = this.#ready.shift() ?? (this.#done ? null : this.#splitter.next());
        if (value !== null && value !== undefined) return { value, done: false };
        if (this.#done) return { value: undefined, done: true };
        const item = await this.#items.next();
        if (this.#done) continue; // it was closed meanwhile
        this.#done = item.done === true;
        this.#ready = this.#done ? this.#splitter.rest() : this.#splitter.add(item.value);
      }
    } finally {
      this.#asking.leave();
    }
  }
}
