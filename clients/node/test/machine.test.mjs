// The machine without sockets: events in, actions out. Sections are those of PROTOCOL.md.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine } from '../lib/machine.js';
import { Ledger } from './support/ledger.mjs';

const SESSION = '1f2e3d4c5b6a7988';
const OTHER = '00000000000000a5';
const id = (session) => BigInt(`0x${session}`);
/** Byte at each position, so that what is delivered can be looked up. */
const byteAt = (position) => (position % 10n === 9n ? 10 : 97 + Number(position % 10n));

function bytes(from, to) {
  return Buffer.from(Array.from({ length: Number(to - from) }, (_, at) => byteAt(from + BigInt(at))));
}

class Bench {
  ledger = new Ledger();
  sent = [];
  subscribed = new Set();
  finished = undefined;
  now = 0;
  connections = 0;
  given = [];

  constructor(options = {}) {
    this.machine = new Machine({
      id: 'ab', name: '', host: '', pid: 1n, role: 'sub', from: 'start', follow: false, maxQueued: 65536, deadAfter: 3000,
      giveUp: 30000, clock: () => 0n, ...options,
    });
    this.do('start');
  }

  /** Gives it an event and does what it says. */
  do(event, ...args) {
    this.machine[event](...args, this.now);
    for (const action of this.machine.actions.splice(0)) {
      if (action.do === 'send') this.sent.push(action.message);
      else if (action.do === 'deliver') {
        this.ledger.add(action.item);
        this.given.push(action.item);
      } else if (action.do === 'subscribe') this.subscribed.add(action.prefix.toString('latin1'));
      else if (action.do === 'unsubscribe') this.subscribed.delete(action.prefix.toString('latin1'));
      else if (action.do === 'control') {
        this.connections += 1;
        this.subscribed.clear();
      } else if (action.do === 'finish') this.finished = action.error;
    }
  }

  takeAll() {
    while (this.given.length > 0) this.do('taken', this.given.shift());
  }

  /** Time passes, in steps. */
  pass(ms) {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 50;
      this.do('tick');
    }
  }

  last(op) {
    return this.sent.findLast((message) => message.op === op);
  }

  reads() {
    const reads = this.sent.filter(({ op }) => op === 'read');
    this.sent = this.sent.filter(({ op }) => op !== 'read');
    return reads;
  }

  welcome(members = {}) {
    const head = members.head ?? 0n;
    this.do('control', {
      op: 'welcome', v: 1, stream: 'demo', session: SESSION, tail: 0n, head, reached: head, records: 'lines', codec: 'none', data: '', journal: '',
      started: 0n, now: 0n, ended: false, past: [], path: [], heartbeat_ms: 500, window: 0n, ...members,
    });
  }

  block(from, to, { session = SESSION, topic = 'demo', kind = 1, event = 'data' } = {}) {
    const data = bytes(BigInt(from), BigInt(to));
    this.do(event, {
      topic, kind, codec: 0, session: id(session), position: BigInt(from), length: data.length, records: 0, recordsBefore: 0n, time: 0n, exitStatus: 0,
      flags: BigInt(from) % 10n === 0n ? 1 : 0, data,
    });
  }

  answer(from, to, options) {
    this.block(from, to, { topic: '', event: 'answer', ...options });
  }

  head(position, kind = 2, session = SESSION) {
    this.do('data', { topic: 'demo', kind, codec: 0, flags: 0, session: id(session), position: BigInt(position), length: 0, records: 0, recordsBefore: 0n, time: 0n, exitStatus: 3, data: Buffer.alloc(0) });
  }

  done(request, members = {}) {
    this.do('control', { op: 'done', request, outcome: 'ok', session: SESSION, next: 0n, tail: 0n, head: this.machine.head ?? 0n, ended: false, reason: '', ...members });
  }

  delivered() {
    return Buffer.concat(this.ledger.pieces.map(([, data]) => data));
  }
}

/** One that is live at the position `at`. */
function live(at = 100n, options = {}) {
  const bench = new Bench({ resume: { session: SESSION, position: at }, ...options });
  bench.welcome({ head: at });
  assert.equal(bench.machine.mode, 'live');
  return bench;
}

test('4.1: a duplicate is dropped, and of an overlap the rest is taken', () => {
  const bench = live();
  bench.block(100, 120);
  bench.block(100, 120);
  bench.block(110, 130);
  bench.block(90, 100);
  assert.deepEqual(bench.delivered(), bytes(100n, 130n));
  assert.equal(bench.ledger.position, 130n);
});

