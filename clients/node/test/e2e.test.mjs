// Against the real pipedup-pub: PIPEDUP_BIN names the directory where it is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { publicKeyOf, readKey, subscribe } from 'pipedup';
import { lines, Ledger, readAll } from './support/ledger.mjs';
import { BIN, needsPrograms, publisher, scratch, tcpEndpoint, within } from './support/programs.mjs';

const settings = { deadAfter: 1000, giveUp: 20000 };

/** A subscriber that is closed with the test. */
function reader(t, options) {
  const subscriber = subscribe({ ...settings, ...options });
  t.after(() => subscriber.close({ patience: 0 }));
  return subscriber;
}

const bounded = (promise, what = 'the reader') => within(60000, what, promise);

for (const transport of ['ipc', 'tcp']) {
  const endpointOf = async (t) => (transport === 'ipc' ? `ipc://${join(scratch(), 'p')}` : tcpEndpoint());

  test(`${transport}: everything arrives, byte for byte, and the end is confirmed`, needsPrograms, async (t) => {
    const endpoint = await endpointOf(t);
    const produced = Buffer.concat([lines(50000), Buffer.from('\0\r\n\n\n\0\0no newline at the end')]);
    const pub = publisher(t, endpoint, '--wait-subs', '1');
    const subscriber = reader(t, { endpoint, from: 'start' });
    pub.stdin.end(produced);
    const ledger = await bounded(readAll(subscriber));
    ledger.check(produced, { from: 0n });
    assert.equal(ledger.lost, 0n);
    assert.equal(ledger.items.at(-1), 'end');
    assert.equal(ledger.ended.exitStatus, null);
    assert.equal(await pub.end(10000), 0, 'it waits 30 s for who has not confirmed');
  });

  test(`${transport}: one that joins late begins at a record`, needsPrograms, async (t) => {
    const endpoint = await endpointOf(t);
    const [before, half, after] = [lines(1000), Buffer.from('half a '), Buffer.from('record\nand one more\n')];
    const pub = publisher(t, endpoint, '--max-delay', '10ms');
    pub.stdin.write(Buffer.concat([before, half]));
    const first = reader(t, { endpoint, from: 'start' }); // it has seen that all of this is published
    let seen = 0;
    for await (const item of first) {
      if (item.type === 'block') seen += item.data.length;
      if (seen === before.length + half.length) break;
    }
    const late = reader(t, { endpoint });
    const ledger = await bounded(readAll(late, (item) => {
      if (item.type === 'newSession') pub.stdin.end(after);
    }));
    ledger.check(Buffer.concat([before, half, after]), { from: BigInt(before.length) });
    assert.equal(await pub.end(10000), 0);
  });
}

/** A publisher that has published `produced` and waits, and a subscriber that knows so. */
async function published(t, produced, ...args) {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const pub = publisher(t, endpoint, '--max-delay', '10ms', ...args);
  pub.stdin.write(produced);
  const witness = reader(t, { endpoint, from: 'start' });
  for await (const item of witness) {
    if (item.type === 'block' && item.position + BigInt(item.data.length) === BigInt(produced.length)) break;
  }
  return { endpoint, pub };
}

test('the last records, those since a time, and those from a position', needsPrograms, async (t) => {
  const produced = lines(2000, 50); // 51 bytes each
  const { endpoint, pub } = await published(t, produced);
  const cases = [
    [{ last: 3 }, produced.length - 3 * 51],
    [{ last: 0 }, produced.length],
    [{ last: 1000000 }, 0],
    [{ ago: 3600000 }, 0],
    [{ since: new Date(Date.now() + 3600000) }, produced.length],
    ['start', 0],
    [0, 0],
    [51n * 7n, 51 * 7],
    [51n * 7n + 1n, 51 * 8],
  ];
  const ledgers = cases.map(([from]) => readAll(reader(t, { endpoint, from })));
  await new Promise((resolve) => setTimeout(resolve, 500)); // joining: `since` in the future begins with what comes next
  pub.stdin.end('last\n');
  const whole = Buffer.concat([produced, Buffer.from('last\n')]);
  for (const [at, [from, begin]] of cases.entries()) {
    const ledger = await bounded(ledgers[at], JSON.stringify(from, (_, value) => `${value}`));
    ledger.check(whole, { from: BigInt(begin) });
    assert.equal(ledger.lost, 0n);
  }
});

