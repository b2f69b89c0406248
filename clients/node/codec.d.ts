/// <reference types="node" />

export declare const HEADER_BYTES: 64;
export declare const MAX_BLOCK_BYTES: 1048576;
export declare const MAX_READ_BYTES: 4194304;
export declare const VERSION: 1;
export declare const Kind: Readonly<{ DATA: 1; HEAD: 2; END: 3 }>;
export declare const Codec: Readonly<{ NONE: 0; ZSTD: 1 }>;
export declare const Flag: Readonly<{ BEGINS_RECORD: 1; ENDS_RECORD: 2; UNCHECKED: 4 }>;

/** The 64 bytes that describe a block (PROTOCOL.md, section 3). */
export interface Header {
  kind: number;
  codec: number;
  flags: number;
  session: bigint;
  position: bigint;
  length: number;
  records: number;
  recordsBefore: bigint;
  /** Nanoseconds since 1970. */
  time: bigint;
  checksum: bigint;
  /** Of the producer; null if it is not known. */
  exitStatus: number | null;
}

/** A block message: `data` is decoded, and shares the memory of the frame where it can. */
export interface Block extends Header {
  /** Name of the stream; empty in an answer. */
  topic: string;
  data: Buffer;
}

export type HeaderError = 'truncated' | 'magic' | 'version' | 'check' | 'kind' | 'codec' | 'length' | 'session';

/** Reads a header; the first check that fails names the error, and `version` gives byte 3. */
export declare function decodeHeader(bytes: Buffer): { header: Header; error?: undefined } | { error: HeaderError; version?: number; header?: undefined };
/** Writes a header, with its check. Throws RangeError if a field does not fit. */
export declare function encodeHeader(header: Header): Buffer;

/** Reads the two frames of a block message, verifies and decodes the payload. What gives an error is to be dropped. */
export declare function decodeBlock(frames: Buffer[]):
  | { block: Block; error?: undefined }
  | { error: HeaderError | 'frames' | 'topic' | 'payload' | 'checksum'; version?: number; block?: undefined };
export declare function isStreamName(text: unknown): boolean;

/** Decodes one zstd frame to exactly `length` bytes; null if it is of another form. */
export declare function decodeZstd(bytes: Buffer, length: number): Buffer | null;

/** XXH3-64 with seed 0. */
export declare function checksum(bytes: Uint8Array): bigint;
/** Its low 32 bits. */
export declare function check(bytes: Uint8Array): number;

/**
 * A control message: `op`, and its members by their names on the wire. u64, i64 and positions are BigInt, sessions 16
 * hex digits, other integers numbers. `unknown` of an op that is not known.
 */
export interface Message {
  op: string;
  unknown?: true;
  [member: string]: any;
}

export declare class MalformedError extends Error {}

/** Reads a message from a publisher, and fills in defaults. Throws MalformedError. */
export declare function decodeAnswer(frame: Uint8Array): Message;
/** Reads a message from a subscriber. Throws MalformedError. */
export declare function decodeRequest(frame: Uint8Array): Message;
/** Writes a message of a publisher. Throws RangeError if it is malformed. */
export declare function encodeAnswer(message: Message): Buffer;
/** Writes a message of a subscriber. Throws RangeError if it is malformed. */
export declare function encodeRequest(message: Message): Buffer;

export type Json = null | boolean | bigint | number | string | Json[] | { [name: string]: Json };
/** Reads JSON; what is written without fraction and exponent is a BigInt. Throws SyntaxError. */
export declare function parseJson(bytes: Uint8Array): Json;
/** Writes JSON. Throws RangeError for a number that is not finite, or an integer that is not exact. */
export declare function stringifyJson(value: unknown): string;
