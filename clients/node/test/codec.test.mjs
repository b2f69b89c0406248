// The codec where it says no, and the small parsers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { checksum, decodeAnswer, decodeBlock, decodeHeader, decodeRequest, decodeZstd, encodeHeader, encodeRequest, parseJson, stringifyJson } from 'pipedup/codec';
import { formatCursor, parseCursor, placeIn } from '../lib/cursor.js';
import { parseEndpoint } from '../lib/endpoint.js';
import { decodeKey, encodeKey } from '../lib/keys.js';

const payload = Buffer.from('one\ntwo\n');
const header = (members = {}) => ({
  kind: 1, codec: 0, flags: 3, session: 5n, position: 0n, length: payload.length, records: 2, recordsBefore: 0n, time: 1n, checksum: checksum(payload), exitStatus: 0, ...members,
});
const frames = (members, body = payload, topic = 'demo') => [Buffer.concat([Buffer.from(`${topic}\0`), encodeHeader(header(members))]), body];

test('a header names the first check that fails, in the order of section 3.2', () => {
  const bytes = encodeHeader(header());
  const changed = (at, value) => {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return decodeHeader(copy).error;
  };
  assert.equal(decodeHeader(bytes.subarray(0, 63)).error, 'truncated');
  assert.equal(changed(1, 0), 'magic');
  assert.equal(changed(3, 0x32), 'version');
  for (let at = 4; at < 64; at += 1) assert.equal(changed(at, bytes[at] ^ 1), 'check', `byte ${at}`);
  assert.equal(decodeHeader(encodeHeader(header({ kind: 4, codec: 9 }))).error, 'kind');
  assert.equal(decodeHeader(encodeHeader(header({ codec: 2, length: 2 ** 30 }))).error, 'codec');
  assert.equal(decodeHeader(encodeHeader(header({ kind: 2, length: 1 }))).error, 'length');
  assert.equal(decodeHeader(encodeHeader(header({ position: 2n ** 64n - 8n }))).error, 'length');
  assert.equal(decodeHeader(encodeHeader(header({ session: 0n, length: 2 ** 30 }))).error, 'length');
  assert.equal(decodeHeader(encodeHeader(header({ session: 0n }))).error, 'session');
  assert.equal(decodeHeader(encodeHeader(header({ position: 2n ** 64n - 9n }))).error, undefined);
  assert.equal(decodeHeader(encodeHeader(header({ flags: 0xffff }))).error, undefined, 'reserved flags are ignored');
});

test('a block message of another form is bad', () => {
  assert.equal(decodeBlock(frames()).error, undefined);
  assert.equal(decodeBlock(frames({}, payload, '')).error, undefined);
  assert.equal(decodeBlock([frames()[0]]).error, 'frames');
  assert.equal(decodeBlock([...frames(), Buffer.alloc(0)]).error, 'frames');
  assert.equal(decodeBlock([Buffer.concat([frames()[0], Buffer.alloc(1)]), payload]).error, 'frames');
  assert.equal(decodeBlock(frames({}, payload, 'a/b')).error, 'topic');
  assert.equal(decodeBlock(frames({}, payload, 'a'.repeat(129))).error, 'topic');
  assert.equal(decodeBlock([Buffer.from('no zero byte'), payload]).error, 'topic');
  assert.equal(decodeBlock(frames({}, payload.subarray(1))).error, 'checksum');
  assert.equal(decodeBlock(frames({ flags: 7, checksum: 0n }, payload.subarray(1))).error, 'payload');
  assert.equal(decodeBlock(frames({ flags: 7, checksum: 0n })).error, undefined, 'one that is not checksummed is not verified');
  assert.equal(decodeBlock(frames({ kind: 2, length: 0, checksum: 0n })).error, 'payload');
});

const zstdTool = (() => {
  try {
    execFileSync('zstd', ['--version']);
    return {};
  } catch {
    return { skip: 'no program zstd' };
  }
})();
const zstd = (data, ...args) => execFileSync('zstd', ['-q', '-c', ...args], { input: data });

