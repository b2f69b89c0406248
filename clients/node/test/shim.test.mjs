// pipedup-sub of this package, as a program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lines } from './support/ledger.mjs';
import { needsPrograms, Program, publisher, scratch, SHIM, shim } from './support/programs.mjs';

const endpointOf = (t) => `ipc://${join(scratch(), 'p')}`;

test('what is not understood is status 2, and says what', async (t) => {
  for (const [args, said] of [
    [['--no-such'], /no option '--no-such'/],
    [['--from', 'sometime'], /--from: 'sometime' is none of/],
    [['--count', '0'], /at least 1/],
    [['--timeout', '5x'], /no duration/],
    [['--last', '1', '--from', 'now'], /exclude/],
    [['--server-key', 'x'], /need each other/],
    [['tcp://h:65535'], /out of range/],
  ]) {
    const sub = new Program(t, process.execPath, [SHIM, '--log-format', 'json', ...args]);
    assert.equal(await sub.end(), 2, args.join(' '));
    assert.match(sub.events[0].message, said);
  }
});

test('a whole stream to stdout: status 0, and its events', needsPrograms, async (t) => {
  const endpoint = endpointOf(t);
  const produced = Buffer.concat([lines(100000), Buffer.from('\0 end')]);
  const pub = publisher(t, endpoint, '--wait-subs', '1', '-s', 'demo');
  const sub = shim(t, endpoint, ['--from', 'start']);
  pub.stdin.end(produced);
  assert.equal(await sub.end(), 0);
  assert.ok(sub.text.equals(produced));
  const [begin, end] = ['begin', 'end'].map((name) => sub.events.find(({ event }) => event === name));
  assert.equal(begin.position, 0);
  assert.equal(begin.stream, 'demo');
  assert.match(begin.session, /^[0-9a-f]{16}$/);
  assert.equal(end.position, produced.length);
  assert.equal(await pub.end(10000), 0);
});

test('--count, --last and --from cut at records', needsPrograms, async (t) => {
  const endpoint = endpointOf(t);
  const pub = publisher(t, endpoint);
  pub.stdin.write('one\ntwo\nthree\n');
  for (const [args, expected] of [
    [['--from', 'start', '--count', '2'], 'one\ntwo\n'],
    [['-n1', '--count', '1'], 'three\n'],
    [['--from', '-1h', '--count', '3'], 'one\ntwo\nthree\n'],
    [['--from', '4', '--count', '1'], 'two\n'],
  ]) {
    const sub = shim(t, endpoint, args);
    assert.equal(await sub.end(), 0, args.join(' '));
    assert.equal(sub.text.toString(), expected);
  }
});

test('what was lost is status 3, and a gap says what; --strict stops there', needsPrograms, async (t) => {
  const endpoint = endpointOf(t);
  const produced = lines(100000);
  const pub = publisher(t, endpoint, '--retain', '1MiB', '--wait-subs', '1', '--slow', 'wait');
  const witness = shim(t, endpoint, ['--from', 'start']);
  pub.stdin.write(produced);
  await witness.until('all of it', () => witness.bytes === produced.length);
  const strict = shim(t, endpoint, ['--from', '0', '--strict']);
  assert.equal(await strict.end(), 3);
  assert.equal(strict.bytes, 0);
  const sub = shim(t, endpoint, ['--from', '0']);
  const gap = await sub.event('gap');
  await sub.until('the rest', () => sub.bytes === produced.length - gap.to);
  pub.stdin.end();
  assert.equal(await sub.end(), 3);
  assert.deepEqual([gap.from, gap.bytes], [0, gap.to]);
  assert.ok(sub.text.equals(produced.subarray(gap.to)));
});

test('status 4: not reached, and vanished; 5: refused; 124: timeout; 128 + N: a signal', needsPrograms, async (t) => {
  const endpoint = endpointOf(t);
  assert.equal(await shim(t, endpoint, ['--give-up', '300ms']).end(), 4);
  const pub = publisher(t, endpoint);
  pub.stdin.write('x\n');
  assert.equal(await shim(t, endpoint, ['-s', 'dmeo']).end(), 5);
  assert.equal(await shim(t, endpoint, ['--timeout', '300ms']).end(), 124);
  const stopped = shim(t, endpoint, ['--from', 'start']);
  await stopped.until('a byte', () => stopped.bytes > 0);
  stopped.kill('SIGTERM');
  assert.equal(await stopped.end(), 143);
  const left = shim(t, endpoint, ['--from', 'start', '--give-up', '1s', '--dead-after', '500ms']);
  await left.until('a byte', () => left.bytes > 0);
  pub.kill('SIGKILL');
  assert.equal(await left.end(), 4);
});