test('4.1: a block beyond the position is kept, and what is before it read first', () => {
  const bench = live();
  bench.block(120, 130);
  bench.block(130, 140);
  assert.equal(bench.ledger.position, 100n);
  const [read, ...more] = bench.reads();
  assert.deepEqual([read.from, read.max, more.length], [100n, 20, 0]);
  assert.equal(bench.machine.mode, 'catch-up');
  bench.answer(100, 120);
  bench.done(read.request, { next: 120n });
  assert.deepEqual(bench.delivered(), bytes(100n, 140n));
  assert.equal(bench.machine.mode, 'live');
  assert.deepEqual(bench.reads(), []);
});

test('4.1: a head beyond the position shows that something is missing', () => {
  const bench = live();
  bench.head(100);
  assert.deepEqual(bench.reads(), []);
  bench.head(115);
  assert.deepEqual(bench.reads().map(({ from, max }) => [from, max]), [[100n, 15]]);
});

test('4.1: a hole in what is kept is read as well', () => {
  const bench = live();
  bench.block(110, 120);
  bench.block(130, 140);
  const [read] = bench.reads();
  bench.answer(100, 110);
  bench.done(read.request, { next: 110n, head: 140n });
  const [second] = bench.reads();
  assert.deepEqual([second.from, second.max], [120n, 20]);
  bench.answer(120, 140);
  assert.deepEqual(bench.delivered(), bytes(100n, 140n));
});

test('4.1: an end beyond the position waits for what is missing; one before it is no end', () => {
  const bench = live();
  bench.head(90, 3);
  assert.equal(bench.machine.counters.bad, 1);
  bench.head(120, 3);
  assert.equal(bench.ledger.ended, null);
  bench.answer(100, 120);
  assert.equal(bench.ledger.ended.position, 120n);
  assert.equal(bench.ledger.ended.exitStatus, 3);
});

test('6.3: the end is confirmed once everything was taken, and made sure before bye', () => {
  const bench = live();
  bench.block(100, 120);
  bench.head(120, 3);
  bench.pass(300);
  assert.ok(bench.sent.every(({ op, mode }) => op !== 'status' || mode !== 'ended'), 'nothing was taken yet');
  bench.takeAll();
  assert.deepEqual(bench.last('status'), { op: 'status', session: SESSION, position: 120n, lost: 0n, mode: 'ended' });
  const ping = bench.last('read');
  assert.equal(ping.max, 0);
  assert.equal(bench.finished, undefined);
  bench.do('control', { op: 'error', code: 'unknown-member', reason: '' });
  bench.pass(200);
  assert.equal(bench.sent.at(-1).op, 'hello');
  bench.welcome({ head: 120n, ended: true });
  assert.equal(bench.last('status').mode, 'ended');
  bench.done(ping.request);
  assert.equal(bench.finished, null);
  assert.equal(bench.sent.at(-1).op, 'bye');
});

test('7: two reads at a time, of what there is room for', () => {
  const bench = new Bench({ resume: { session: SESSION, position: 0n } });
  bench.welcome({ head: 1000000n });
  const reads = bench.reads();
  assert.deepEqual(reads.map(({ from, max }) => [from, max]), [[0n, 16384], [16384n, 16384]]);
  bench.answer(0, 16384);
  bench.done(reads[0].request, { next: 16384n });
  bench.answer(16384, 32768);
  bench.done(reads[1].request, { next: 32768n });
  assert.deepEqual(bench.reads(), [], 'three quarters of 64 KiB are for the queue, and each item costs a little');
  bench.do('taken', bench.given.shift());
  bench.do('taken', bench.given.shift());
  assert.deepEqual(bench.reads().map(({ from }) => from), [32768n]);
  bench.takeAll();
  assert.deepEqual(bench.reads().map(({ from }) => from), [49152n]);
});

test('7: what is gone is a gap up to the tail, and it reads on from there', () => {
  const bench = new Bench({ resume: { session: SESSION, position: 0n } });
  bench.welcome({ head: 40000n });
  const [first, second] = bench.reads();
  bench.done(first.request, { outcome: 'gone', tail: 20000n, head: 40000n });
  assert.equal(bench.ledger.position, 20000n);
  bench.answer(20000, 32768);
  bench.done(second.request, { outcome: 'ok', next: 32768n, tail: 20000n, head: 40000n });
  assert.equal(bench.ledger.position, 32768n);
  assert.equal(bench.ledger.lost, 20000n);
});