test('zstd: one frame that decodes to the length, and nothing else', zstdTool, () => {
  const text = Buffer.from('a line that comes again\n'.repeat(20000));
  for (const args of [['-1'], ['-19'], ['--no-check'], ['--no-content-size']]) assert.ok(decodeZstd(zstd(text, ...args), text.length)?.equals(text), args[0]);
  const one = zstd(text);
  const skippable = Buffer.from('502a4d180400000000000000', 'hex');
  const empty = zstd(Buffer.alloc(0));
  assert.equal(decodeZstd(one, text.length - 1), null);
  assert.equal(decodeZstd(one, text.length + 1), null);
  assert.equal(decodeZstd(Buffer.concat([one, empty]), text.length), null, 'two frames');
  assert.equal(decodeZstd(Buffer.concat([skippable, one]), text.length), null, 'a skippable one');
  assert.equal(decodeZstd(Buffer.concat([one, skippable]), text.length), null);
  assert.equal(decodeZstd(one.subarray(0, -1), text.length), null);
  assert.equal(decodeZstd(zstd(Buffer.alloc(1 << 24)), 1 << 20), null, 'more than the length');
  assert.equal(decodeZstd(zstd(Buffer.from('x')), 1), null, 'longer than what it decodes to');
  for (let at = 0; at < one.length; at += 1) {
    const broken = Buffer.from(one);
    broken[at] ^= 0x55;
    const result = decodeZstd(broken, text.length);
    assert.ok(result === null || result.length === text.length);
  }
});

test('JSON is exact, and strict', () => {
  const read = (text) => parseJson(Buffer.from(text));
  assert.deepEqual({ ...read(' {"a" : [1, -2.5e3, true, null, "\\u0000\\ud83d\\ude00"] , "b":{}} ') }, { a: [1n, -2500, true, null, '\0😀'], b: Object.create(null) });
  assert.equal(read('18446744073709551615'), 2n ** 64n - 1n);
  assert.equal(read('{"__proto__": 1}').__proto__, 1n);
  for (const bad of ['', '{', '{"a":1,}', '[1,]', '{"a":1,"a":2}', '01', '1.', '+1', 'nul', '"\n"', '"\\x"', '"\\ud800"', '1 2', "{'a':1}", '\ufeff1', '[1 2]', '{"a" 1}', 'NaN', '"', '[', '{"a":']) {
    assert.throws(() => read(bad), SyntaxError, bad);
  }
  assert.throws(() => parseJson(Buffer.from([0x22, 0xff, 0x22])), SyntaxError);
  assert.doesNotThrow(() => read('['.repeat(16) + ']'.repeat(16)));
  assert.throws(() => read('['.repeat(17) + ']'.repeat(17)), SyntaxError);
  assert.throws(() => read('['.repeat(100000)), SyntaxError, 'and the stack is not at risk');
  assert.equal(stringifyJson({ a: 2n ** 64n - 1n, b: undefined, c: ['x', 1, false, null] }), '{"a": 18446744073709551615, "c": ["x", 1, false, null]}');
  assert.throws(() => stringifyJson(2 ** 60), RangeError);
});

test('a message that lacks a member, or has one out of range, is malformed', () => {
  const answer = (members) => decodeAnswer(Buffer.from(stringifyJson(members)));
  const done = { op: 'done', request: 1, outcome: 'ok', session: '1f2e3d4c5b6a7988', next: 1, tail: 1, head: 2 };
  assert.equal(answer({ ...done, more: [1], reason: null }).reason, '');
  for (const bad of [
    { ...done, request: undefined }, { ...done, request: -1 }, { ...done, request: 2n ** 64n }, { ...done, request: 1.5 }, { ...done, request: '1' },
    { ...done, outcome: 'perhaps' }, { ...done, session: '1F2E3D4C5B6A7988' }, { ...done, session: '1' }, { ...done, session: '0'.repeat(16) }, { ...done, tail: 3 }, { ...done, ended: 1 },
    { ...done, reason: 'x'.repeat(257) }, [], 'x', { request: 1 }, { op: 1 }, { op: 'error', code: 'x', request: -1 },
  ]) assert.throws(() => answer(bad), { name: 'MalformedError' }, JSON.stringify(bad, (_, value) => (typeof value === 'bigint' ? `${value}` : value)));
  assert.deepEqual(answer({ op: 'error', code: 'x', request: 2n ** 64n - 1n }), { op: 'error', code: 'x', reason: '', request: 2n ** 64n - 1n });
  assert.deepEqual(answer({ op: 'new-one', x: 1 }), { op: 'new-one', unknown: true });
  assert.deepEqual(answer({ op: 'welcome', v: 2, stream: 7 }), { op: 'welcome', v: 2 });
  assert.throws(() => decodeRequest(Buffer.alloc(8193, ' ')), { name: 'MalformedError' });
  assert.throws(() => encodeRequest({ op: 'hello', v: 1, id: 'xyz' }), RangeError);
  const read = { op: 'read', request: 1, session: '1f2e3d4c5b6a7988', max: 1 };
  assert.throws(() => decodeRequest(Buffer.from(stringifyJson({ ...read, from: { last: 1, since: 2 } }))), { name: 'MalformedError' });
});