test('records that end with NUL, and a raw stream', needsPrograms, async (t) => {
  const nul = await published(t, Buffer.from('one\0two\nlines\0thr'), '--records', 'nul');
  const texts = [];
  const records = reader(t, { endpoint: nul.endpoint, from: { last: 1 } }).records();
  for await (const item of records) {
    if (item.type === 'newSession') nul.pub.stdin.end('ee\0rest');
    if (item.type === 'record') texts.push([item.data.toString(), item.complete]);
  }
  assert.deepEqual(texts, [['two\nlines\0', true], ['three\0', true], ['rest', false]]);

  const raw = await published(t, Buffer.from('abc'), '--records', 'raw');
  await assert.rejects(readAll(reader(t, { endpoint: raw.endpoint, from: { last: 1 } })), { name: 'SubscribeError', code: 'no-records' });
  const now = reader(t, { endpoint: raw.endpoint });
  const ledger = await bounded(readAll(now, (item) => item.type === 'newSession' && raw.pub.stdin.end('def')));
  ledger.check(Buffer.from('abcdef'), { from: 3n });
});

test('an empty stream ends at once', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const pub = publisher(t, endpoint, '--wait-subs', '2');
  const both = [{}, { from: 'start' }].map((options) => readAll(reader(t, { endpoint, ...options })));
  pub.stdin.end();
  for (const ledger of await bounded(Promise.all(both))) {
    assert.deepEqual(ledger.items, ['newSession', 'end']);
    assert.equal(ledger.position, 0n);
  }
  assert.equal(await pub.end(10000), 0);
});

test('a record of 5 MiB, which is many blocks, is one record', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const huge = Buffer.alloc(5 << 20, 'x');
  const produced = Buffer.concat([Buffer.from('first\n'), huge, Buffer.from('\nlast\n')]);
  const pub = publisher(t, endpoint, '--wait-subs', '1');
  const subscriber = reader(t, { endpoint, from: 'start', maxQueued: 1 << 20 });
  pub.stdin.end(produced);
  const records = [];
  for await (const item of subscriber.records()) if (item.type === 'record') records.push(item);
  assert.deepEqual(records.map(({ data, complete }) => [data.length, complete]), [[6, true], [huge.length + 1, true], [5, true]]);
  assert.ok(Buffer.concat(records.map(({ data }) => data)).equals(produced));
});

test('a slow reader loses nothing that is kept, and holds no more than it was allowed', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const produced = lines(400000); // 24 MB
  const pub = publisher(t, endpoint, '--wait-subs', '1');
  const maxQueued = 1 << 20;
  const subscriber = reader(t, { endpoint, from: 'start', maxQueued });
  pub.stdin.end(produced);
  let most = 0;
  const modes = new Set();
  const ledger = await bounded(readAll(subscriber, async () => {
    most = Math.max(most, subscriber.queued);
    modes.add(subscriber.mode);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }));
  ledger.check(produced, { from: 0n });
  assert.equal(ledger.lost, 0n);
  assert.ok(most <= maxQueued, `${most} bytes were queued`);
  assert.ok(modes.has('catch-up'));
  assert.equal(subscriber.counters.welcomes, 1, 'it was a member all the time');
  assert.equal(await pub.end(10000), 0);
});

test('what retention has passed is an exact gap', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const produced = lines(400000);
  const pub = publisher(t, endpoint, '--wait-subs', '1', '--retain', '1MiB');
  const subscriber = reader(t, { endpoint, from: 'start', maxQueued: 65536 });
  let written = false;
  pub.stdin.write(produced.subarray(0, 1000));
  const ledger = await bounded(readAll(subscriber, async (item) => {
    if (item.type !== 'block' || written) return;
    written = true;
    await new Promise((resolve) => pub.stdin.end(produced.subarray(1000), resolve)); // all of it is in the pipe or read
  }));
  ledger.check(produced, { from: 0n });
  assert.ok(ledger.lost > 0n);
  assert.equal(BigInt(ledger.bytes) + ledger.lost, BigInt(produced.length));
  assert.equal(await pub.end(10000), 0);
});

