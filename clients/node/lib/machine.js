/**
 * What a subscriber does, without sockets, clocks or timers: events in, actions out (PROTOCOL.md, sections 4 to 7).
 *
 * Each event is a method that takes the time as its last argument, in ms of a clock that never goes back. What is
 * to be done then stands in `actions`, in order:
 *
 *     { do: 'control' }                    a new control socket; the old sockets, both, are closed
 *     { do: 'data', endpoint }             a new data socket; '' is the endpoint that the user gave
 *     { do: 'subscribe', prefix }          on the data socket; also 'unsubscribe'
 *     { do: 'send', message }              on the control socket
 *     { do: 'deliver', item }              to the consumer, in order
 *     { do: 'warn', event, message }       to whoever runs it
 *     { do: 'finish', error, reachable }   nothing follows; error is a SubscribeError or null; reachable: what was
 *                                          sent is to go out before the sockets are closed
 *
 * Modes: in LIVE it is subscribed to all of the stream. In CATCH-UP it hears heads and the end only, and reads
 * ranges, of which it asks for no more than it has room for: so the consumer's pace is felt by nobody else. Blocks
 * that come live while it still reads what is before them are kept, within bounds.
 *
 * This file is longer than others: all events meet in one state.
 *
 * @module
 */
import { SubscribeError } from './errors.js';
import { Kind, VERSION } from './header.js';
import { MAX_READ_BYTES } from './control.js';
import { Reader } from './reader.js';
import { Reads } from './reads.js';
import { placeIn, startOf } from './start.js';
import { ITEM_BYTES, Stash } from './stash.js';

const HELLO_MS = 500;
const MAX_HELLO_MS = 2000;
const STATUS_MOVING_MS = 250;
const STATUS_IDLE_MS = 2000;
const LIVE_AGAIN_MS = 250; // the publisher allows 4 KiB/s of subscriptions
const PING_MS = 100;
const CONFIRM_MS = 5000;
const HELLO_AGAIN_MS = 200;
const PING = 2n ** 64n - 1n;
const MAX_BAD_TRIES = 5;
const RETENTION_PASSED = 'retention passed';
const GONE = 'the session is gone';

/** Bytes of an item in the queue. */
export function costOf(item) {
  return ITEM_BYTES + (item.type === 'block' ? item.data.length : 0);
}

/** Everything before it was published, as a welcome says. */
function reachedBy({ head, reached }) {
  return reached > head ? reached : head;
}

export class Machine {
  actions = [];
  /** Counters: good blocks, duplicates, bad messages by error, sockets made anew, replies that were no use. */
  counters = { blocks: 0, duplicates: 0, bad: 0, malformed: 0, connections: 0, welcomes: 0, reads: 0, live: 0 };

  #options;
  #phase = 'new'; // then 'running', 'leaving', 'over'
  #member = 'no'; // 'asked', 'yes'
  #helloAt = 0;
  #helloPatience = HELLO_MS;
  #connectedAt = 0;
  #heardAt = 0; // anything good, from the publisher
  #dataAt = 0; // the same, on the data socket
  #data = null; // endpoint of the data socket, once there is one

  #welcome = null; // the last one
  #reader = null;
  #lostBefore = 0n; // bytes of earlier sessions
  #start = null; // what to begin with: a `from` of a read that is no position
  #reads = new Reads();
  #asked = 0n; // behind the last byte that was asked for
  #before = null; // position when the reads that are under way began
  #badAt = null;
  #badTries = 0;
  #stash = new Stash();
  #live = false;
  #liveAt = 0;
  #ended = false; // the publisher said that nothing follows its head
  #end = null; // the end of stream: { position, exitStatus }
  #endDelivered = false;

  #queued = 0;
  #untaken = 0; // items
  #stale = 0; // the first so many of them were read before the session was gone back in
  #taken = 0n; // position that the consumer has taken everything before
  #statusAt = -Infinity;
  #statusTaken = null;
  #statusMode = null;
  #leave = null; // { error, from, until, pingAt }
  #orphan = false; // the publisher of what was read to its end is gone