test('bytes at random are never taken for a message, and never throw anything else', () => {
  let seed = 7;
  const byte = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16 & 255;
  for (let round = 0; round < 3000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: byte() }, byte));
    assert.notEqual(decodeBlock([bytes, bytes]).error, undefined);
    assert.throws(() => decodeAnswer(bytes), { name: 'MalformedError' });
    decodeZstd(Buffer.concat([Buffer.from('28b52ffd', 'hex'), bytes]), 1000);
  }
});

test('endpoints', () => {
  const both = (data, control) => ({ data, control });
  assert.deepEqual(parseEndpoint('tcp://h:7'), both('tcp://h:7', 'tcp://h:8'));
  assert.deepEqual(parseEndpoint('h'), both('tcp://h:5590', 'tcp://h:5591'));
  assert.deepEqual(parseEndpoint(':7'), both('tcp://127.0.0.1:7', 'tcp://127.0.0.1:8'));
  assert.deepEqual(parseEndpoint('[::1]:65534'), both('tcp://[::1]:65534', 'tcp://[::1]:65535'));
  assert.deepEqual(parseEndpoint('ipc:///run/p'), both('ipc:///run/p', 'ipc:///run/p.ctl'));
  for (const bad of ['', 'h:65535', 'h:0', 'h:x', 'udp://h:1', 'a b', 'tcp://', 'ipc://', '::1']) assert.throws(() => parseEndpoint(bad), RangeError, bad);
});

test('keys', () => {
  const example = '8E0BDD697628B91D8F245587EE95C5B04D48963F79259877B49CD9063AEAD3B7'; // RFC 32 gives the beginning of this one
  const bytes = Buffer.from(example, 'hex');
  assert.deepEqual(decodeKey(encodeKey(bytes)), bytes);
  assert.equal(encodeKey(Buffer.from('864FD26FB559F75B'.repeat(4), 'hex')), 'HelloWorld'.repeat(4));
  for (const bad of ['', 'x'.repeat(39), `${'x'.repeat(39)}"`, '#'.repeat(40)]) assert.throws(() => decodeKey(bad), RangeError);
});

test('a cursor that is cut or changed is none', () => {
  const place = { session: '1f2e3d4c5b6a7988', position: 2n ** 64n - 1n, stream: 'demo', ended: true, id: 'ab', out: { device: '1', inode: '2', size: 3n } };
  const text = formatCursor(place);
  assert.deepEqual(parseCursor(text), place);
  assert.deepEqual(parseCursor('pipedup cursor 1\n1f2e3d4c5b6a7988 7 demo\n'), { session: '1f2e3d4c5b6a7988', position: 7n, stream: 'demo', ended: false });
  for (const bad of ['', 'pipedup cursor 2\n1f2e3d4c5b6a7988 7 demo\n', 'pipedup cursor 1\n', 'pipedup cursor 1\n1f2e3d4c5b6a7988 7 demo', 'pipedup cursor 1\nx 7 demo\n', `pipedup cursor 1\n1f2e3d4c5b6a7988 ${2n ** 64n} demo\n`]) assert.equal(parseCursor(bad), null);
  assert.equal(placeIn({ ...place, position: 10n }, { device: '1', inode: '2', size: 8n }), 15n);
  assert.equal(placeIn({ ...place, position: 10n }, { device: '1', inode: '9', size: 8n }), 10n);
  assert.equal(placeIn({ ...place, position: 10n }, undefined), 10n);
});
