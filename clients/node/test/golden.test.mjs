// The codec against every file of tests/golden, each of which is an example of PROTOCOL.md.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  checksum, decodeAnswer, decodeBlock, decodeRequest, encodeAnswer, encodeHeader, encodeRequest, HEADER_BYTES,
} from 'pipedup/codec';

const directory = new URL('../../../tests/golden/', import.meta.url);
const files = readdirSync(directory).sort();

const hex = (name) => Buffer.from(
  readFileSync(new URL(`${name}.hex`, directory), 'utf8').replace(/#.*/g, '').replace(/\s+/g, ''), 'hex');

const SESSION = 0x1f2e3d4c5b6a7988n;
const TIME = 1700000000123456789n;
const EMPTY = Buffer.alloc(0);
const data = { kind: 1, codec: 0, flags: 3, session: SESSION, time: TIME, exitStatus: 0, topic: 'demo' };
const other = { codec: 0, flags: 0, length: 0, records: 0, checksum: 0n, session: SESSION, recordsBefore: 187n, topic: 'demo', data: EMPTY };
const three = Buffer.from('one\ntwo\nthree\n');

const FRAMES = {
  frame_data: ['payload_data', {
    ...data, position: 1000n, length: 14, records: 3, recordsBefore: 120n, checksum: 0x8ba6dab5185db767n, data: three,
  }],
  frame_unchecked: ['payload_data', {
    ...data, flags: 7, position: 1000n, length: 14, records: 3, recordsBefore: 120n, checksum: 0n, data: three,
  }],
  frame_replay: ['payload_replay', {
    ...data, topic: '', position: 1004n, length: 10, records: 2, recordsBefore: 121n, checksum: 0x8d198d971e208c07n,
    data: three.subarray(4),
  }],
  frame_zstd: ['payload_zstd', {
    ...data, codec: 1, position: 1014n, length: 64, records: 64, recordsBefore: 123n, checksum: 0x81b61512e1a7e161n,
    data: Buffer.alloc(64, 10),
  }],
  frame_head: [null, { ...other, kind: 2, position: 1078n, time: 1700000000623456789n, exitStatus: 0 }],
  frame_end: [null, { ...other, kind: 3, position: 1078n, time: 1700000001123456789n, exitStatus: 3 }],
  bad_check: ['payload_data', 'check'],
  bad_version: ['payload_data', 'version'],
  bad_length: ['payload_data', 'length'],
};

test('every binary file has its case here', () => {
  const known = Object.entries(FRAMES).flatMap(([frame, [payload]]) => [frame, payload]).filter(Boolean);
  assert.deepEqual(files.filter((name) => name.endsWith('.hex')), [...new Set(known)].sort().map((name) => `${name}.hex`));
});

for (const [name, [payload, expected]] of Object.entries(FRAMES)) {
  test(`${name} is read as it is written in PROTOCOL.md`, () => {
    const frames = [hex(name), payload === null ? EMPTY : hex(payload)];
    const result = decodeBlock(frames);
    if (typeof expected === 'string') {
      assert.equal(result.error, expected);
      return;
    }
    assert.equal(result.error, undefined);
    assert.deepEqual(result.block, expected);
    assert.deepEqual(encodeHeader(result.block), frames[0].subarray(-HEADER_BYTES));
    if (result.block.checksum !== 0n) assert.equal(checksum(frames[1]), result.block.checksum);
  });
}

const fromSubscriber = /^(hello|bye|status|read_|stats_request|stats_of|list)/;
for (const file of files.filter((name) => name.endsWith('.json'))) {
  const request = fromSubscriber.test(file) && file !== 'streams.json';
  test(`${file} is read exactly, and written back the same`, () => {
    const bytes = readFileSync(new URL(file, directory));
    const [decode, encode] = request ? [decodeRequest, encodeRequest] : [decodeAnswer, encodeAnswer];
    const message = decode(bytes);
    assert.equal(message.unknown, undefined);
    const plain = JSON.parse(bytes.toString()); // no integer of these is beyond 2^53 but the two below
    for (const [name, value] of Object.entries(plain)) {
      const read = message[name];
      if (typeof value === 'number' && Number.isSafeInteger(value)) assert.equal(BigInt(read), BigInt(value), name);
      else if (typeof value === 'string' || typeof value === 'boolean') assert.equal(read, value, name);
      else assert.notEqual(read, undefined, name);
    }
    assert.deepEqual(decode(encode(message)), message);
  });
}

test('integers up to 2^64 - 1 are exact', () => {
  const ping = decodeRequest(readFileSync(new URL('read_ping.json', directory)));
  assert.equal(ping.request, 18446744073709551615n);
  const since = decodeRequest(readFileSync(new URL('read_since.json', directory)));
  assert.deepEqual(since.from, { since: 1700000000000000000n });
  const welcome = decodeAnswer(readFileSync(new URL('welcome.json', directory)));
  assert.equal(welcome.now, 1700000002000000000n);
  assert.equal(welcome.reached, 1014n);
});
