/**
 * A cursor: a small text file that says how far a stream was written.
 *
 *     pipedup cursor 1
 *     SESSION-HEX POSITION STREAM
 *     id HEX                    (by which the publisher knows this subscriber again)
 *     out DEVICE INODE SIZE     (only where stdout is a regular file)
 *     ended                     (only when POSITION is the end of the stream)
 *
 * It is replaced as a whole, so that a reader finds the old one or the new one. Where stdout is a regular file, its
 * size when POSITION was noted goes along: what the file has grown by since then was written and not noted any more.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { isStreamName } from './block.js';

/**
 * @typedef {object} Place
 * @property {string} session 16 hex digits
 * @property {bigint} position of the first byte that was not written
 * @property {string} stream
 * @property {boolean} ended
 * @property {string} [id] hex digits
 * @property {{ device: string, inode: string, size: bigint }} [out]
 */

const MAX_U64 = 2n ** 64n - 1n;

/**
 * @param {string} text
 * @returns {Place | null} null if it is damaged
 */
export function parseCursor(text) {
  const lines = text.split('\n');
  if (lines[0] !== 'pipedup cursor 1' || lines.at(-1) !== '') return null;
  const place = /^([0-9a-f]{16}) ([0-9]{1,20}) (\S+)$/.exec(lines[1] ?? '');
  if (place === null || BigInt(place[2]) > MAX_U64 || !isStreamName(place[3])) return null;
  const cursor = { session: place[1], position: BigInt(place[2]), stream: place[3], ended: false };
  for (const line of lines.slice(2, -1)) {
    const out = /^out ([0-9]+) ([0-9]+) ([0-9]+)$/.exec(line);
    if (out !== null) cursor.out = { device: out[1], inode: out[2], size: BigInt(out[3]) };
    else if (line === 'ended') cursor.ended = true;
    else if (/^id [0-9a-f]{1,64}$/.test(line)) cursor.id = line.slice(3);
  }
  return cursor;
}

/** @param {Place} place */
export function formatCursor({ session, position, stream, ended, id, out }) {
  const file = out === undefined ? '' : `out ${out.device} ${out.inode} ${out.size}\n`;
  const name = id === undefined ? '' : `id ${id}\n`;
  return `pipedup cursor 1\n${session} ${position} ${stream}\n${name}${file}${ended ? 'ended\n' : ''}`;
}

/**
 * The regular file that a descriptor is, as a cursor notes it.
 *
 * @param {number} descriptor
 * @returns {Place['out']} undefined if it is none
 */
export function regularFile(descriptor) {
  const stat = fstatSync(descriptor, { bigint: true });
  return stat.isFile() ? { device: `${stat.dev}`, inode: `${stat.ino}`, size: stat.size } : undefined;
}

/**
 * Where to go on: the position that was noted, and what the file has grown by since.
 *
 * @param {Place} place
 * @param {Place['out']} out the file as it is now
 * @returns {bigint}
 */
export function placeIn(place, out) {
  const same = out !== undefined && place.out !== undefined && out.device === place.out.device && out.inode === place.out.inode;
  return same && out.size > place.out.size ? place.position + (out.size - place.out.size) : place.position;
}

export class Cursor {
  #path;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
  }

  /**
   * @returns {Place | null | undefined} undefined if there is no file, null if it is damaged
   * @throws {Error} if it cannot be read
   */
  read() {
    try {
      return parseCursor(readFileSync(this.#path, 'utf8'));
    } catch (error) {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Replaces it. It survives a kill of this process, and need not survive a crash of the machine.
   *
   * @param {Place} place
   * @throws {Error} if it cannot be written
   */
  write(place) {
    const next = `${this.#path}.new`;
    const descriptor = openSync(next, 'w', 0o644);
    try {
      writeSync(descriptor, formatCursor(place));
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, this.#path);
  }
}
