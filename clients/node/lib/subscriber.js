/**
 * A subscriber: the machine, its sockets, a timer, and a queue for one consumer.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import { Readable } from 'node:stream';
import { Connection } from './connection.js';
import { DEFAULT_ENDPOINT, parseEndpoint } from './endpoint.js';
import { Gate } from './gate.js';
import { publicKeyOf } from './keys.js';
import { Machine } from './machine.js';
import { checkOptions } from './options.js';
import { Queue } from './queue.js';
import { Records } from './records.js';
import { ITEM_BYTES } from './stash.js';
import { Turns } from './turns.js';

const TICK_MS = 50;

const now = () => performance.now();
const clock = () => BigInt(Date.now()) * 1000000n;

/**
 * Reads a stream. What it is given is in `index.d.ts`, with units and defaults.
 *
 * It is an async iterable, for one consumer: an item counts as taken when the next one is asked for. Nothing is
 * connected before that. Emits `warning` (`{ event, message }`) for what operators should know.
 */
export class Subscriber extends EventEmitter {
  #machine;
  #connection;
  #queue = new Queue();
  #timer = null;
  #given = []; // to the consumer, and not taken yet
  #asking = new Gate(); // who asks while another one waits gets what comes after it
  #turns = new Turns();
  #started = false;
  #performing = false;
  #over = false;
  #closed;
  #onClosed;

