// A publisher that sends what it must not, over real sockets: what is good among it still arrives, and nothing ends.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { subscribe } from 'pipedup';
import { checksum, decodeRequest, encodeAnswer, encodeHeader } from 'pipedup/codec';
import { Publisher, Router } from 'zeromq';
import { Ledger } from './support/ledger.mjs';
import { scratch, within } from './support/programs.mjs';

const SESSION = '1f2e3d4c5b6a7988';
const produced = Buffer.from('one\ntwo\nthree\nfour\n');

function block(from, to, { topic = 'demo', members = {}, payload = produced.subarray(from, to) } = {}) {
  const header = {
    kind: 1, codec: 0, flags: 3, session: BigInt(`0x${SESSION}`), position: BigInt(from), length: to - from, records: 1, recordsBefore: 0n, time: 1n,
    checksum: checksum(payload), exitStatus: 0, ...members,
  };
  return [Buffer.concat([Buffer.from(`${topic}\0`), encodeHeader(header)]), payload];
}

const end = (topic) => block(produced.length, produced.length, { topic, members: { kind: 3, flags: 0, records: 0, checksum: 0n, exitStatus: 7 }, payload: Buffer.alloc(0) });

/** Answers requests as `answer` says, and sends heads all the time. */
async function fake(t, { welcome = {}, read, live = () => [] }) {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const control = new Router({ linger: 0 });
  const data = new Publisher({ linger: 0 });
  await control.bind(`${endpoint}.ctl`);
  await data.bind(endpoint);
  const requests = [];
  const heads = setInterval(() => {
    for (const message of live()) data.send(message).catch(() => {});
  }, 30);
  t.after(() => {
    clearInterval(heads);
    control.close();
    data.close();
  });
  (async () => {
    for await (const [peer, frame] of control) {
      const request = decodeRequest(frame);
      requests.push(request);
      const send = (...frames) => control.send([peer, ...frames]);
      if (request.op === 'hello') {
        await send(encodeAnswer({
          op: 'welcome', v: 1, stream: 'demo', session: SESSION, tail: 0, head: produced.length, records: 'lines', heartbeat_ms: 100, ...welcome,
        }));
      } else if (request.op === 'read') {
        if (request.max > 0) for (const message of read(request)) await send(...message);
        await send(encodeAnswer({ op: 'done', request: request.request, outcome: 'ok', session: SESSION, next: 0, tail: 0, head: produced.length, ended: true }));
      }
    }
  })().catch(() => {});
  return { endpoint, requests };
}

test('bad messages are dropped, on both sockets, and what they held is asked for again', async (t) => {
  const bomb = Buffer.from('28b52ffd2040030200' + '0a', 'hex'); // 64 bytes
  const bad = [
    [Buffer.from('not json')], [Buffer.from('[]')], [Buffer.from('{"op":"done"}')], [Buffer.alloc(0)], [Buffer.from('{"op":"later"}')],
    [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')], [Buffer.alloc(0), Buffer.alloc(0)],
    block(0, 4, { topic: '', payload: Buffer.from('ONE\n'), members: { checksum: 1n } }),
    block(0, 4, { topic: '', members: { codec: 1 } }),
    block(0, 4, { topic: '', payload: bomb, members: { codec: 1, length: 4, checksum: checksum(bomb) } }),
    block(0, 4, { topic: '', members: { session: 0n } }),
    block(0, 4, { topic: 'demo' }), // not as an answer
    block(0, 4, { topic: '', members: { session: 99n } }),
    block(4, 8, { topic: '' }), // what is before it did not come
  ];
  let asked = 0;
  const { endpoint, requests } = await fake(t, {
    live: () => [...bad.filter(({ length }) => length === 2), end('demo')],
    read: ({ from }) => {
      asked += 1;
      return asked <= 2 ? bad : [block(Number(from), produced.length, { topic: '' }), end('')];
    },
  });
  const subscriber = subscribe({ endpoint, from: 0, stream: 'demo' });
  t.after(() => subscriber.close({ patience: 0 }));
  const warnings = [];
  subscriber.on('warning', (warning) => warnings.push(warning));
  const ledger = new Ledger();
  await within(20000, 'the end', (async () => {
    for await (const item of subscriber) ledger.add(item);
  })());
  ledger.check(produced, { from: 0n });
  assert.equal(ledger.lost, 0n);
  assert.equal(ledger.ended.exitStatus, 7);
  assert.ok(subscriber.counters.bad > 10);
  assert.equal(warnings[0].event, 'bad-message');
  assert.equal(requests.filter(({ op }) => op === 'status').at(-1).mode, 'ended');
});

test('blocks of another version are said with both versions, once', async (t) => {
  const other = end('demo');
  other[0][8] = 0x32; // demo, 0, P, D, U, 1
  const { endpoint } = await fake(t, { live: () => [other], read: () => [] });
  const subscriber = subscribe({ endpoint, from: 0 });
  t.after(() => subscriber.close({ patience: 0 }));
  subscriber.start();
  const { message } = await within(10000, 'a warning', new Promise((resolve) => subscriber.once('warning', resolve)));
  assert.match(message, /version 2.*version 1/);
});

test('a data endpoint that is none is an error, and not a crash', async (t) => {
  for (const data of ['inproc://x', 'tcp://x;y', 'nonsense']) {
    const { endpoint } = await fake(t, { welcome: { data }, read: () => [] });
    await within(10000, 'an error', assert.rejects((async () => {
      for await (const item of subscribe({ endpoint, from: 0 })) assert.ok(item);
    })(), /data endpoint/));
  }
});
