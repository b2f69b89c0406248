/**
 * Control messages (PROTOCOL.md, sections 6 to 8). Each is a table of its members; pure.
 *
 * In JavaScript a message is an object with the member names of the wire. A u64, i64 or position is a BigInt, a
 * session a string of 16 hex digits, any other integer a number.
 *
 * @module
 */
import { isStreamName } from './block.js';
import { parseJson, stringifyJson } from './json.js';

const MAX_U64 = 2n ** 64n - 1n;
const MAX_I64 = 2n ** 63n - 1n;

/** The most bytes of a message: from a subscriber 8 KiB, from a publisher 1 MiB. */
export const MAX_REQUEST_BYTES = 8192;
export const MAX_ANSWER_BYTES = 1048576;
/** The most bytes that one `read` may ask for. */
export const MAX_READ_BYTES = 4194304;

/** A message that is malformed. */
export class MalformedError extends Error {
  name = 'MalformedError';
}

/** @typedef {(value: any) => any} Type of a member: gives the value, or undefined if it is malformed */

const within = (low, high) => (value) => {
  const number = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  return typeof number === 'bigint' && number >= low && number <= high ? number : undefined;
};
const u64 = within(0n, MAX_U64);
const i64 = within(-MAX_I64 - 1n, MAX_I64);
const notNegative = within(0n, MAX_I64);
const integer = (low, high) => {
  const inside = within(BigInt(low), BigInt(high));
  return (value) => {
    const number = inside(value);
    return number === undefined ? undefined : Number(number);
  };
};
const version = integer(1, 2147483647);
const number = (value) => {
  const result = typeof value === 'bigint' ? Number(value) : value;
  return typeof result === 'number' && result >= 0 ? result : undefined;
};
const boolean = (value) => (typeof value === 'boolean' ? value : undefined);
const text = (bytes, least = 0) => (value) =>
  typeof value === 'string' && value.length >= least && Buffer.byteLength(value) <= bytes ? value : undefined;
const matching = (pattern) => (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined);
const session = matching(/^(?!0{16})[0-9a-f]{16}$/);
const id = matching(/^[0-9a-fA-F]{1,64}$/);
const streamName = (value) => (isStreamName(value) ? value : undefined);
const oneOf = (...words) => (value) => (words.includes(value) ? value : undefined);
const list = (most, item) => (value) => {
  if (!Array.isArray(value) || value.length > most) return undefined;
  const items = value.map(item);
  return items.includes(undefined) ? undefined : items;
};
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (members) => (value) => (isObject(value) ? readMembers(value, members) : undefined);
const counters = (value) => {
  if (!isObject(value)) return undefined;
  const result = {};
  for (const [name, count] of Object.entries(value)) {
    const counter = u64(count);
    if (counter === undefined) return undefined;
    Object.defineProperty(result, name, { value: counter, enumerable: true, configurable: true, writable: true });
  }
  return result;
};
const from = (value) => {
  const position = u64(value);
  if (position !== undefined) return position;
  if (!isObject(value)) return undefined;
  const [last, since] = [u64(value.last), u64(value.since)];
  if ((value.last ?? undefined) !== undefined && (value.since ?? undefined) === undefined && last !== undefined) return { last };
  if ((value.since ?? undefined) !== undefined && (value.last ?? undefined) === undefined && since !== undefined) return { since };
  return undefined;
};

const ROLES = ['sub', 'tap', 'relay', 'top'];
const MODES = ['joining', 'catch-up', 'live', 'attached', 'ended'];
const ANY = Number.POSITIVE_INFINITY;

/** A member that has to be there, one with a default, and one that may be absent. */
const must = (type) => ({ type, must: true });
const may = (type, otherwise) => ({ type, otherwise });

const row = {
  id: must(id), name: may(text(256), ''), host: may(text(256), ''), address: may(text(1024), ''),
  key: may(text(256), ''), pid: may(notNegative, 0n), role: may(oneOf(...ROLES), 'sub'), mode: must(oneOf(...MODES)),
  position: must(u64), lag_bytes: must(u64), lag_seconds: must(number), lost: must(u64), holds: may(boolean, false),
};

const REQUESTS = {
  hello: {
    v: must(version), id: must(id), stream: may(streamName), name: may(text(256), ''), host: may(text(256), ''),
    pid: may(notNegative, 0n), role: may(oneOf(...ROLES), 'sub'), codecs: may(list(16, text(64, 1)), []),
  },
  bye: {},
  status: { session: must(session), position: must(u64), lost: may(u64, 0n), mode: must(oneOf(...MODES)) },
  read: { request: must(u64), session: must(session), from: must(from), max: must(integer(0, MAX_READ_BYTES)) },
  stats: { stream: may(streamName) },
  list: { after: may(streamName) },
};

