/**
 * Keys of CURVE: 32 bytes, written as 40 characters of Z85 (RFC 32 of ZeroMQ; PROTOCOL.md, section 10).
 *
 * @module
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/**
 * @param {string} text 40 characters
 * @returns {Buffer} 32 bytes
 * @throws {RangeError} if it is no key; the text is not repeated, it may be a secret
 */
export function decodeKey(text) {
  if (text.length !== 40) throw new RangeError('no key: not 40 characters of Z85');
  const bytes = Buffer.alloc(32);
  for (let word = 0; word < 8; word += 1) {
    let value = 0;
    for (const digit of text.slice(word * 5, word * 5 + 5)) {
      const at = DIGITS.indexOf(digit);
      if (at < 0) throw new RangeError('no key: a character that Z85 does not have');
      value = value * 85 + at;
    }
    if (value > 0xffffffff) throw new RangeError('no key: no Z85');
    bytes.writeUInt32BE(value, word * 4);
  }
  return bytes;
}

/**
 * @param {Buffer} bytes 32
 * @returns {string} 40 characters
 */
export function encodeKey(bytes) {
  let text = '';
  for (let at = 0; at < 32; at += 4) {
    const value = bytes.readUInt32BE(at);
    for (let power = 85 ** 4; power >= 1; power /= 85) text += DIGITS[Math.floor(value / power) % 85];
  }
  return text;
}

/**
 * The public key that belongs to a secret one.
 *
 * @param {string} secret Z85
 * @returns {string} Z85
 */
export function publicKeyOf(secret) {
  const wrapped = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), decodeKey(secret)]); // PKCS 8, X25519
  const key = createPublicKey(createPrivateKey({ key: wrapped, format: 'der', type: 'pkcs8' }));
  return encodeKey(key.export({ format: 'der', type: 'spki' }).subarray(-32));
}

/**
 * Reads a key from a file as `pipedup-keygen` writes it: the first word of the last line that is no comment.
 *
 * @param {string} path
 * @returns {string} Z85
 * @throws {Error} that names the file and never the key
 */
export function readKey(path) {
  const lines = readFileSync(path, 'utf8').split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const key = (lines.at(-1) ?? '').split(/\s/)[0];
  try {
    decodeKey(key);
  } catch (error) {
    throw new Error(`${path}: ${error.message}`);
  }
  return key;
}