test('a publisher that waits waits for a slow reader, and nothing is lost', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const produced = lines(150000);
  const pub = publisher(t, endpoint, '--wait-subs', '1', '--retain', '1MiB', '--slow', 'wait');
  const subscriber = reader(t, { endpoint, from: 'start', maxQueued: 262144 });
  pub.stdin.end(produced);
  const ledger = await bounded(readAll(subscriber, () => new Promise((resolve) => setTimeout(resolve, 1))));
  ledger.check(produced, { from: 0n });
  assert.equal(ledger.lost, 0n);
  assert.equal(await pub.end(10000), 0);
});

test('a publisher that is killed and goes on with its journal is a pause', needsPrograms, async (t) => {
  const directory = scratch();
  const endpoint = `ipc://${join(directory, 'p')}`;
  const args = ['--journal', join(directory, 'journal')];
  const [one, two] = [lines(20000), Buffer.from('and on\n')];
  const first = publisher(t, endpoint, ...args);
  first.stdin.write(one);
  const subscriber = reader(t, { endpoint, from: 'start', follow: true });
  let second = null;
  const ledger = new Ledger();
  const reading = (async () => {
    for await (const item of subscriber) {
      ledger.add(item);
      if (second === null && ledger.bytes === one.length) {
        first.kill('SIGKILL');
        await first.exited;
        second = publisher(t, endpoint, ...args);
        second.stdin.end(two);
      }
      if (item.type === 'end') break;
    }
  })();
  await bounded(reading);
  ledger.check(Buffer.concat([one, two]), { from: 0n });
  assert.equal(ledger.lost, 0n);
  assert.equal(ledger.items.filter((type) => type === 'newSession').length, 1);
});

test('a publisher that is killed with all that it held is a new session, and followed', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const first = publisher(t, endpoint);
  first.stdin.write(lines(100));
  const subscriber = reader(t, { endpoint, from: 'start', follow: true });
  const sessions = [];
  const ledger = new Ledger();
  const produced = Buffer.from('another session\n');
  await bounded((async () => {
    for await (const item of subscriber) {
      ledger.add(item);
      if (item.type === 'newSession') sessions.push(item);
      if (sessions.length === 1 && ledger.bytes === lines(100).length) {
        first.kill('SIGKILL');
        await first.exited;
        publisher(t, endpoint, '--wait-subs', '1').stdin.end(produced);
      }
      if (item.type === 'end') break;
    }
  })());
  assert.equal(sessions.length, 2);
  assert.equal(sessions[1].previous, sessions[0].session);
  ledger.check(produced, { from: 0n });
});

test('a publisher that vanishes is no end', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const pub = publisher(t, endpoint);
  pub.stdin.write('one\ntwo\n');
  const subscriber = reader(t, { endpoint, from: 'start', giveUp: 1500 });
  const ledger = new Ledger();
  await bounded(assert.rejects((async () => {
    for await (const item of subscriber) {
      ledger.add(item);
      if (ledger.bytes === 8) pub.kill('SIGKILL');
    }
  })(), { name: 'SubscribeError', code: 'vanished' }));
  assert.equal(ledger.position, 8n);
  await assert.rejects(readAll(reader(t, { endpoint, giveUp: 300 })), { code: 'not-reached' });
});

test('a publisher that stands still for a while is connected to anew, and nothing is lost', needsPrograms, async (t) => {
  const endpoint = await tcpEndpoint();
  const produced = lines(1000);
  const pub = publisher(t, endpoint);
  pub.stdin.write(produced.subarray(0, 30000));
  const subscriber = reader(t, { endpoint, from: 'start', deadAfter: 400, giveUp: 0 });
  let stopped = false;
  const ledger = await bounded(readAll(subscriber, async (item, soFar) => {
    if (soFar.bytes < 29000 || stopped) return;
    stopped = true;
    const before = subscriber.counters.connections;
    pub.process.kill('SIGSTOP');
    while (subscriber.counters.connections === before) await new Promise((resolve) => setTimeout(resolve, 20));
    pub.process.kill('SIGCONT');
    pub.stdin.end(produced.subarray(30000));
  }));
  ledger.check(produced, { from: 0n });
  assert.equal(ledger.lost, 0n);
});

