// How fast this subscriber reads, against a real pipedup-pub:
//
//     PIPEDUP_BIN=../../build/release/bin node bench.mjs [--tcp] [--mb N]
//
// Each case is a publisher that waits for one subscriber, and then publishes so many MB that the producer is not the
// limit. Times are from the first item to the last.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { subscribe } from './index.js';

const BIN = process.env.PIPEDUP_BIN;
if (!BIN) throw new Error('PIPEDUP_BIN names no directory of built programs');
const args = process.argv.slice(2);
const megabytes = Number(args[args.indexOf('--mb') + 1]) || 512;
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : '';

const directory = mkdtempSync(join(tmpdir(), 'pipedup-bench-'));
let port = 20000 + (process.pid % 10000) * 2;

function line(bytes) {
  return `${'x'.repeat(bytes - 1)}\n`;
}

/** Reads everything that a publisher publishes. */
async function measure(name, { lineBytes = 100, publisher = [], options = {}, read }) {
  if (only && !name.includes(only)) return;
  const endpoint = args.includes('--tcp') ? `tcp://127.0.0.1:${(port += 2)}` : `ipc://${join(directory, name.replace(/\W/g, ''))}`;
  const pub = spawn(join(BIN, 'pipedup-pub'), ['-b', endpoint, '--wait-subs', '1', '--slow', 'wait', ...publisher], { stdio: ['pipe', 'ignore', 'inherit'] });
  const feed = spawn('sh', ['-c', `yes "${line(lineBytes).trimEnd()}" | head -c ${megabytes * 1000000}`], { stdio: ['ignore', pub.stdin, 'inherit'] });
  pub.stdin.destroy();
  const closed = new Promise((resolve) => pub.on('close', resolve));
  const subscriber = subscribe({ endpoint, from: 'start', ...options });
  const cpu = process.cpuUsage();
  const start = performance.now();
  const { bytes, records } = await read(subscriber);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await closed;
  feed.kill();
  const rate = records === undefined ? '' : `, ${(records / seconds / 1e6).toFixed(2)} M records/s`;
  console.log(`${name}: ${(bytes / 1e6 / seconds).toFixed(0)} MB/s${rate} (${seconds.toFixed(2)} s; CPU of this process ${((user + system) / 1e4 / seconds).toFixed(0)} %; ${JSON.stringify(subscriber.counters)})`);
}

async function blocks(subscriber) {
  let bytes = 0;
  for await (const item of subscriber) if (item.type === 'block') bytes += item.data.length;
  return { bytes };
}

async function records(subscriber) {
  let [bytes, count] = [0, 0];
  for await (const item of subscriber.records()) {
    if (item.type !== 'record') continue;
    bytes += item.data.length;
    count += 1;
  }
  return { bytes, records: count };
}

async function stream(subscriber) {
  let bytes = 0;
  for await (const data of subscriber.stream()) bytes += data.length;
  return { bytes };
}

try {
  await measure('blocks', { read: blocks });
  await measure('blocks, not checksummed', { read: blocks, publisher: ['--no-checksum'] });
  await measure('stream()', { read: stream });
  await measure('records of 100 bytes', { read: records });
  await measure('records of 1000 bytes', { lineBytes: 1000, read: records });
  await measure('blocks, zstd', { read: blocks, publisher: ['--compress', 'zstd'] });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
