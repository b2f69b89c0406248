import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Records, RecordSplitter } from '../lib/records.js';
import { subscribe } from 'pipedup';
import { Turns } from '../lib/turns.js';

const begin = { type: 'newSession', stream: 's', session: '00000000000000a5', position: 0n, records: 'lines' };
const block = (position, text, beginsRecord = true) => ({ type: 'block', position: BigInt(position), data: Buffer.from(text), beginsRecord });
const gap = (from, to) => ({ type: 'gap', from: BigInt(from), to: BigInt(to) });

function split(items, maxBytes) {
  const splitter = new RecordSplitter(maxBytes);
  const given = [];
  for (const item of items) {
    given.push(...splitter.add(item));
    for (let record = splitter.next(); record !== null; record = splitter.next()) given.push(record);
  }
  given.push(...splitter.rest());
  return given.filter(({ type }) => type === 'record').map(({ position, data, complete }) => [Number(position), data.toString(), complete]);
}

test('records end with their delimiter, wherever blocks are cut', () => {
  const text = 'one\n\ntwo\nthree\n\nfour';
  const expected = [[0, 'one\n', true], [4, '\n', true], [5, 'two\n', true], [9, 'three\n', true], [15, '\n', true], [16, 'four', false]];
  for (let size = 1; size <= text.length; size += 1) {
    const blocks = [];
    for (let at = 0; at < text.length; at += size) blocks.push(block(at, text.slice(at, at + size), at === 0 || text[at - 1] === '\n'));
    assert.deepEqual(split([begin, ...blocks]), expected, `blocks of ${size}`);
  }
});

test('what stands on both sides of a gap is no whole record', () => {
  assert.deepEqual(split([begin, block(0, 'one\ntw'), gap(6, 20), block(20, 'ee\nfour\n', false)]),
    [[0, 'one\n', true], [4, 'tw', false], [20, 'ee\n', false], [23, 'four\n', true]]);
  assert.deepEqual(split([begin, block(0, 'one\n'), gap(4, 20), block(20, 'three\n', true)]), [[0, 'one\n', true], [20, 'three\n', true]]);
});

test('a record that is longer than is held comes in pieces', () => {
  assert.deepEqual(split([begin, block(0, 'aaaa'), block(4, 'bbbb', false), block(8, 'cc\nd\n', false)], 5),
    [[0, 'aaaabbbb', false], [8, 'cc\n', false], [11, 'd\n', true]]);
});

test('a raw stream has no records', () => {
  assert.throws(() => split([{ ...begin, records: 'raw' }]), TypeError);
});

test('records that are asked for at once come in order, and every one is answered', async () => {
  const items = [begin, block(0, 'one\ntwo\nth'), block(10, 'ree\n', false)];
  const source = {
    async next() {
      const value = items.shift();
      return { value, done: value === undefined };
    },
  };
  const records = new Records(source, new Turns());
  const asked = await Promise.all(Array.from({ length: 6 }, () => records.next()));
  assert.deepEqual(asked.map(({ value, done }) => (done ? 'done' : value.data?.toString() ?? value.type)), ['newSession', 'one\n', 'two\n', 'three\n', 'done', 'done']);
});

test('items that are asked for at once are all answered by close', { timeout: 30000 }, async () => {
  for (const use of [(subscriber) => subscriber, (subscriber) => subscriber.records()]) {
    const subscriber = subscribe({ endpoint: 'ipc:///nonexistent/pipedup', giveUp: 0 });
    const from = use(subscriber);
    const asked = [from.next(), from.next(), from.next()];
    await subscriber.close({ patience: 0 });
    assert.deepEqual(await Promise.all(asked), Array(3).fill({ value: undefined, done: true }));
  }
});