test('a stream that is not there is refused', needsPrograms, async (t) => {
  const { endpoint } = await published(t, Buffer.from('x\n'));
  await bounded(assert.rejects(readAll(reader(t, { endpoint, stream: 'dmeo' })), { name: 'SubscribeError', code: 'stream' }));
});

test('a reader that stops early is not waited for', needsPrograms, async (t) => {
  const { endpoint, pub } = await published(t, lines(1000));
  for await (const item of reader(t, { endpoint, from: 'start' })) if (item.type === 'block') break;
  pub.stdin.end();
  assert.equal(await pub.end(10000), 0);
});

test('items that are asked for at once come in order, and all of them are taken', needsPrograms, async (t) => {
  const produced = lines(20000);
  const { endpoint, pub } = await published(t, produced);
  const subscriber = reader(t, { endpoint, from: 'start' });
  const ledger = new Ledger();
  for (let over = false; !over; ) {
    // With nobody there the publisher would not stay: it is told to end once something has come.
    const first = subscriber.next().finally(() => pub.stdin.end());
    const asked = await bounded(Promise.all([first, subscriber.next(), subscriber.next()]));
    for (const { value, done } of asked) {
      if (done) over = true;
      else ledger.add(value);
    }
  }
  ledger.check(produced, { from: 0n });
  assert.equal(subscriber.queued, 0);
  assert.equal(await pub.end(10000), 0);
});

test('compressed blocks arrive as they were', needsPrograms, async (t) => {
  const produced = Buffer.concat([lines(100000), Buffer.from(Uint8Array.from({ length: 300000 }, () => Math.random() * 256))]);
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const pub = publisher(t, endpoint, '--wait-subs', '1', '--compress', 'zstd');
  const ledger = readAll(reader(t, { endpoint, from: 'start' }));
  pub.stdin.end(produced);
  (await bounded(ledger)).check(produced, { from: 0n });
  assert.equal((await ledger).lost, 0n);
});

test('with keys only those in the list are let in', needsPrograms, async (t) => {
  const directory = scratch();
  const file = (name) => join(directory, name);
  for (const name of ['server', 'good', 'bad']) execFileSync(join(BIN, 'pipedup-keygen'), ['-o', file(name)]);
  assert.equal(publicKeyOf(readKey(file('good.secret'))), readKey(file('good.pub')));
  writeFileSync(file('allowed'), readFileSync(file('good.pub')));
  const endpoint = await tcpEndpoint();
  const produced = lines(20000);
  const pub = publisher(t, endpoint, '--wait-subs', '1', '--curve-secret', file('server.secret'), '--allow-keys', file('allowed'));
  const curve = (name) => ({ serverKey: readKey(file('server.pub')), secretKey: readKey(file(`${name}.secret`)) });
  await pub.event('listening');
  await bounded(assert.rejects(readAll(reader(t, { endpoint, curve: curve('bad'), giveUp: 700 })), { code: 'not-reached' }));
  await bounded(assert.rejects(readAll(reader(t, { endpoint, giveUp: 700 })), { code: 'not-reached' }));
  const ledger = readAll(reader(t, { endpoint, from: 'start', curve: curve('good') }));
  pub.stdin.end(produced);
  (await bounded(ledger)).check(produced, { from: 0n });
});

test('stream() is a Readable of the bytes, with back pressure', needsPrograms, async (t) => {
  const endpoint = `ipc://${join(scratch(), 'p')}`;
  const produced = lines(200000);
  const pub = publisher(t, endpoint, '--wait-subs', '1');
  const subscriber = reader(t, { endpoint, from: 'start', maxQueued: 1 << 20 });
  const stream = subscriber.stream({ highWaterMark: 65536 });
  const events = [];
  for (const name of ['newSession', 'gap', 'endOfStream']) stream.on(name, () => events.push(name));
  pub.stdin.end(produced);
  const parts = [];
  for await (const data of stream) {
    parts.push(data);
    assert.ok(stream.readableLength <= 65536 + (1 << 20));
    assert.ok(subscriber.queued <= 1 << 20);
    if (parts.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.ok(Buffer.concat(parts).equals(produced));
  assert.deepEqual(events, ['newSession', 'endOfStream']);
  assert.equal(await pub.end(10000), 0);
});