test('7: a read without an answer is asked again after 2 s, then later, and nothing is asked of what came', () => {
  const bench = new Bench({ resume: { session: SESSION, position: 0n } });
  bench.welcome({ head: 1000n });
  const beat = (ms) => {
    for (let at = 0; at < ms; at += 500) {
      bench.pass(500);
      bench.head(1000);
    }
  };
  assert.equal(bench.reads().length, 1);
  bench.answer(0, 100);
  beat(1500);
  assert.equal(bench.reads().length, 0);
  beat(1000);
  assert.deepEqual(bench.reads().map(({ from }) => from), [100n]);
  beat(3000);
  assert.equal(bench.reads().length, 0);
  beat(1500);
  assert.equal(bench.reads().length, 1);
});

test('7: an answer without progress is not asked for again at once', () => {
  const bench = live();
  bench.head(200);
  for (let answers = 0, asked = 0; answers < 20; answers += 1) {
    const reads = bench.reads();
    asked += reads.length;
    for (const { request } of reads) bench.done(request, { next: 100n, head: 100n });
    if (answers === 19) assert.equal(asked, 1);
  }
});

test('4.3: what was damaged on the way is asked for again, and a gap only if it always is', () => {
  const bench = live();
  bench.head(200);
  let tries = 0;
  while (bench.ledger.lost === 0n && tries < 30) {
    for (const { request } of bench.reads()) {
      tries += 1;
      bench.do('bad', 'checksum'); // of [100, 150)
      bench.answer(150, 200);
      bench.done(request, { next: 200n });
    }
    bench.pass(500);
    bench.head(200);
  }
  assert.equal(bench.ledger.lost, 50n);
  assert.equal(bench.ledger.position, 200n);
  assert.ok(tries > 3 && tries < 10, `${tries} tries`);
});

test('4.4: a new reader begins at a record, wherever the block does', () => {
  const since = new Bench({ from: { since: 5n } });
  since.welcome({ head: 200n });
  const [read] = since.reads();
  assert.deepEqual(read.from, { since: 5n });
  since.answer(103, 125);
  assert.equal(since.ledger.begun, 110n);
  assert.deepEqual(since.delivered(), bytes(110n, 125n));

  const now = new Bench({ from: 'now' });
  now.welcome({ head: 200n });
  assert.deepEqual(now.reads()[0].from, { last: 0n });
  now.answer(150, 153);
  assert.equal(now.ledger.begun, 150n);
});

test('4.4: of the last records none is there yet: it begins behind them', () => {
  const bench = new Bench({ from: 'now' });
  bench.welcome({ head: 200n });
  bench.done(bench.reads()[0].request, { next: 200n, head: 200n });
  assert.equal(bench.ledger.begun, 200n);
  bench.block(200, 210);
  assert.equal(bench.ledger.position, 210n);
});

test('4.4: what is gone before a record was found was never asked for; from a position on it was', () => {
  const start = new Bench({ from: 'start' });
  start.welcome({ tail: 15n, head: 200n });
  const [read] = start.reads();
  assert.equal(read.from, 15n);
  start.done(read.request, { outcome: 'gone', tail: 44n, head: 200n });
  assert.equal(start.reads()[0].from, 44n);
  start.answer(44, 60);
  assert.equal(start.ledger.begun, 50n);
  assert.equal(start.ledger.lost, 0n);

  const exact = new Bench({ from: 5n });
  exact.welcome({ tail: 15n, head: 200n });
  exact.done(exact.reads()[0].request, { outcome: 'gone', tail: 44n, head: 200n });
  exact.answer(44, 60);
  assert.equal(exact.ledger.begun, 5n);
  assert.equal(exact.ledger.lost, 39n);
  assert.deepEqual(exact.delivered(), bytes(44n, 60n));
});

test('4.2: what is known of a session that is over is a gap; the next one begins at 0', () => {
  const bench = live(100n, { follow: true });
  bench.head(150);
  bench.block(0, 10, { session: OTHER });
  assert.equal(bench.ledger.position, 100n, 'nothing of it is delivered yet');
  bench.pass(200);
  assert.equal(bench.last('hello').stream, 'demo');
  bench.welcome({ session: OTHER, tail: 5n, head: 10n });
  assert.equal(bench.ledger.lost, 50n);
  assert.deepEqual([bench.ledger.session, bench.ledger.position], [OTHER, 0n]);
  bench.done(bench.reads().at(-1).request, { session: OTHER, outcome: 'gone', tail: 5n, head: 10n });
  bench.answer(5, 10, { session: OTHER });
  assert.equal(bench.ledger.lost, 55n);
  assert.equal(bench.ledger.position, 10n);
  bench.takeAll();
  bench.pass(500);
  assert.equal(bench.last('status').lost, 55n, 'of all sessions');
});

