/// <reference types="node" />
import { EventEmitter } from 'node:events';
import { Readable, ReadableOptions } from 'node:stream';

/** Where a new reader begins. Whatever it is, it begins at the first record from there on (of a raw stream, there). */
export type From =
  /** With what is published from now on; the record that has not ended yet is whole. The default. */
  | 'now'
  /** With the oldest that the publisher has kept. */
  | 'start'
  /** At a position. What is not kept any more from there on is reported as a gap. */
  | bigint
  | number
  /** With the last N records; 0 is behind the last one that has ended. Not of a raw stream. */
  | { last: number | bigint }
  /** With what was published at a time or later, in nanoseconds since 1970 where it is a BigInt. */
  | { since: Date | bigint }
  /** With what was published so many ms ago or later, by the publisher's clock. */
  | { ago: number };

/** How far a session was read, to go on there. */
export interface Place {
  /** 16 hex digits. */
  session: string;
  /** Of the first byte that was not read. */
  position: bigint | number;
  /** Whether that was the end of the stream: then nothing is missing when the session is gone. Default: false. */
  ended?: boolean;
}

/** Keys of CURVE, 40 characters of Z85 each; `readKey` reads them from the files of pipedup-keygen. */
export interface Curve {
  /** Public key of the publisher. */
  serverKey: string;
  /** Secret key of this subscriber. */
  secretKey: string;
  /** Its public key. Default: reckoned from the secret one. */
  publicKey?: string;
}

export interface SubscribeOptions {
  /** `HOST`, `HOST:PORT`, `tcp://…` or `ipc://PATH`. Default: `tcp://127.0.0.1:5590`. */
  endpoint?: string;
  /** Name of the stream. Default: the one that the publisher has. */
  stream?: string;
  /** Where to begin. Default: `'now'`. */
  from?: From;
  /**
   * Where to go on; counts before `from`. If the session is gone, it begins where `from` says, after a gap of 0
   * bytes with the reason (none if it had ended): how much there was of it nobody can say.
   */
  resume?: Place;
  /** Whether it stays through the end of the stream and restarts of the publisher. Default: false. */
  follow?: boolean;
  /** Bytes that are held for the consumer, 256 more for each item; at least 4096. Default: 16 MiB. */
  maxQueued?: number;
  /** ms of silence after which both sockets are made anew; at least 200, and four heartbeats count. Default: 3000. */
  deadAfter?: number;
  /** ms without a word from the publisher after which it is given up; 0 is never. Default: 30000, with `follow` 0. */
  giveUp?: number;
  /** `'tap'`: never waited for. Default: `'sub'`. */
  role?: 'sub' | 'tap';
  /** What operators see, at most 256 bytes. Default: the process id. */
  name?: string;
  /** What operators see beside it. Default: the host's name. */
  host?: string;
  /** 1 to 64 hex digits, by which the publisher knows it again when it goes on later. Default: random. */
  id?: string;
  /** Encrypt, and read from that publisher only. Default: neither. */
  curve?: Curve;
}

/** Bytes of the stream. They follow the item before, unless that is a gap. */
export interface BlockItem {
  type: 'block';
  stream: string;
  session: string;
  /** Of the first byte. */
  position: bigint;
  /** 1 to 1048576 bytes. They belong to the consumer, who may keep them; several items may share memory. */
  data: Buffer;
  /** When it was published, in nanoseconds since 1970; for reports. */
  time: bigint;
  /** Whether the first byte is the first of a record. False in a raw stream. */
  beginsRecord: boolean;
  /** Whether the last byte is the last of a record. False in a raw stream. */
  endsRecord: boolean;
}

/** Bytes that could not be delivered: [from, to). */
export interface GapItem {
  type: 'gap';
  stream: string;
  session: string;
  from: bigint;
  to: bigint;
  /** `to` - `from`; 0 if how much is lost is not known. */
  bytes: bigint;
  /** For people. */
  reason: string;
  /** Records that had ended before `from`, if that is known. */
  firstRecord?: bigint;
}

/** Where reading begins: the first item, and again whenever the publisher has another session. */
export interface NewSessionItem {
  type: 'newSession';
  stream: string;
  session: string;
  /** Session that was read before; null in the first. */
  previous: string | null;
  /** Of the first byte to come. */
  position: bigint;
  records: 'lines' | 'nul' | 'raw';
}

/** The stream has ended. With `follow`, more may come: of a new session, or of this one. */
export interface EndItem {
  type: 'end';
  stream: string;
  session: string;
  position: bigint;
  /** Of the producer; null if it is not known. */
  exitStatus: number | null;
}

