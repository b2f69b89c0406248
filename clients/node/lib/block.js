/**
 * Block messages: two frames, of which the first is a topic, one 0x00 and a header (PROTOCOL.md, section 2).
 *
 * @module
 */
import { checksum } from './checksum.js';
import { Codec, decodeHeader, Flag, HEADER_BYTES, Kind, MAX_BLOCK_BYTES } from './header.js';
import { decodeZstd } from './zstd.js';

/**
 * @typedef {import('./header.js').Header & { topic: string, data: Buffer }} Block `data` is decoded, and shares
 *   the memory of the frame where it can
 */

const STREAM_NAME = /^[A-Za-z0-9._-]{1,128}$/;
const EMPTY = Buffer.alloc(0);

/**
 * Whether `text` is a name that a stream may have.
 *
 * @param {unknown} text
 * @returns {boolean}
 */
export function isStreamName(text) {
  return typeof text === 'string' && STREAM_NAME.test(text);
}

/**
 * Reads a block message, and verifies and decodes its payload.
 *
 * @param {Buffer[]} frames
 * @returns {{ block: Block, error?: undefined } | { error: string, version?: number }} `error` is one of those of
 *   `decodeHeader`, or `frames`, `topic`, `payload` (not as long as it should be, or does not decode), `checksum`.
 *   Such a message is to be counted and dropped.
 */
export function decodeBlock(frames) {
  if (frames.length !== 2) return { error: 'frames' };
  const [first, payload] = frames;
  const zero = first.indexOf(0);
  if (zero < 0 || zero > 128) return { error: 'topic' };
  const topic = first.latin1Slice(0, zero);
  if (zero > 0 && !STREAM_NAME.test(topic)) return { error: 'topic' };
  const bytes = first.subarray(zero + 1);
  const result = decodeHeader(bytes);
  if (result.error !== undefined) return result;
  if (bytes.length !== HEADER_BYTES) return { error: 'frames' };
  const { header } = result;
  if (header.kind !== Kind.DATA) {
    if (payload.length !== 0) return { error: 'payload' };
    return { block: { ...header, topic, data: EMPTY } };
  }
  if (payload.length > MAX_BLOCK_BYTES || payload.length > header.length) return { error: 'payload' };
  if ((header.flags & Flag.UNCHECKED) === 0 && checksum(payload) !== header.checksum) return { error: 'checksum' };
  const data = header.codec === Codec.ZSTD ? decodeZstd(payload, header.length) : payload;
  if (data === null || data.length !== header.length) return { error: 'payload' };
  return { block: { ...header, topic, data } };
}
