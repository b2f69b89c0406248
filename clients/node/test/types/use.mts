// Checked and never run: the types fit together, and are what the README shows.
import { subscribe, Subscriber, SubscribeError, readKey, type Item, type RecordItem } from 'pipedup';
import { decodeBlock, decodeAnswer, encodeRequest } from 'pipedup/codec';

const subscriber: Subscriber = subscribe({
  endpoint: 'tcp://h:1', stream: 'x', from: { last: 10 }, resume: { session: '00000000000000a5', position: 1n }, follow: true,
  curve: { serverKey: readKey('a'), secretKey: readKey('b') },
});
for await (const item of subscriber) {
  const every: Item = item;
  if (every.type === 'block') console.log(every.data.length, every.position + 1n);
  else if (every.type === 'gap') console.log(every.bytes, every.reason);
  else if (every.type === 'newSession') console.log(every.previous?.length);
  else console.log(every.exitStatus ?? 0);
}
for await (const item of subscriber.records({ maxBytes: 10 })) if (item.type === 'record') console.log((item satisfies RecordItem).complete);
subscriber.stream({ highWaterMark: 1 }).on('gap', () => {}).pipe(process.stdout);
subscriber.on('warning', ({ event, message }) => console.log(event, message));
const batch: Item[] = await subscriber.nextBatch(10);
await subscriber.close({ patience: 10 });
const error = new SubscribeError('vanished', '');
console.log(error.code, batch.length, subscriber.counters.blocks, subscriber.streamName);
const { block } = decodeBlock([]);
console.log(block?.data, decodeAnswer(new Uint8Array()).op, encodeRequest({ op: 'bye' }));
// @ts-expect-error: no such option
subscribe({ endpont: 'x' });
// @ts-expect-error: no such place to begin
subscribe({ from: 'then' });
