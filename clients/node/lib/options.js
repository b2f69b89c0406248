/**
 * What `subscribe` is given: defaults and ranges. Checks and stores, and does nothing else.
 *
 * @module
 */
import { isStreamName } from './block.js';
import { decodeKey } from './keys.js';

const MIB = 1 << 20;
const MAX_U64 = 2n ** 64n - 1n;
const SESSION = /^[0-9a-f]{16}$/;

function number(options, name, otherwise, least) {
  const value = options[name] ?? otherwise;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError(`${name}: a number is wanted`);
  if (value < least) throw new RangeError(`${name}: ${value} is less than ${least}`);
  return value;
}

function position(name, value) {
  const exact = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof exact !== 'bigint') throw new TypeError(`${name}: a BigInt, or an integer up to 2^53 - 1, is wanted`);
  if (exact < 0n || exact > MAX_U64) throw new RangeError(`${name}: ${exact} is not within 0 and 2^64 - 1`);
  return exact;
}

function from(value) {
  if (value === 'now' || value === 'start') return value;
  if (typeof value === 'bigint' || typeof value === 'number') return position('from', value);
  if (typeof value === 'object' && value !== null) {
    if (value.last !== undefined) return { last: position('from.last', value.last) };
    if (value.since instanceof Date) return { since: BigInt(value.since.getTime()) * 1000000n };
    if (value.since !== undefined) return { since: position('from.since', value.since) };
    if (value.ago !== undefined) return { ago: number(value, 'ago', 0, 0) };
  }
  throw new TypeError("from: 'now', 'start', a position, { last }, { since } or { ago } is wanted");
}

/**
 * @param {import('../index.js').SubscribeOptions} options
 * @returns {object} all of them, with defaults
 * @throws {TypeError | RangeError}
 */
export function checkOptions(options) {
  const { stream, role = 'sub', resume, curve, id, name = `${process.pid}`, follow = false, host } = options;
  if (stream !== undefined && !isStreamName(stream)) throw new RangeError(`stream: '${stream}' is no name of a stream`);
  if (role !== 'sub' && role !== 'tap') throw new RangeError(`role: '${role}' is neither sub nor tap`);
  if (id !== undefined && !/^[0-9a-fA-F]{1,64}$/.test(id)) throw new RangeError('id: 1 to 64 hex digits are wanted');
  if (Buffer.byteLength(name) > 256) throw new RangeError('name: more than 256 bytes');
  if (resume !== undefined && !SESSION.test(resume.session)) throw new RangeError('resume.session: 16 hex digits are wanted');
  if (curve !== undefined) for (const key of ['serverKey', 'secretKey']) decodeKey(curve[key]);
  return {
    endpoint: options.endpoint,
    stream,
    role,
    id,
    name,
    host,
    follow,
    curve,
    from: from(options.from ?? 'now'),
    resume: resume && { session: resume.session, position: position('resume.position', resume.position), ended: resume.ended === true },
    maxQueued: number(options, 'maxQueued', 16 * MIB, 4096),
    deadAfter: number(options, 'deadAfter', 3000, 200),
    giveUp: number(options, 'giveUp', follow ? 0 : 30000, 0),
  };
}
