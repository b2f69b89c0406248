/**
 * What is read of one session: by positions alone, whatever socket a block came from (PROTOCOL.md, sections 4.1 and
 * 4.4). Pure: blocks in, items out.
 *
 * It owes its consumer this: the bytes delivered and the gaps reported are together all the bytes from where it
 * began, and no byte is in both or delivered twice.
 *
 * @module
 */
import { Flag } from './header.js';

const DELIMITERS = { lines: 0x0a, nul: 0x00 };

/** @param {bigint} session */
export function sessionText(session) {
  return session.toString(16).padStart(16, '0');
}

export class Reader {
  /** Of the next byte that is wanted; null until it is known where to begin. @type {bigint | null} */
  position = null;
  /** Everything before it is known to have been published. */
  head = 0n;
  /** Bytes reported lost. */
  lost = 0n;
  /** Whether `position` is looking for the first byte of a record, so that nothing is owed yet. */
  seeking = false;

  #exact = false; // sought from a position that was asked for: what is gone behind it is owed
  #records = null; // that ended before `position`, if known
  #previous;
  #emit;

  /**
   * @param {object} of
   * @param {string} of.stream
   * @param {string} of.session 16 hex digits
   * @param {'lines' | 'nul' | 'raw'} of.records
   * @param {string | null} of.previous session that was read before
   * @param {(item: object) => void} of.emit takes what is delivered, in order
   */
  constructor({ stream, session, records, previous, emit }) {
    this.stream = stream;
    this.session = session;
    this.records = records;
    this.id = BigInt(`0x${session}`);
    this.#previous = previous;
    this.#emit = emit;
  }

  /** Begins at exactly this byte. */
  beginAt(position) {
    this.position = position;
    this.seeking = false;
    this.#emit({
      type: 'newSession', stream: this.stream, session: this.session, previous: this.#previous, position, records: this.records,
    });
  }

  /**
   * Begins at the first record from here on. With `exact`, what cannot be read from here on any more is a gap;
   * without it, it was not asked for.
   */
  seek(position, exact = false) {
    if (this.records === 'raw') {
      this.beginAt(position);
      return;
    }
    this.position = position;
    this.seeking = true;
    this.#exact = exact;
  }

  /** Everything before `head` has been published. */
  raise(head) {
    if (head > this.head) this.head = head;
  }

  /**
   * Takes what is wanted of a data block.
   *
   * @param {import('./block.js').Block} block of this session; `position` must be known
   * @returns {'taken' | 'duplicate' | 'ahead'} ahead: what is before it has to be read first
   */
  take(block) {
    const end = block.position + BigInt(block.length);
    this.raise(end);
    if (end <= this.position) return 'duplicate';
    if (block.position > this.position) return 'ahead';
    let skip = Number(this.position - block.position);
    if (this.seeking) {
      skip = this.#recordFrom(block, skip);
      if (skip < 0) {
        this.position = end;
        return 'taken';
      }
      this.beginAt(block.position + BigInt(skip));
    }
    const position = this.position;
    this.position = end;
    this.#records = this.records === 'raw' ? null : block.recordsBefore + BigInt(block.records);
    if (skip < block.length) {
      const whole = skip === 0;
      this.#emit({
        type: 'block',
        stream: this.stream,
        session: this.session,
        position,
        data: whole ? block.data : block.data.subarray(skip),
        time: block.time,
        beginsRecord: this.records !== 'raw' && (whole ? (block.flags & Flag.BEGINS_RECORD) !== 0 : this.#delimiterBefore(block, skip)),
        endsRecord: this.records !== 'raw' && (block.flags & Flag.ENDS_RECORD) !== 0,
      });
    }
    return 'taken';
  }

  /** What is before `to` can no longer be had. */
  skip(to, reason) {
    this.raise(to);
    if (this.seeking && !this.#exact) {
      this.position = to; // those bytes were never asked for
      return;
    }
    if (this.seeking) this.beginAt(this.position);
    this.gap(this.position, to, reason);
    this.position = to;
    this.#records = null;
  }

  /** Reports [from, to) lost. */
  gap(from, to, reason) {
    if (to < from) return;
    this.lost += to - from;
    const item = { type: 'gap', stream: this.stream, session: this.session, from, to, bytes: to - from, reason };
    if (this.#records !== null && from === this.position) item.firstRecord = this.#records;
    this.#emit(item);
  }

  /** The stream ends here; `position` is there. */
  end(exitStatus) {
    if (this.seeking) this.beginAt(this.position);
    this.#emit({ type: 'end', stream: this.stream, session: this.session, position: this.position, exitStatus });
  }

  /** Where in a block the first record begins that does so at `from` or behind it; -1 if none does. */
  #recordFrom(block, from) {
    if (from === 0 ? (block.flags & Flag.BEGINS_RECORD) !== 0 : this.#delimiterBefore(block, from)) return from;
    const at = block.data.indexOf(DELIMITERS[this.records], from);
    return at < 0 ? -1 : at + 1;
  }

  #delimiterBefore(block, at) {
    return block.data[at - 1] === DELIMITERS[this.records];
  }
}