test('4.2: without follow another session is no end', () => {
  const bench = live();
  bench.welcome({ session: OTHER });
  assert.equal(bench.finished.code, 'vanished');
  assert.equal(bench.ledger.ended, null);
});

test('4.2: a session that goes on with the old one is read on from where both have it', () => {
  for (const [end, at, lost] of [[120n, 100n, 10n], [80n, 80n, 30n], [200n, 100n, 0n]]) {
    const bench = live(100n);
    bench.head(130);
    bench.welcome({ session: OTHER, head: 300n, past: [{ session: SESSION, end }] });
    assert.deepEqual([bench.ledger.session, bench.ledger.position, bench.ledger.lost], [OTHER, at, lost]);
    assert.equal(bench.finished, undefined);
  }
  const resumed = new Bench({ resume: { session: SESSION, position: 100n } });
  resumed.welcome({ session: OTHER, head: 300n, past: [{ session: SESSION, end: 80n }] });
  assert.equal(resumed.ledger.position, 80n);
});

test('4.2: with follow an end is not the last word', () => {
  const bench = live(100n, { follow: true });
  bench.head(100, 3);
  bench.takeAll();
  assert.equal(bench.last('status').mode, 'ended');
  assert.equal(bench.finished, undefined);
  bench.welcome({ head: 100n });
  bench.block(100, 110);
  bench.head(110, 3);
  assert.deepEqual(bench.ledger.items, ['newSession', 'end', 'block', 'end']);
});

/** One that follows, and has been given the end at 110. */
function ended(options = {}) {
  const bench = live(100n, { follow: true, ...options });
  bench.block(100, 110);
  bench.head(110, 3);
  assert.equal(bench.machine.mode, 'ended');
  return bench;
}

test('4.2: an end is undone by another start of the publisher, and by no older word of this one', () => {
  const bench = ended();
  bench.welcome({ head: 105n });
  bench.welcome({ head: 110n });
  assert.equal(bench.machine.mode, 'ended');
  bench.welcome({ head: 110n, started: 1n, ended: true });
  assert.equal(bench.machine.mode, 'ended');
  bench.welcome({ head: 110n, started: 2n });
  assert.notEqual(bench.machine.mode, 'ended');
  bench.head(110, 3);
  assert.deepEqual(bench.ledger.items, ['newSession', 'block', 'end', 'end']);
});

test('4.2: whatever tells of more than the end undoes it', () => {
  const words = {
    head: (bench) => bench.head(120),
    end: (bench) => bench.head(120, 3),
    block: (bench) => bench.block(110, 120),
    answer: (bench) => bench.answer(110, 120),
    'block in catch-up': (bench) => bench.block(115, 120),
    done: (bench) => bench.done(5n, { head: 120n }),
    welcome: (bench) => bench.welcome({ head: 120n, ended: true }),
    'welcome of a relay': (bench) => bench.welcome({ head: 110n, reached: 120n }),
  };
  for (const [name, tell] of Object.entries(words)) {
    const bench = ended();
    tell(bench);
    assert.notEqual(bench.machine.mode, 'ended', name);
    bench.answer(110, 120);
    bench.head(120, 3);
    assert.deepEqual(bench.ledger.items, ['newSession', 'block', 'end', 'block', 'end'], name);
  }
});

test('4.2: who does not follow is given nothing behind the end', () => {
  const bench = ended({ follow: false });
  bench.reads();
  bench.head(120);
  bench.block(110, 120);
  bench.answer(110, 120);
  bench.pass(100);
  assert.deepEqual(bench.reads(), []);
  bench.takeAll();
  assert.equal(bench.last('status').mode, 'ended');
  assert.deepEqual(bench.ledger.items, ['newSession', 'block', 'end']);
});