export type Item = BlockItem | GapItem | NewSessionItem | EndItem;

export interface RecordItem {
  type: 'record';
  stream: string;
  session: string;
  /** Of the first byte of `data`. */
  position: bigint;
  /** With the delimiter, which belongs to it. */
  data: Buffer;
  /**
   * Whether it is a whole record. Not so: what stands before or behind a gap, bytes behind the last delimiter of a
   * stream, and pieces of a record that is longer than `maxBytes`.
   */
  complete: boolean;
}

export interface Warning {
  /** `bad-message`, `let-go` or `error`. */
  event: string;
  message: string;
}

/**
 * Why a stream cannot be read on. `code`: `not-reached`, `vanished`, `no-records`, `bad-request`, or what the
 * publisher refused with: `auth`, `version`, `full`, `stream`, `codec` and others.
 */
export declare class SubscribeError extends Error {
  constructor(code: string, message: string);
  readonly name: 'SubscribeError';
  readonly code: string;
}

/**
 * A subscriber. It is for one consumer, in one way: iterate over it, or use `records()` or `stream()`. It connects
 * with the first `next`.
 *
 * An item counts as taken when the next one is asked for: what the publisher hears of this reader, and what a cursor
 * may note, is behind it. The one that was given last does not when the loop is left, by `break`, an exception or
 * `close`, unless `take` was called before. All work is done in the thread of the event loop: a consumer that computes for long holds
 * up the status by which the publisher knows that it lives (10 s).
 */
export declare class Subscriber extends EventEmitter implements AsyncIterableIterator<Item> {
  /** @throws TypeError or RangeError, if an option is of another type or out of range */
  constructor(options?: SubscribeOptions);

  /** Connects now. It is not waited for. */
  start(): void;

  /**
   * The next item. Of several calls at once each has its turn after the one before: they are answered in order, and
   * all of them, also by the end or `close`.
   *
   * @throws SubscribeError, once what came before was taken
   */
  next(): Promise<IteratorResult<Item, undefined>>;

  /**
   * The next items: waits for the first, and takes what is there, until the data is `maxBytes` long (256 KiB). None
   * at the end.
   */
  nextBatch(maxBytes?: number): Promise<Item[]>;

  /** What was given last counts as taken now. */
  take(): void;

  return(): Promise<IteratorResult<Item, undefined>>;
  [Symbol.asyncIterator](): this;

  /**
   * Records, and every item that is no block. A record is held together up to `maxBytes` (64 MiB). What is held
   * counts as taken before it is given: a cursor is to be noted at `position` of a record.
   *
   * @throws TypeError, if the stream is raw; otherwise as `next`
   */
  records(options?: { maxBytes?: number }): AsyncIterableIterator<RecordItem | NewSessionItem | GapItem | EndItem>;

  /**
   * The bytes alone, with back pressure. Emits `newSession`, `gap` and `endOfStream` with the item, each where it
   * stands between the bytes that are read into the stream. Is destroyed with a SubscribeError where `next` throws.
   */
  stream(options?: ReadableOptions): Readable;

  /**
   * Leaves, and makes sure that the publisher knows, for at most `patience` ms (1000). What was not given is thrown
   * away, and what was given last does not count as taken by this.
   */
  close(options?: { patience?: number }): Promise<void>;

  on(event: 'warning', listener: (warning: Warning) => void): this;
  once(event: 'warning', listener: (warning: Warning) => void): this;

  /** Name of the stream, once it is known. */
  readonly streamName: string | undefined;
  /** Session that is read, once it is known. */
  readonly session: string | undefined;
  /** Of the next byte that is wanted from the publisher; what is held for the consumer is before it. */
  readonly position: bigint | undefined;
  /** Everything before it is known to have been published. */
  readonly head: bigint | undefined;
  readonly mode: 'joining' | 'catch-up' | 'live' | 'ended';
  /** Bytes of this session that were reported lost. */
  readonly lost: bigint;
  /** Bytes that are held for the consumer, 256 more for each item. */
  readonly queued: number;
  /** What was counted: blocks, duplicates, bad messages, connections, welcomes, reads, live blocks. */
  readonly counters: Record<string, number>;
}

/** Reads a stream: `new Subscriber(options)`. */
export declare function subscribe(options?: SubscribeOptions): Subscriber;

/**
 * The key in a file of pipedup-keygen: the first word of the last line that is no comment.
 *
 * @throws Error that names the file, and never the key
 */
export declare function readKey(path: string): string;

/** The public key that belongs to a secret one, both 40 characters of Z85. */
export declare function publicKeyOf(secretKey: string): string;
