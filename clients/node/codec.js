/**
 * The wire format by itself: block messages and control messages, bytes to values and back. No sockets.
 *
 * @module
 */
export { decodeBlock, isStreamName } from './lib/block.js';
export { check, checksum } from './lib/checksum.js';
export {
  decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, MalformedError, MAX_READ_BYTES,
} from './lib/control.js';
export { Codec, decodeHeader, encodeHeader, Flag, HEADER_BYTES, Kind, MAX_BLOCK_BYTES, VERSION } from './lib/header.js';
export { parseJson, stringifyJson } from './lib/json.js';
export { decodeZstd } from './lib/zstd.js';