const ANSWERS = {
  welcome: {
    v: must(version), stream: must(streamName), session: must(session), tail: must(u64), head: must(u64),
    records: must(oneOf('lines', 'nul', 'raw')), codec: may(text(64, 1), 'none'), data: may(text(1024), ''),
    journal: may(text(4096), ''), started: may(i64, 0n), now: may(i64, 0n), ended: may(boolean, false),
    past: may(list(16, object({ session: must(session), end: must(u64) })), []), path: may(list(256, id), []),
    reached: may(u64), heartbeat_ms: may(integer(1, 3600000), 500), window: may(u64, 0n),
  },
  refused: { code: must(text(64, 1)), reason: may(text(ANY), '') },
  'let-go': { reason: may(text(ANY), '') },
  done: {
    request: must(u64), outcome: must(oneOf('ok', 'gone', 'wrong-session')), session: must(session), next: must(u64),
    tail: must(u64), head: must(u64), ended: may(boolean, false), reason: may(text(256), ''),
  },
  error: { code: must(text(64, 1)), reason: may(text(ANY), ''), request: may(u64) },
  stats: {
    stream: must(streamName), session: must(session), tail: must(u64), head: must(u64), counters: must(counters),
    subscribers_total: may(u64), subscribers: may(list(ANY, object(row)), []),
  },
  streams: {
    streams: must(list(ANY, object({ stream: must(streamName), session: must(session), ended: may(boolean, false) }))),
    more: may(boolean, false),
  },
};

/** The members of `value` that `members` names; undefined if one is malformed. Others are ignored. */
function readMembers(value, members) {
  const result = {};
  for (const [name, member] of Object.entries(members)) {
    const given = value[name] ?? undefined; // null is as good as absent
    const read = given === undefined ? member.otherwise : member.type(given);
    if (read === undefined && (given !== undefined || member.must)) return undefined;
    if (read !== undefined) result[name] = Array.isArray(read) ? [...read] : read;
  }
  return result;
}

function decode(frame, most, tables, tableOf) {
  if (frame.length > most) throw new MalformedError(`${frame.length} bytes, more than ${most}`);
  let value;
  try {
    value = parseJson(frame);
  } catch (error) {
    throw new MalformedError(error.message);
  }
  if (!isObject(value) || typeof value.op !== 'string') throw new MalformedError('no object with an op');
  const { op } = value;
  if (!Object.hasOwn(tables, op)) return { op, unknown: true };
  // Of another version nothing else can be read.
  if (tables[op].v !== undefined && version(value.v) !== undefined && version(value.v) !== 1) return { op, v: version(value.v) };
  const message = readMembers(value, tableOf(op, value));
  if (message === undefined) throw new MalformedError(`a member of ${op} is missing, of another type or out of range`);
  if (message.tail !== undefined && message.head !== undefined && message.tail > message.head && message.outcome !== 'wrong-session') {
    throw new MalformedError(`${op} with a tail beyond its head`);
  }
  return { op, ...message };
}

/**
 * Reads a message from a publisher.
 *
 * @param {Uint8Array} frame
 * @returns {object} `op` and its members, defaults filled in; `{ op, unknown: true }` of an op that is not known,
 *   and `{ op: 'welcome', v }` of another version
 * @throws {MalformedError}
 */
export function decodeAnswer(frame) {
  const message = decode(frame, MAX_ANSWER_BYTES, ANSWERS, (op) => ANSWERS[op]);
  if (message.op === 'welcome' && message.head !== undefined) message.reached ??= message.head;
  if (message.op === 'stats' && message.subscribers !== undefined) message.subscribers_total ??= BigInt(message.subscribers.length);
  return message;
}

/**
 * Reads a message from a subscriber.
 *
 * @param {Uint8Array} frame
 * @returns {object} as that of `decodeAnswer`
 * @throws {MalformedError}
 */
export function decodeRequest(frame) {
  return decode(frame, MAX_REQUEST_BYTES, REQUESTS, (op) => REQUESTS[op]);
}

function encode(message, most, tables) {
  const { op, ...members } = message;
  if (!Object.hasOwn(tables, op)) throw new RangeError(`no op '${op}'`);
  if (readMembers(members, tables[op]) === undefined) throw new RangeError(`a member of ${op} is missing or out of range`);
  const frame = Buffer.from(stringifyJson(message));
  if (frame.length > most) throw new RangeError(`${op} of ${frame.length} bytes: at most ${most}`);
  return frame;
}

/**
 * Writes a message of a subscriber.
 *
 * @param {object} message
 * @returns {Buffer}
 * @throws {RangeError} if it is malformed
 */
export function encodeRequest(message) {
  return encode(message, MAX_REQUEST_BYTES, REQUESTS);
}

/**
 * Writes a message of a publisher.
 *
 * @param {object} message
 * @returns {Buffer}
 * @throws {RangeError} if it is malformed
 */
export function encodeAnswer(message) {
  return encode(message, MAX_ANSWER_BYTES, ANSWERS);
}