test('4.2: a publisher that has lost what was read is read on where it is', () => {
  for (const follow of [false, true]) {
    const bench = live(100n, { follow });
    bench.block(100, 120);
    bench.head(130);
    bench.welcome({ head: 110n });
    assert.equal(bench.ledger.items.at(-1), 'block', 'an old answer: it waits at 120');
    bench.welcome({ head: 110n, started: 1n });
    assert.deepEqual(bench.ledger.items, ['newSession', 'block', 'gap', 'newSession']);
    assert.deepEqual([bench.ledger.session, bench.ledger.position, bench.ledger.lost], [SESSION, 110n, 10n]);
    bench.do('taken', bench.given.shift());
    bench.do('taken', bench.given.shift()); // [100, 120) as it was
    bench.pass(300);
    assert.equal(bench.last('status').position, 110n);
    bench.block(110, 130);
    bench.takeAll();
    bench.pass(300);
    assert.equal(bench.last('status').position, 130n);
    assert.equal(bench.machine.queued, 0);
  }
  const bench = live(100n);
  bench.block(100, 120);
  bench.welcome({ head: 110n, reached: 120n, started: 1n });
  assert.equal(bench.machine.position, 120n, 'it will get there again');
});

test('5: silence on the data socket makes both sockets anew, also while the control socket speaks', () => {
  const bench = live(100n, { giveUp: 0 });
  for (let at = 0; at < 40; at += 1) {
    bench.pass(100);
    bench.do('control', { op: 'let-go', reason: '' });
  }
  assert.equal(bench.connections, 2);
  assert.equal(bench.subscribed.size, 0);
  bench.welcome({ head: 150n });
  assert.ok(bench.subscribed.has('demo\0'));
  assert.ok(bench.subscribed.has('demo\0PDU1\x03'));
  assert.deepEqual(bench.reads().map(({ from, max }) => [from, max]), [[100n, 50]]);
});

test('5: it waits for at least four heartbeats', () => {
  const bench = live(100n, { deadAfter: 200, giveUp: 0 });
  bench.pass(1900);
  assert.equal(bench.connections, 1);
  bench.pass(200);
  assert.equal(bench.connections, 2);
});

test('6.2: unknown-member means hello, and what was asked for is asked again from the same position', () => {
  const bench = live();
  bench.pass(1000);
  bench.head(200);
  bench.reads();
  bench.do('control', { op: 'error', code: 'unknown-member', reason: '' });
  assert.equal(bench.sent.at(-1).op, 'hello');
  bench.welcome({ head: 200n });
  assert.deepEqual(bench.reads().map(({ from, max }) => [from, max]), [[100n, 100]]);
});

test('6.3: no status is sent before it is known where it begins', () => {
  const bench = new Bench({ from: { last: 3n } });
  bench.welcome({ head: 200n });
  bench.pass(500);
  assert.equal(bench.last('status'), undefined);
  bench.answer(170, 200);
  assert.ok(bench.last('status') !== undefined);
});

test('6.3: a status every 250 ms while it moves, every 2 s while not, and for each eighth of a window', () => {
  const bench = live(100n);
  const statuses = (ms, each = () => {}) => {
    bench.sent = [];
    for (let at = 0; at < ms; at += 500) {
      each();
      bench.pass(500);
      bench.head(bench.machine.head);
    }
    return bench.sent.filter(({ op }) => op === 'status').length;
  };
  assert.equal(statuses(10000), 5);
  let next = 100;
  const moving = statuses(5000, () => {
    bench.block(next, (next += 10));
    bench.takeAll();
  });
  assert.ok(moving >= 9 && moving <= 20, `${moving} in 5 s`);
  assert.equal(bench.last('status').position, BigInt(next));

  const windowed = new Bench({ resume: { session: SESSION, position: 0n } });
  windowed.welcome({ head: 0n, window: 800n });
  windowed.sent = [];
  for (let at = 0; at < 1000; at += 50) {
    windowed.block(at, at + 50);
    windowed.takeAll();
  }
  assert.ok(windowed.sent.filter(({ op }) => op === 'status').length >= 10);
});

test('a full queue means CATCH-UP: nothing more is kept, and it goes back when there is room', () => {
  const bench = live(0n);
  let at = 0;
  while (bench.machine.mode === 'live' && at < 1000000) bench.block(at, (at += 1000));
  assert.ok(bench.machine.queued <= 65536);
  assert.ok(!bench.subscribed.has('demo\0'));
  assert.ok(bench.subscribed.has('demo\0PDU1\x02'), 'heads are still heard');
  bench.block(at, at + 1000); // one that was under way
  assert.ok(bench.machine.queued <= 65536);
  const published = at + 1000;
  bench.head(published);
  bench.takeAll();
  for (let reads = bench.reads(); reads.length > 0; reads = bench.reads()) {
    for (const { request, from, max } of reads) {
      bench.answer(from, from + BigInt(max));
      bench.done(request, { next: from + BigInt(max) });
      bench.takeAll();
    }
  }
  bench.pass(300);
  assert.equal(bench.machine.mode, 'live');
  assert.deepEqual(bench.delivered(), bytes(0n, BigInt(published)));
});