  /** @param {import('../index.js').SubscribeOptions} [options] */
  constructor(options = {}) {
    super();
    const checked = checkOptions(options);
    const { curve } = checked;
    this.#machine = new Machine({
      ...checked, id: checked.id ?? randomBytes(8).toString('hex'), host: checked.host ?? hostname().slice(0, 64), pid: BigInt(process.pid), clock,
    });
    const keys = curve === undefined ? null : { ...curve, publicKey: curve.publicKey ?? publicKeyOf(curve.secretKey) };
    this.#connection = new Connection(parseEndpoint(checked.endpoint ?? DEFAULT_ENDPOINT), keys, this.#turns, {
      data: (block) => this.#run((at) => this.#machine.data(block, at)),
      answer: (block) => this.#run((at) => this.#machine.answer(block, at)),
      control: (message) => this.#run((at) => this.#machine.control(message, at)),
      bad: (error) => this.#run((at) => this.#machine.bad(error, at)),
      failed: (error) => this.#finish(error),
    });
    this.#closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
  }

  /** Name of the stream, once it is known. */
  get streamName() {
    return this.#machine.stream;
  }

  /** Session that is read, 16 hex digits. */
  get session() {
    return this.#machine.session;
  }

  /** Position of the next byte that is wanted from the publisher; what is in the queue is before it. */
  get position() {
    return this.#machine.position;
  }

  /** Everything before it is known to have been published. */
  get head() {
    return this.#machine.head;
  }

  /** `joining`, `catch-up`, `live` or `ended`. */
  get mode() {
    return this.#machine.mode;
  }

  /** Bytes of this session that were reported lost. */
  get lost() {
    return this.#machine.lost;
  }

  /** Bytes in the queue, with 256 for each item. */
  get queued() {
    return this.#machine.queued;
  }

  /** Counters, by name. */
  get counters() {
    return { ...this.#machine.counters };
  }

  /** Connects, if the first `next` has not done so yet. */
  start() {
    if (this.#started || this.#over) return;
    this.#started = true;
    this.#timer = setInterval(() => {
      this.#turns.had();
      this.#run((at) => {
        if (this.#connection.unreachable) this.#machine.unreachable();
        this.#machine.tick(at);
      });
    }, TICK_MS);
    this.#run((at) => this.#machine.start(at));
  }

  /**
   * The next item; what was given before it counts as taken now.
   *
   * @returns {Promise<IteratorResult<import('../index.js').Item, undefined>>}
   * @throws {SubscribeError} once everything before it was taken
   */
  async next() {
    const items = await this.nextBatch(1);
    return items.length === 0 ? { value: undefined, done: true } : { value: items[0], done: false };
  }

  /**
   * The next items, for whoever writes them at once. Waits for the first, and takes what is there by then. What was
   * given before counts as taken now.
   *
   * @param {number} [maxBytes] no item follows the one with which the data is as long
   * @returns {Promise<import('../index.js').Item[]>} none at the end
   * @throws {SubscribeError} once everything before it was taken
   */
  async nextBatch(maxBytes = 1 << 18) {
    const turn = this.#asking.enter();
    if (turn !== undefined) await turn;
    try {
      this.start();
      this.take();
      if (this.#turns.due) await this.#turns.give();
      const items = [];
      if (!(await this.#queue.ready())) return items;
      for (let bytes = 0; bytes < maxBytes; ) {
        const item = this.#queue.shift();
        if (item === undefined) break;
        items.push(item);
        bytes += item.type === 'block' ? item.data.length : ITEM_BYTES;
      }
      this.#given = items;
      return items.slice();
    } finally {
      this.#asking.leave();
    }
  }

  /** What was given last counts as taken: the publisher is told so. `next` does it too; `close` does not. */
  take() {
    const items = this.#given;
    if (items.length === 0) return;
    this.#given = [];
    this.#run((at) => {
      for (const item of items) this.#machine.taken(item, at);
    });
  }

  /** Ends the iteration, and waits until the publisher knows (see `close`). */
  async return() {
    await this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /**
   * Leaves: nothing more is delivered. The publisher is told how far the consumer came, for which a second is given;
   * what was given last does not count as taken by this.
   *
   * @param {{ patience?: number }} [options] ms
   * @returns {Promise<void>} when both sockets are closed
   */
  async close({ patience = 1000 } = {}) {
    this.#queue.clear();
    this.#given = [];
    this.#queue.close();
    this.#run((at) => this.#machine.leave(at, patience));
    await this.#closed;
  }

  /**
   * Records, one at a time: each with its delimiter, which belongs to it. See `index.d.ts`.
   *
   * @param {{ maxBytes?: number }} [options]
   */
  records(options) {
    return new Records(this, this.#turns, options);
  }

  /**
   * A stream of the bytes, and nothing else. Emits `newSession`, `gap` and `endOfStream` with the item, each before
   * the bytes that follow it are read. Ends at the end of the stream.
   *
   * @param {import('node:stream').ReadableOptions} [options]
   * @returns {Readable}
   */
  stream(options = {}) {
    const subscriber = this;
    const names = { newSession: 'newSession', gap: 'gap', end: 'endOfStream' };
    return new Readable({
      highWaterMark: 1 << 20,
      ...options,
      objectMode: false,
      async read() {
        try {
          for (;;) {
            const { value, done } = await subscriber.next();
            if (done) {
              this.push(null);
              return;
            }
            if (value.type === 'block') {
              this.push(value.data);
              return;
            }
            this.emit(names[value.type], value);
          }
        } catch (error) {
          this.destroy(error);
        }
      },
      destroy(error, done) {
        subscriber.close().then(() => done(error), done);
      },
    });
  }

  /** Gives the machine an event, and does what it says. */
  #run(event) {
    if (this.#over) return;
    event(now());
    if (this.#performing) return;
    this.#performing = true;
    const { actions } = this.#machine;
    try {
      for (let at = 0; at < actions.length; at += 1) this.#perform(actions[at]);
    } catch (error) {
      this.#finish(error); // an endpoint that cannot be used, for one
    }
    actions.length = 0;
    this.#performing = false;
  }

  #perform(action) {
    switch (action.do) {
      case 'deliver':
        this.#queue.push(action.item);
        break;
      case 'send':
        this.#connection.send(action.message);
        break;
      case 'control':
        this.#connection.openControl();
        break;
      case 'data':
        this.#connection.openData(action.endpoint);
        break;
      case 'subscribe':
        this.#connection.subscribe(action.prefix);
        break;
      case 'unsubscribe':
        this.#connection.unsubscribe(action.prefix);
        break;
      case 'warn':
        this.emit('warning', { event: action.event, message: action.message });
        break;
      case 'finish':
        this.#finish(action.error, action.reachable);
        break;
      default:
        throw new Error(`no action '${action.do}'`);
    }
  }

  async #finish(error, reachable = false) {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    if (reachable) await this.#connection.flush();
    else this.#connection.close();
    this.#queue.close(error);
    this.#onClosed();
  }
}

/**
 * Reads a stream.
 *
 * @param {import('../index.js').SubscribeOptions} [options]
 * @returns {Subscriber}
 * @throws {RangeError | TypeError} if an option is out of range or of another type
 */
export function subscribe(options) {
  return new Subscriber(options);
}