  /**
   * @param {object} options
   * @param {string} options.id hex digits
   * @param {string} [options.stream]
   * @param {string} options.name
   * @param {string} options.host
   * @param {bigint} options.pid
   * @param {'sub' | 'tap'} options.role
   * @param {'now' | 'start' | bigint | { last: bigint } | { since: bigint } | { ago: number }} options.from
   * @param {{ session: string, position: bigint, ended?: boolean }} [options.resume]
   * @param {boolean} options.follow
   * @param {number} options.maxQueued bytes
   * @param {number} options.deadAfter ms
   * @param {number} options.giveUp ms, 0 is never
   * @param {() => bigint} options.clock nanoseconds since 1970, where a publisher does not say its own
   */
  constructor(options) {
    this.#options = options;
  }

  // ---- what is to be seen from outside

  get mode() {
    if (this.#endDelivered) return 'ended';
    if (this.#reader === null || this.#reader.position === null) return 'joining';
    const behind = this.#reader.position < this.#reader.head || this.#stash.bytes > 0;
    return this.#live && !behind ? 'live' : 'catch-up';
  }

  get stream() {
    return this.#reader?.stream ?? this.#options.stream;
  }

  get session() {
    return this.#reader?.session;
  }

  get position() {
    return this.#reader?.position ?? undefined;
  }

  get head() {
    return this.#reader?.head;
  }

  get lost() {
    return this.#reader?.lost ?? 0n;
  }

  get queued() {
    return this.#queued;
  }

  // ---- events

  start(now) {
    this.#phase = 'running';
    this.#heardAt = now;
    this.#connect(now);
  }

  /** A good block message came on the data socket. */
  data(block, now) {
    if (this.#phase === 'over' || this.#reader === null || block.topic !== this.#reader.stream) return;
    this.#heardAt = now;
    this.#dataAt = now;
    if (block.session !== this.#reader.id) {
      this.#hello(now);
      return;
    }
    if (block.kind !== Kind.DATA) {
      this.#published(block);
    } else {
      this.counters.live += 1;
      this.#liveBlock(block, now);
    }
    this.#pump(now);
  }

  /** A good block message came on the control socket. */
  answer(block, now) {
    if (this.#phase === 'over') return;
    this.#heardAt = now;
    if (this.#reader === null || block.session !== this.#reader.id) return; // its `done` says the rest
    this.#reads.heard(now);
    if (block.kind !== Kind.DATA) {
      this.#published(block);
    } else if (this.#queued <= this.#options.maxQueued * 2) {
      const reader = this.#reader;
      if (reader.position === null) this.#seekFrom(block.position);
      if (block.position > reader.position && reader.position === this.#badAt && this.#badTries > MAX_BAD_TRIES) {
        reader.skip(block.position, 'what came was damaged each time');
      }
      this.#take(block);
    }
    this.#pump(now);
  }

  /** A good control message came. */
  control(message, now) {
    if (this.#phase === 'over') return;
    this.#heardAt = now;
    switch (message.op) {
      case 'welcome':
        this.#onWelcome(message, now);
        break;
      case 'refused':
        this.#onRefused(message, now);
        break;
      case 'done':
        this.#onDone(message, now);
        break;
      case 'error':
        this.#onError(message, now);
        break;
      case 'let-go':
        this.#warn('let-go', `the publisher no longer waits for this subscriber: ${message.reason}`);
        break;
      default: // an op that is not known, or an answer to what was not asked
    }
    this.#pump(now);
  }

  /** A message came that is to be dropped: `error` says why. */
  bad(error, now) {
    this.counters.bad += 1;
    this.#reads.damaged();
    if (this.counters.bad === 1) this.#warn('bad-message', `a bad message was dropped: ${error}`);
    this.#pump(now);
  }

  /** The control socket has no connection. */
  unreachable() {
    if (this.#phase === 'leaving') this.#finish(this.#leave.error, false); // the publisher closed with its last reader's end
  }

  /** Time passed. To be called every 50 ms or so. */
  tick(now) {
    if (this.#phase === 'over' || this.#phase === 'new') return;
    if (this.#phase === 'leaving') {
      this.#tickLeaving(now);
      if (this.#phase === 'over') return;
    }
    const { deadAfter, giveUp } = this.#options;
    if (giveUp > 0 && now - this.#heardAt >= giveUp && !this.#over()) {
      this.#vanished();
      return;
    }
    const patience = Math.max(deadAfter, 4 * (this.#welcome?.heartbeat_ms ?? 0));
    if (now - Math.max(this.#dataAt, this.#connectedAt) >= patience) {
      this.#connect(now);
    } else if (this.#member === 'asked' && now - this.#helloAt >= this.#helloPatience) {
      this.#helloPatience = Math.min(this.#helloPatience * 2, MAX_HELLO_MS);
      this.#sayHello(now);
    }
    if (this.#reads.expire(now)) this.#rewind();
    this.#pump(now);
  }

  /** The consumer has taken an item, the oldest one that it had not. */
  taken(item, now) {
    this.#queued -= costOf(item);
    this.#untaken -= 1;
    if (this.#stale > 0) {
      this.#stale -= 1; // its position may be of other bytes now
      this.#pump(now);
      return;
    }
    if (item.session === this.#reader?.session) {
      if (item.type === 'block') this.#taken = item.position + BigInt(item.data.length);
      else if (item.type === 'gap') this.#taken = item.to;
      else this.#taken = item.position;
    }
    if (item.type === 'end' && item.session === this.#reader?.session && this.#endDelivered) {
      if (this.#options.follow) this.#sendStatus(now);
      else if (this.#phase === 'running') this.#beginLeaving(null, now, CONFIRM_MS);
    }
    this.#pump(now);
  }

  /**
   * The consumer wants no more. A status says how far it came, and that the publisher has it is made sure before
   * `finish`, for at most `patience` ms.
   */
  leave(now, patience = 1000) {
    if (this.#phase === 'new') this.#finish(null);
    else if (this.#phase === 'running') this.#beginLeaving(null, now, patience);
  }

  /** Whether nothing more is wanted from the publisher than that it notes the end. */
  #over() {
    return this.#phase === 'leaving' || (this.#endDelivered && !this.#options.follow);
  }

  // ---- connections and membership

  #connect(now) {
    this.counters.connections += 1;
    this.#connectedAt = now;
    this.#data = null;
    this.#live = false;
    this.#liveAt = now;
    this.#stash.clear();
    this.#member = 'no';
    this.actions.push({ do: 'control' });
    this.#helloPatience = HELLO_MS;
    this.#helloAt = -Infinity;
    this.#hello(now);
  }

  #hello(now) {
    if (this.#member === 'asked') return;
    this.#member = 'asked';
    this.#rewind();
    if (now - this.#helloAt >= HELLO_AGAIN_MS) this.#sayHello(now);
    else this.#helloPatience = HELLO_AGAIN_MS; // two publishers at one endpoint would otherwise make it a flood
  }

  #sayHello(now) {
    this.#helloAt = now;
    const { id, name, host, pid, role } = this.#options;
    this.#send({ op: 'hello', v: VERSION, id, stream: this.stream, name, host, pid, role, codecs: ['zstd'] });
  }

  #onWelcome(welcome, now) {
    if (welcome.v !== VERSION) {
      this.#finish(new SubscribeError('version', `the publisher speaks version ${welcome.v} of the protocol, this program version ${VERSION}`));
      return;
    }
    if (welcome.codec !== 'none' && welcome.codec !== 'zstd') {
      this.#finish(new SubscribeError('codec', `the stream is compressed with '${welcome.codec}', which this program does not read`));
      return;
    }
    if (this.stream !== undefined && welcome.stream !== this.stream) {
      this.counters.malformed += 1;
      return;
    }
    this.counters.welcomes += 1;
    this.#member = 'yes';
    this.#helloPatience = HELLO_MS;
    const before = this.#reader;
    const restarted = before?.session === welcome.session && welcome.started !== this.#welcome.started;
    this.#welcome = welcome;
    if (before !== null && before.session !== welcome.session && this.#over()) {
      this.#member = 'no'; // nobody is there any more who wants the end confirmed
      this.#orphan = true;
      if (this.#phase === 'leaving') this.#finish(this.#leave.error);
      return;
    }
    if (before === null) this.#beginReading(welcome);
    else if (before.session !== welcome.session) this.#changeSession(welcome);
    else if (restarted && this.#phase === 'running') this.#startedAgain(welcome);
    if (this.#phase === 'over') return;
    const reader = this.#reader;
    reader.raise(reachedBy(welcome));
    this.#ended = welcome.ended;
    this.#goOnBehindEnd(reachedBy(welcome));
    if (this.#data !== welcome.data) {
      this.#data = welcome.data;
      this.#dataAt = now;
      this.#live = false;
      this.actions.push({ do: 'data', endpoint: welcome.data });
      // In this order: a head that arrives tells that all of them have taken hold.
      if (reader.position === null || this.#isNear()) this.#goLive(now);
      for (const kind of [Kind.HEAD, Kind.END]) {
        this.actions.push({ do: 'subscribe', prefix: Buffer.from(`${reader.stream}\0PDU${VERSION}${String.fromCharCode(kind)}`, 'latin1') });
      }
    }
    this.#sendStatus(now);
    if (this.#phase === 'leaving') this.#ping(now);
  }

  #onRefused({ code, reason }, now) {
    if (code === 'full' && this.#options.follow) {
      this.#helloAt = now;
      this.#helloPatience = MAX_HELLO_MS;
      return;
    }
    this.#finish(new SubscribeError(code, reason || `refused: ${code}`));
  }

  #onError({ code, reason }, now) {
    switch (code) {
      case 'unknown-member':
        this.#hello(now);
        break;
      case 'too-many-reads': // it does not say which: ask again for all, a little later
        this.#rewind();
        this.#reads.backOff(now);
        break;
      case 'no-records':
        this.#noRecords();
        break;
      case 'unknown-op':
      case 'unknown-stream':
        break;
      default:
        this.#warn('error', `the publisher said '${code}': ${reason}`);
        if (code === 'bad-request') this.#finish(new SubscribeError('bad-request', reason));
    }
  }

  // ---- where to begin, and sessions

  #makeReader(welcome, previous) {
    this.#lostBefore += this.lost;
    this.#reader = new Reader({
      stream: welcome.stream,
      session: welcome.session,
      records: welcome.records,
      previous,
      emit: (item) => {
        if (item.type === 'newSession') this.#taken = item.position;
        this.#deliver(item);
      },
    });
    this.#end = null;
    this.#endDelivered = false;
    this.#stash.clear();
    this.#rewind();
    return this.#reader;
  }

  #beginReading(welcome) {
    const { resume, from } = this.#options;
    const reader = this.#makeReader(welcome, null);
    reader.raise(welcome.head);
    if (resume !== undefined) {
      const position = placeIn(resume, welcome);
      if (position !== undefined) {
        reader.beginAt(position);
        return;
      }
      // How much there was of it nobody can say any more.
      if (!resume.ended) this.#deliver({ type: 'gap', stream: welcome.stream, session: resume.session, from: resume.position, to: resume.position, bytes: 0n, reason: GONE });
    }
    const start = startOf(from, welcome, this.#options.clock);
    if (start === null) this.#noRecords();
    else if (start.at !== undefined) reader.beginAt(start.at);
    else if (start.seek !== undefined) reader.seek(start.seek, start.exact);
    else this.#start = start.read;
  }

  /** The answer to the first read begins here. */
  #seekFrom(position) {
    this.#reader.seek(position);
    this.#start = null;
    this.#asked = position + BigInt(this.#readMax()); // as far as that read goes
  }

  #changeSession(welcome) {
    const old = this.#reader;
    const position = old.position ?? old.head;
    const known = this.#endDelivered ? position : old.head;
    const owes = old.position !== null && !old.seeking;
    const past = welcome.past.find(({ session }) => session === old.session);
    if (past !== undefined) {
      const beyond = position > past.end ? position : past.end;
      if (known > beyond && owes) old.gap(beyond, known, 'the publisher lost it in a crash');
      const reader = this.#makeReader(welcome, old.session);
      if (old.position === null) return; // it still has to begin
      const there = placeIn({ session: old.session, position }, welcome);
      if (owes) reader.beginAt(there);
      else reader.seek(there);
      return;
    }
    if (owes && known > position) old.gap(position, known, GONE);
    if (!this.#options.follow) {
      this.#finish(new SubscribeError('vanished', `the publisher was restarted with another session before the end of ${old.session}`));
      return;
    }
    this.#start = null;
    this.#makeReader(welcome, old.session).beginAt(0n);
  }

  /** Another publisher has the session that is read: it goes on with a journal. */
  #startedAgain(welcome) {
    if (!this.#endDelivered || !welcome.ended) this.#undoEnd();
    const old = this.#reader;
    const { position } = old;
    const reached = reachedBy(welcome);
    if (this.#endDelivered || position === null || position <= reached) return;
    // What was read beyond was lost by it, and those positions will be other bytes.
    const owes = !old.seeking;
    if (owes && old.head > position) old.gap(position, old.head, 'the publisher lost it in a crash');
    this.#stale = this.#untaken;
    const reader = this.#makeReader(welcome, old.session);
    if (owes) reader.beginAt(reached);
    else reader.seek(reached);
  }

  #vanished() {
    const reader = this.#reader;
    if (reader === null) {
      this.#finish(new SubscribeError('not-reached', 'no publisher was reached'));
      return;
    }
    if (reader.position !== null && !reader.seeking && reader.head > reader.position && !this.#endDelivered) {
      reader.gap(reader.position, reader.head, 'the publisher vanished');
    }
    this.#finish(new SubscribeError('vanished', 'the publisher vanished before the end of the stream'));
  }

  // ---- what arrives

  /** A head or an end of stream. */
  #published(block) {
    const reader = this.#reader;
    if (block.kind === Kind.END) {
      const beyond = reader.position !== null && reader.position > block.position;
      if (beyond && !reader.seeking) {
        this.counters.bad += 1; // cannot happen in a sound session
        return;
      }
      if (beyond) reader.position = block.position; // began behind the end: nothing is there
      if (this.#end !== null && block.position < this.#end.position) return; // it is older
      this.#goOnBehindEnd(block.position);
      this.#end = { position: block.position, exitStatus: block.exitStatus };
    } else {
      this.#goOnBehindEnd(block.position);
    }
    reader.raise(block.position);
  }

  /** An end need not be the last word: a publisher that is started again goes on behind it. */
  #goOnBehindEnd(head) {
    if (this.#end !== null && head > this.#end.position) this.#undoEnd();
  }

  #undoEnd() {
    if (this.#endDelivered && !this.#options.follow) return;
    this.#end = null;
    this.#endDelivered = false;
  }

  #liveBlock(block, now) {
    const reader = this.#reader;
    const end = block.position + BigInt(block.length);
    this.#goOnBehindEnd(end);
    if (reader.position === null || !this.#live) {
      reader.raise(end);
      return; // it is read later
    }
    const isNext = block.position <= reader.position;
    const room = isNext ? this.#room() : Math.min(this.#room(), this.#options.maxQueued / 4);
    if ((isNext ? this.#queued : this.#stash.bytes) + ITEM_BYTES + block.length > room) {
      this.#goCatchUp(now);
      reader.raise(end);
      return;
    }
    if (isNext) {
      this.#take(block);
      return;
    }
    reader.raise(end);
    this.#stash.add(block);
  }

  #take(block) {
    const reader = this.#reader;
    const before = reader.position;
    this.#goOnBehindEnd(block.position + BigInt(block.length));
    if (this.#endDelivered) return;
    if (reader.take(block) === 'duplicate') this.counters.duplicates += 1;
    this.counters.blocks += 1;
    if (reader.position === before) return;
    this.#reads.progress();
    this.#badTries = 0;
    this.#stash.drain(reader);
  }

  #onDone(done, now) {
    if (done.request === PING) {
      if (this.#phase === 'leaving' && this.#member === 'yes') this.#finish(this.#leave.error);
      return;
    }
    const read = this.#reads.done(done.request, now);
    if (this.#reader === null) return;
    const reader = this.#reader;
    const another = done.outcome === 'wrong-session' || done.session !== reader.session;
    if (!another) {
      reader.raise(done.head);
      this.#goOnBehindEnd(done.head);
    }
    if (read === undefined) return;
    if (another) {
      this.#reads.backOff(now);
      this.#hello(now);
      return;
    }
    this.#ended = done.ended;
    if (done.outcome === 'gone') this.#onGone(read, done);
    else if (reader.position === null && !read.damaged) this.#onNothingYet(read, done);
    if (reader.position !== null) this.#stash.drain(reader);
    if (this.#reads.count === 0) {
      this.#asked = reader.position ?? 0n;
      if (reader.position === this.#before) {
        this.#reads.backOff(now);
        if (read.damaged) {
          this.#badTries = this.#badAt === reader.position ? this.#badTries + 1 : 1;
          this.#badAt = reader.position;
        }
      }
    }
  }

  #onGone(read, done) {
    const reader = this.#reader;
    if (reader.position === null) {
      this.#seekFrom(done.tail);
      return;
    }
    // What was damaged on the way, and what comes before this range, is asked for again.
    const tried = read.damaged && this.#badTries <= MAX_BAD_TRIES;
    if (typeof read.from !== 'bigint' || reader.position < read.from || tried || done.tail <= reader.position) return;
    reader.skip(done.tail, done.reason || RETENTION_PASSED);
    this.#reads.progress();
  }

  /** The first read is answered with no block: nothing is published from there on. */
  #onNothingYet(read, done) {
    const oldest = done.next === done.tail && done.tail > 0n; // fewer records are kept than were asked for
    const reader = this.#reader;
    this.#start = null;
    if (read.from.last !== undefined && !oldest) reader.beginAt(done.next);
    else reader.seek(done.next);
  }

  // ---- what to do next

  /** Does whatever is due after an event. */
  #pump(now) {
    if (this.#phase === 'over' || this.#phase === 'new') return;
    this.#checkEnd();
    if (this.#member === 'yes' && this.#phase === 'running') {
      this.#readMore(now);
      this.#considerLive(now);
    }
    this.#considerStatus(now);
  }

  #checkEnd() {
    const reader = this.#reader;
    if (this.#end === null || this.#endDelivered || reader.position !== this.#end.position) return;
    this.#endDelivered = true;
    reader.end(this.#end.exitStatus);
  }

  /** Bytes that may be in the queue; the rest of the bound is for blocks that are kept. */
  #room() {
    return this.#options.maxQueued * 0.75;
  }

  #readMore(now) {
    const reader = this.#reader;
    if (this.#endDelivered) return;
    if (reader.position === null) {
      if (this.#start !== null && this.#reads.count === 0 && this.#reads.mayAsk(now)) this.#read(this.#start, this.#readMax(), now);
      return;
    }
    if (this.#reads.count === 0 || this.#asked < reader.position) this.#asked = reader.position;
    const target = this.#stash.position ?? reader.head;
    while (this.#asked < target && this.#reads.mayAsk(now)) {
      const missing = target - this.#asked;
      const max = missing < BigInt(this.#readMax()) ? Number(missing) : this.#readMax();
      if (this.#queued + this.#reads.bytes + max > this.#room() && this.#queued > 0) return;
      this.#read(this.#asked, max, now);
      this.#asked += BigInt(max);
    }
    // It is said that the stream has ended, and not yet how.
    if (this.#ended && this.#end === null && reader.position >= reader.head && this.#reads.count === 0 && this.#reads.mayAsk(now)) {
      this.#read(reader.position, this.#readMax(), now);
    }
  }

  #readMax() {
    return Math.max(1, Math.min(MAX_READ_BYTES, Math.floor(this.#options.maxQueued / 4)));
  }

  #read(from, max, now) {
    this.counters.reads += 1;
    if (this.#reads.count === 0) this.#before = this.#reader.position;
    const request = this.#reads.ask(from, max, now);
    this.#send({ op: 'read', request, session: this.#reader.session, from, max });
  }

  /** Forgets what was asked for: it is asked for again, from the position on. */
  #rewind() {
    this.#reads.clear();
    this.#asked = this.#reader?.position ?? 0n;
  }

  #considerLive(now) {
    const reader = this.#reader;
    if (this.#live || this.#data === null || now < this.#liveAt || reader.position === null) return;
    if (this.#isNear() && this.#queued <= this.#room() / 2) this.#goLive(now);
  }

  /** Whether the position is within one read of the head. */
  #isNear() {
    return this.#reader.head - this.#reader.position <= BigInt(this.#readMax());
  }

  #goLive(now) {
    this.#live = true;
    this.#liveAt = now + LIVE_AGAIN_MS;
    this.actions.push({ do: 'subscribe', prefix: this.#topic() });
  }

  #goCatchUp(now) {
    this.#live = false;
    this.#liveAt = Math.max(this.#liveAt, now + LIVE_AGAIN_MS);
    this.#stash.clear();
    this.actions.push({ do: 'unsubscribe', prefix: this.#topic() });
  }

  #topic() {
    return Buffer.from(`${this.#reader.stream}\0`, 'latin1');
  }

  // ---- status

  #considerStatus(now) {
    if (this.#member !== 'yes') return;
    const since = now - this.#statusAt;
    const taken = this.#reported();
    const moved = taken !== this.#statusTaken;
    const window = this.#welcome.window;
    const due = since >= (moved ? STATUS_MOVING_MS : STATUS_IDLE_MS)
      || (this.mode !== this.#statusMode && since >= 50)
      || (window > 0n && this.#statusTaken !== null && taken - this.#statusTaken >= (window / 8n || 1n));
    if (due) this.#sendStatus(now);
  }

  /** Every byte before it was taken by the consumer, or reported lost. */
  #reported() {
    const reader = this.#reader;
    return reader.position === null || reader.seeking ? reader.position : this.#taken;
  }

  #sendStatus(now) {
    if (this.#member !== 'yes' || this.#reader.position === null) return; // what it reads keeps it a member
    this.#statusAt = now;
    this.#statusTaken = this.#reported();
    this.#statusMode = this.mode;
    // The end is confirmed when the consumer has taken everything before it.
    const mode = this.mode === 'ended' && this.#statusTaken !== this.#end?.position ? 'catch-up' : this.mode;
    this.#send({ op: 'status', session: this.#reader.session, position: this.#statusTaken, lost: this.#lostBefore + this.#reader.lost, mode });
  }

  // ---- leaving

  #beginLeaving(error, now, patience) {
    this.#phase = 'leaving';
    this.#leave = { error, from: now, until: now + patience, pingAt: -Infinity };
    this.#rewind();
    if (this.#member === 'yes') {
      this.#sendStatus(now);
      this.#ping(now);
    } else if (this.#reader === null || this.#orphan) {
      this.#finish(error);
    }
  }

  #ping(now) {
    this.#leave.pingAt = now;
    this.#send({ op: 'read', request: PING, session: this.#reader.session, from: 0n, max: 0 });
  }

  #tickLeaving(now) {
    const silence = now - Math.max(this.#heardAt, this.#leave.from); // it sends heads, or the end, until it closes
    if (now >= this.#leave.until || silence >= 1.5 * this.#welcome.heartbeat_ms) {
      this.#finish(this.#leave.error);
    } else if (this.#member === 'yes' && now - this.#leave.pingAt >= PING_MS) {
      this.#sendStatus(now);
      this.#ping(now);
    }
  }

  #finish(error, reachable = this.#member !== 'no') {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    if (reachable) this.#send({ op: 'bye' });
    this.actions.push({ do: 'finish', error, reachable });
  }

  #noRecords() {
    this.#finish(new SubscribeError('no-records', 'the stream is raw: it has no records to begin at'));
  }

  #deliver(item) {
    this.#queued += costOf(item);
    this.#untaken += 1;
    this.actions.push({ do: 'deliver', item });
  }

  #send(message) {
    this.actions.push({ do: 'send', message });
  }

  #warn(event, message) {
    this.actions.push({ do: 'warn', event, message });
  }
}
