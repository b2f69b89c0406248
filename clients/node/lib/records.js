/**
 * Records out of blocks (PROTOCOL.md, section 3): a record ends with its delimiter, which belongs to it.
 *
 * @module
 */

const DELIMITERS = { lines: 0x0a, nul: 0x00 };

/**
 * @param {AsyncIterable<import('../index.js').Item>} items
 * @param {{ maxBytes?: number }} [options] `maxBytes` of a record that is held together, 64 MiB by default; of a
 *   longer one, pieces are given
 * @returns {AsyncGenerator<import('../index.js').RecordItem>}
 * @throws {SubscribeError} with code `no-records`, if the stream is raw
 */
export async function* splitRecords(items, { maxBytes = 64 * 1024 * 1024 } = {}) {
  let delimiter = -1;
  let stream = '';
  let pieces = []; // of a record that has not ended yet
  let held = 0;
  let start = 0n; // of that record
  let session = '';
  let begun = true; // whether the record began with what is held

  const record = (position, data, complete) => ({ type: 'record', stream, session, position, data, complete });
  const flush = () => {
    const rest = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, held);
    pieces = [];
    held = 0;
    return rest;
  };

  for await (const item of items) {
    if (item.type !== 'block') {
      if (held > 0) yield record(start, flush(), false);
      begun = item.type !== 'gap';
      if (item.type === 'newSession') {
        if (!Object.hasOwn(DELIMITERS, item.records)) throw new TypeError(`the stream '${item.stream}' is raw: it has no records`);
        delimiter = DELIMITERS[item.records];
        ({ session, stream } = item);
        begun = true;
      }
      yield item;
      continue;
    }
    const { data } = item;
    if (held === 0 && item.beginsRecord) begun = true;
    let at = 0;
    for (;;) {
      const end = data.indexOf(delimiter, at);
      if (end < 0) break;
      if (held > 0) {
        pieces.push(data.subarray(0, end + 1));
        held += end + 1;
        yield record(start, flush(), begun);
      } else {
        yield record(item.position + BigInt(at), data.subarray(at, end + 1), begun);
      }
      begun = true;
      at = end + 1;
    }
    if (at === data.length) continue;
    if (held === 0) start = item.position + BigInt(at);
    pieces.push(at === 0 ? data : data.subarray(at));
    held += data.length - at;
    if (held > maxBytes) {
      yield record(start, flush(), false);
      begun = false;
    }
  }
  if (held > 0) yield record(start, flush(), false);
}
