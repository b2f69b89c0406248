/**
 * pipedup-sub: a stream to stdout, and what became of it to the exit status.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { Cursor, placeIn, regularFile } from '../cursor.js';
import { publicKeyOf, readKey } from '../keys.js';
import { Subscriber } from '../subscriber.js';
import { Output } from './output.js';

export const Status = Object.freeze({
  COMPLETE: 0, FAILURE: 1, USAGE: 2, LOST: 3, VANISHED: 4, REFUSED: 5, TIMEOUT: 124, SIGNAL: 128, READER_LEFT: 141,
});

const STATUS_OF = { 'not-reached': Status.VANISHED, vanished: Status.VANISHED, 'no-records': Status.FAILURE, 'bad-request': Status.FAILURE };
const DELIMITERS = { lines: 0x0a, nul: 0x00 };
const NEVER_MS = 2 ** 31;
const STDOUT = 1;
const BATCH_BYTES = 1 << 20;
// With a cursor: what is written at once to a pipe, and would be written again after a kill, is bounded by this.
const CURSOR_BATCH_BYTES = 1 << 16;
// So long is waited for a write that is under way when it is to stop: its reader may take no more.
const LAST_WRITE_MS = 500;

export class Run {
  #options;
  #report;
  #subscriber;
  #cursor;
  #output = new Output();
  #out; // the regular file that stdout is
  #id;
  #place = null; // what the cursor says
  #lost = false;
  #records = null; // delimiter
  #left; // records until it stops
  #stopped = null; // status
  #stop;
  #stopping;
  #writing = Promise.resolve(); // the last write, noted

  /**
   * @param {object} options as `parseCommandLine` gives them
   * @param {import('./report.js').Report} report
   */
  constructor(options, report) {
    this.#options = options;
    this.#report = report;
    this.#left = options.count ?? Infinity;
    this.#stopping = new Promise((resolve) => {
      this.#stop = resolve;
    });
  }

  /** Ends soon with this status; for signals and timers. */
  stop(status) {
    this.#stopped ??= status;
    this.#stop();
  }

  /** @returns {Promise<number>} exit status */
  async run() {
    const resume = this.#openCursor();
    this.#subscriber = new Subscriber({ ...this.#subscribeOptions(), resume });
    this.#subscriber.on('warning', ({ event, message }) => this.#report.say('warning', event, message));
    const { timeout } = this.#options;
    const timer = timeout > 0 ? setTimeout(() => this.stop(Status.TIMEOUT), timeout) : null;
    let status;
    try {
      status = await Promise.race([this.#copy(), this.#stopping.then(() => this.#lastWrite())]);
    } catch (error) {
      status = this.#statusOf(error);
    }
    clearTimeout(timer);
    await this.#subscriber.close({ patience: this.#stopped === null ? 1000 : 300 });
    return this.#stopped ?? status;
  }

  /** What was written is noted, or takes too long: then it is written again by the next run. */
  async #lastWrite() {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, LAST_WRITE_MS);
    });
    await Promise.race([this.#writing.catch(() => {}), late]);
    clearTimeout(timer);
    return this.#stopped;
  }

  #subscribeOptions() {
    const { endpoint, from, last, follow, tap, name } = this.#options;
    const secretFile = this.#options['curve-secret'];
    let curve;
    if (secretFile !== undefined) {
      const secretKey = readKey(secretFile);
      curve = { serverKey: readKey(this.#options['server-key']), secretKey, publicKey: publicKeyOf(secretKey) };
    }
    const deadAfter = this.#options['dead-after'];
    return {
      endpoint,
      stream: this.#options.stream ?? this.#place?.stream,
      from: last === undefined ? from : { last },
      follow: follow === true,
      role: tap ? 'tap' : 'sub',
      name,
      id: this.#id,
      curve,
      giveUp: this.#options['give-up'],
      deadAfter: deadAfter === 0 ? NEVER_MS : deadAfter,
    };
  }

  /** @returns {object | undefined} where to go on */
  #openCursor() {
    const path = this.#options.cursor;
    if (path === undefined) return undefined;
    this.#cursor = new Cursor(path);
    this.#out = regularFile(STDOUT);
    const place = this.#cursor.read();
    this.#id = place?.id ?? randomBytes(8).toString('hex');
    if (place === null) this.#report.say('warning', 'cursor', `the cursor '${path}' is damaged: beginning as if there were none`);
    if (!place) return undefined;
    if (this.#options.stream !== undefined && this.#options.stream !== place.stream) {
      throw new Error(`the cursor '${path}' is of the stream '${place.stream}', not of '${this.#options.stream}'`);
    }
    const position = placeIn(place, this.#out);
    this.#place = { ...place, position };
    return { session: place.session, position, ended: place.ended };
  }

  async #copy() {
    const subscriber = this.#subscriber;
    const batch = this.#cursor !== undefined && this.#out === undefined ? CURSOR_BATCH_BYTES : BATCH_BYTES;
    for (;;) {
      const items = await subscriber.nextBatch(batch);
      if (this.#stopped !== null) return this.#stopped;
      if (items.length === 0) return this.#lost ? Status.LOST : Status.COMPLETE;
      let run = []; // blocks in a row
      for (const item of items) {
        if (item.type === 'block') {
          run.push(item);
          continue;
        }
        await this.#write(run, batch);
        if (this.#stopped !== null) return this.#stopped;
        run = [];
        if (this.#left === 0) break;
        this.#tell(item);
        this.#note(item);
        if (item.type === 'gap' && this.#options.strict) return Status.LOST;
      }
      await this.#write(run, batch);
      if (this.#left === 0) return this.#lost ? Status.LOST : Status.COMPLETE;
    }
  }

  /** Writes blocks that follow each other, and notes how far that is. */
  async #write(blocks, batch) {
    if (blocks.length === 0 || this.#left === 0) return;
    const buffers = [];
    for (const { data } of blocks) {
      buffers.push(this.#cut(data));
      if (this.#left === 0) break;
    }
    const [first] = blocks;
    if (this.#cursor === undefined || this.#out !== undefined) {
      await this.#writeNoted(first, 0n, buffers);
      return;
    }
    let written = 0n;
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; at += batch) {
        const piece = buffer.subarray(at, at + batch);
        await this.#writeNoted(first, written, [piece]);
        if (this.#stopped !== null) return;
        written += BigInt(piece.length);
      }
    }
  }

  #writeNoted(first, before, buffers) {
    this.#writing = this.#writeAndNote(first, before, buffers);
    return this.#writing;
  }

  async #writeAndNote(first, before, buffers) {
    await this.#output.write(buffers);
    if (this.#cursor === undefined) return;
    const bytes = buffers.reduce((sum, { length }) => sum + length, 0);
    const position = first.position + before + BigInt(bytes);
    this.#save({ session: first.session, position, stream: first.stream, ended: false });
  }

  /** The part of a block up to the last record that is wanted. */
  #cut(data) {
    if (this.#left === Infinity || this.#records === null) return data;
    let at = 0;
    while (this.#left > 0) {
      const end = data.indexOf(this.#records, at);
      if (end < 0) return data;
      at = end + 1;
      this.#left -= 1;
    }
    return data.subarray(0, at);
  }

  /** What is behind a gap or a new session is written only once this is noted. */
  #note(item) {
    if (this.#cursor === undefined || item.session !== this.#subscriber.session) return;
    const position = item.type === 'gap' ? item.to : item.position;
    this.#save({ session: item.session, position, stream: item.stream, ended: item.type === 'end' });
  }

  #save(place) {
    this.#place = place;
    const out = this.#out === undefined ? undefined : regularFile(STDOUT);
    this.#cursor.write({ ...place, id: this.#id, out });
  }

  #tell(item) {
    const { stream, session } = item;
    if (item.type === 'newSession') {
      this.#records = DELIMITERS[item.records] ?? null;
      this.#report.say('info', 'begin', `begins at position ${item.position} of ${stream}`, { stream, session, position: item.position });
    } else if (item.type === 'gap') {
      this.#lost = true;
      this.#report.say('warning', 'gap', `gap: lost ${item.bytes} bytes, positions ${item.from} to ${item.to}: ${item.reason}`, {
        stream, session, from: item.from, to: item.to, bytes: item.bytes, reason: item.reason, first_record: item.firstRecord,
      });
    } else {
      this.#report.say('info', 'end', `end of ${stream} at position ${item.position}`, {
        stream, session, position: item.position, exit_status: item.exitStatus ?? undefined,
      });
    }
  }

  #statusOf(error) {
    if (error.code === 'EPIPE') return Status.READER_LEFT;
    if (error.name !== 'SubscribeError') {
      this.#report.say('error', 'failure', error.message);
      return Status.FAILURE;
    }
    const status = STATUS_OF[error.code] ?? Status.REFUSED;
    this.#report.say('error', status === Status.REFUSED ? 'refused' : error.code, error.message, { code: error.code });
    return status;
  }
}