test('141: the reader of stdout has left; a stop while it takes nothing', needsPrograms, async (t) => {
  const endpoint = endpointOf(t);
  const pub = publisher(t, endpoint);
  pub.stdin.write(lines(50000));
  const sub = shim(t, endpoint, ['--from', 'start']);
  await sub.until('a byte', () => sub.bytes > 0);
  sub.process.stdout.destroy();
  pub.stdin.write(lines(50000));
  assert.equal(await sub.end(), 141);

  const stuck = spawn('sh', ['-c', '"$0" "$@" | sleep 1000', process.execPath, SHIM, endpoint, '--from', 'start', '--timeout', '1s'], { stdio: ['ignore', 'ignore', 'ignore'], detached: true });
  t.after(() => process.kill(-stuck.pid, 'SIGKILL'));
  const direct = new Program(t, 'sh', ['-c', '{ "$0" "$@"; echo "{\\"event\\":\\"status\\",\\"status\\":$?}" >&2; } | { sleep 8; cat >/dev/null; }', process.execPath, SHIM, endpoint, '--from', 'start', '--timeout', '1s']);
  assert.equal((await direct.event('status', 7000)).status, 124);
});

test('a cursor goes on after the last byte that was written', needsPrograms, async (t) => {
  const directory = scratch();
  const endpoint = `ipc://${join(directory, 'p')}`;
  const cursor = join(directory, 'cursor');
  const pub = publisher(t, endpoint, '--max-delay', '10ms');
  pub.stdin.write('one\ntwo\n');
  const first = shim(t, endpoint, ['--from', 'start', '--cursor', cursor]);
  await first.until('both', () => first.text.toString() === 'one\ntwo\n');
  first.kill('SIGTERM');
  await first.end();
  assert.match(readFileSync(cursor, 'utf8'), /^pipedup cursor 1\n[0-9a-f]{16} 8 default\n/);
  pub.stdin.write('three\n');
  const second = shim(t, endpoint, ['--from', 'start', '--cursor', cursor]);
  await second.event('begin');
  pub.stdin.end('four');
  assert.equal(await second.end(), 0);
  assert.equal(second.text.toString(), 'three\nfour');

  const again = publisher(t, endpoint);
  again.stdin.write('another session\n');
  const third = shim(t, endpoint, ['--from', 'start', '--cursor', cursor, '--count', '1']);
  assert.equal(await third.end(), 0, 'the session of the cursor had ended');
  assert.equal(third.text.toString(), 'another session\n');
  again.kill('SIGKILL');
  await again.end();

  publisher(t, endpoint).stdin.write('a third\n');
  const lost = shim(t, endpoint, ['--from', 'start', '--cursor', cursor, '--count', '1']);
  assert.equal(await lost.end(), 3, 'that of this one had not');

  writeFileSync(cursor, 'pipedup cursor 1\nhalf a');
  const damaged = shim(t, endpoint, ['--from', 'start', '--cursor', cursor, '--count', '1']);
  assert.equal(await damaged.end(), 0);
  assert.equal(damaged.events[0].event, 'cursor');
});

test('killed again and again, a regular file gets every byte once', needsPrograms, async (t) => {
  const directory = scratch();
  const endpoint = `ipc://${join(directory, 'p')}`;
  const [cursor, file] = [join(directory, 'cursor'), join(directory, 'out')];
  const produced = lines(300000);
  const pub = publisher(t, endpoint, '--wait-subs', '1');
  appendFileSync(file, 'what was there before\n');
  const before = statSync(file).size;
  let written = 0;
  const feed = setInterval(() => {
    if (written >= produced.length) {
      clearInterval(feed);
      pub.stdin.end();
    } else {
      pub.stdin.write(produced.subarray(written, (written += 100000)));
    }
  }, 5);
  t.after(() => clearInterval(feed));
  const run = () => {
    const out = openSync(file, 'a');
    const sub = shim(t, endpoint, ['--from', 'start', '--cursor', cursor], { stdout: out });
    closeSync(out);
    return sub;
  };
  for (let kill = 0; kill < 6; kill += 1) {
    const sub = run();
    const size = statSync(file).size;
    while (statSync(file).size === size && sub.status === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
    sub.kill('SIGKILL');
    await sub.end();
  }
  assert.equal(await run().end(), 0);
  assert.ok(readFileSync(file).subarray(before).equals(produced));
});