test('many small blocks are bounded too', () => {
  const bench = live(0n);
  for (let at = 0; at < 5000; at += 1) bench.block(at, at + 1);
  assert.ok(bench.given.length < 256);
});

test('9: a welcome of another version, and a codec that is not known, are refused', () => {
  const version = new Bench();
  version.do('control', { op: 'welcome', v: 2 });
  assert.equal(version.finished.code, 'version');
  assert.match(version.finished.message, /version 2.*version 1/);
  const codec = new Bench();
  codec.welcome({ codec: 'lz4' });
  assert.equal(codec.finished.code, 'codec');
});

test('positions near 2^64 do not wrap', () => {
  const top = 2n ** 64n - 1n;
  const bench = live(top - 10n);
  bench.head(top);
  const [read] = bench.reads();
  assert.deepEqual([read.from, read.max], [top - 10n, 10]);
  bench.done(read.request, { outcome: 'gone', tail: top, head: top });
  assert.equal(bench.ledger.position, top);
  bench.head(top, 3);
  assert.equal(bench.ledger.ended.position, top);
});

test('a publisher that is not heard is given up, with what is known to be missing as a gap', () => {
  const never = new Bench({ giveUp: 1000 });
  never.pass(1100);
  assert.equal(never.finished.code, 'not-reached');
  const bench = live(100n, { giveUp: 1000 });
  bench.head(150);
  bench.pass(1100);
  assert.equal(bench.finished.code, 'vanished');
  assert.equal(bench.ledger.lost, 50n);
});

/** A generator of numbers that gives the same ones again (mulberry32). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

test('whatever is lost, damaged or repeated on the way: delivered ∪ reported = produced, nothing twice', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const below = random(seed);
    const bench = new Bench({ resume: { session: SESSION, position: 0n }, maxQueued: 8192, giveUp: 0 });
    let head = 0n;
    let tail = 0n;
    const end = BigInt(20000 + below(20000));
    const welcome = () => bench.welcome({ tail, head });
    welcome();
    for (let step = 0; step < 20000 && bench.finished === undefined; step += 1) {
      if (head < end && below(3) === 0) {
        const next = head + BigInt(1 + below(900));
        const to = next > end ? end : next;
        if (bench.subscribed.has('demo\0') && below(5) > 0) bench.block(head, to);
        if (below(20) === 0) bench.block(head > 50n ? head - 50n : 0n, to);
        head = to;
        if (head - tail > 6000n && below(4) === 0) tail = head - 6000n;
      }
      for (const hello of bench.sent.filter(({ op }) => op === 'hello')) if (hello) welcome();
      bench.sent = bench.sent.filter(({ op }) => op === 'read');
      for (const { request, from, max } of bench.reads()) {
        const fate = below(12);
        if (max === 0) bench.done(request, {});
        else if (fate === 0) bench.do('bad', 'checksum');
        else if (fate === 1) bench.do('control', { op: 'error', code: 'unknown-member', reason: '' });
        else if (fate > 2) {
          if (from < tail) {
            bench.done(request, { outcome: 'gone', tail, head });
            continue;
          }
          let at = from;
          const stop = from + BigInt(max) < head ? from + BigInt(max) : head;
          while (at < stop) {
            const to = at + BigInt(1 + below(3000));
            const next = to < stop ? to : stop;
            if (below(15) > 0) bench.answer(at, next);
            else bench.do('bad', 'check');
            at = next;
          }
          bench.done(request, { next: at, tail, head });
        }
      }
      if (below(3) > 0 && bench.given.length > 0) bench.do('taken', bench.given.shift());
      if (below(4) === 0) bench.head(head, head === end && below(2) === 0 ? 3 : 2);
      bench.pass(50);
    }
    assert.equal(bench.finished, null, `seed ${seed}: it did not end, at ${bench.ledger.position} of ${end}`);
    assert.equal(bench.ledger.position, end);
    for (const [position, data] of bench.ledger.pieces) assert.deepEqual(data, bytes(position, position + BigInt(data.length)), `seed ${seed}`);
  }
});
