/**
 * The block header of 64 bytes (PROTOCOL.md, section 3). Pure: bytes in, values out.
 *
 * @module
 */
import { check } from './checksum.js';

/** Bytes of a header. */
export const HEADER_BYTES = 64;
/** The most bytes of the stream in one block, and of its payload frame. */
export const MAX_BLOCK_BYTES = 1048576;
/** The version that this package reads: byte 3 of the header, an ASCII digit, and `v` in hello. */
export const VERSION = 1;

export const Kind = Object.freeze({ DATA: 1, HEAD: 2, END: 3 });
export const Codec = Object.freeze({ NONE: 0, ZSTD: 1 });
export const Flag = Object.freeze({ BEGINS_RECORD: 1, ENDS_RECORD: 2, UNCHECKED: 4 });

const MAX_U64 = 2n ** 64n - 1n;
const UNKNOWN_EXIT_STATUS = 0xffffffff;
const VERSION_BYTE = 0x30 + VERSION;

/**
 * @typedef {object} Header
 * @property {number} kind one of `Kind`
 * @property {number} codec one of `Codec`
 * @property {number} flags bits of `Flag`; reserved ones as they came
 * @property {bigint} session
 * @property {bigint} position of the first byte; of a head or an end, what it speaks of
 * @property {number} length bytes of the stream, decoded
 * @property {number} records that end in this block
 * @property {bigint} recordsBefore
 * @property {bigint} time nanoseconds since 1970
 * @property {bigint} checksum
 * @property {number | null} exitStatus of the producer; null if it is not known
 */

/**
 * Reads a header. Checks are made in the order of section 3.2, and the first that fails names the error.
 *
 * @param {Buffer} bytes at least 64; more are ignored
 * @returns {{ header: Header, error?: undefined } |
 *   { error: 'truncated' | 'magic' | 'version' | 'check' | 'kind' | 'codec' | 'length' | 'session', version?: number }}
 *   with `version`, its byte 3 goes along
 */
export function decodeHeader(bytes) {
  if (bytes.length < HEADER_BYTES) return { error: 'truncated' };
  if (bytes[0] !== 0x50 || bytes[1] !== 0x44 || bytes[2] !== 0x55) return { error: 'magic' };
  if (bytes[3] !== VERSION_BYTE) return { error: 'version', version: bytes[3] };
  if (check(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) return { error: 'check' };
  const kind = bytes[4];
  const codec = bytes[5];
  const length = bytes.readUInt32LE(24);
  const position = bytes.readBigUInt64LE(16);
  if (kind < Kind.DATA || kind > Kind.END) return { error: 'kind' };
  if (codec > Codec.ZSTD) return { error: 'codec' };
  if (kind === Kind.DATA ? length > MAX_BLOCK_BYTES : length !== 0) return { error: 'length' };
  if (position > MAX_U64 - BigInt(length)) return { error: 'length' };
  const session = bytes.readBigUInt64LE(8);
  if (session === 0n) return { error: 'session' };
  const exitStatus = bytes.readUInt32LE(56);
  return {
    header: {
      kind,
      codec,
      flags: bytes.readUInt16LE(6),
      session,
      position,
      length,
      records: bytes.readUInt32LE(28),
      recordsBefore: bytes.readBigUInt64LE(32),
      time: bytes.readBigInt64LE(40),
      checksum: bytes.readBigUInt64LE(48),
      exitStatus: exitStatus === UNKNOWN_EXIT_STATUS ? null : exitStatus,
    },
  };
}

/**
 * Writes a header, with its check.
 *
 * @param {Header} header
 * @returns {Buffer} of 64 bytes
 * @throws {RangeError} if a field does not fit
 */
export function encodeHeader(header) {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write('PDU', 0, 'latin1');
  bytes[3] = VERSION_BYTE;
  bytes.writeUInt8(header.kind, 4);
  bytes.writeUInt8(header.codec, 5);
  bytes.writeUInt16LE(header.flags, 6);
  bytes.writeBigUInt64LE(header.session, 8);
  bytes.writeBigUInt64LE(header.position, 16);
  bytes.writeUInt32LE(header.length, 24);
  bytes.writeUInt32LE(header.records, 28);
  bytes.writeBigUInt64LE(header.recordsBefore, 32);
  bytes.writeBigInt64LE(header.time, 40);
  bytes.writeBigUInt64LE(header.checksum, 48);
  bytes.writeUInt32LE(header.exitStatus ?? UNKNOWN_EXIT_STATUS, 56);
  bytes.writeUInt32LE(check(bytes.subarray(0, 60)), 60);
  return bytes;
}
