// The oracle: delivered ∪ reported lost = produced, byte for byte, and nothing twice.
import assert from 'node:assert/strict';

export class Ledger {
  items = [];
  begun = null;
  position = null;
  session = null;
  bytes = 0;
  lost = 0n;
  ended = null;
  jumped = false;

  /** Takes an item, and looks whether it goes on exactly where the last one stopped. */
  add(item) {
    this.items.push(item.type);
    if (item.type === 'newSession') {
      this.session = item.session;
      this.position = item.position;
      this.begun ??= item.position;
      this.jumped = false;
      this.pieces = [];
      return;
    }
    if (item.session !== this.session) return;
    const at = item.type === 'gap' ? item.from : item.position;
    if (this.jumped) assert.fail('a jump, and no new session behind it');
    // What a crash took from a session that another one goes on with may lie behind what is read on there.
    this.jumped = item.type === 'gap' && at > this.position;
    if (!this.jumped) assert.equal(at, this.position, `${item.type} at ${at}, and the last one stopped at ${this.position}`);
    if (item.type === 'block') {
      assert.notEqual(item.data.length, 0);
      this.pieces.push([item.position, item.data]);
      this.position += BigInt(item.data.length);
      this.bytes += item.data.length;
    } else if (item.type === 'gap') {
      assert.ok(item.to > item.from);
      assert.equal(item.bytes, item.to - item.from);
      this.lost += item.bytes;
      this.position = item.to;
    } else {
      this.ended = item;
    }
  }

  /** What was delivered of the session that was read last stands in `produced` where it says. */
  check(produced, { from = this.begun, to = BigInt(produced.length) } = {}) {
    assert.equal(this.begun, from);
    assert.equal(this.position, to, 'where it stopped');
    for (const [position, data] of this.pieces) {
      const at = Number(position);
      assert.ok(produced.subarray(at, at + data.length).equals(data), `what was delivered at ${position} was not produced`);
    }
  }
}

/** Reads a subscriber to its end. */
export async function readAll(subscriber, each = () => {}) {
  const ledger = new Ledger();
  for await (const item of subscriber) {
    ledger.add(item);
    await each(item, ledger);
  }
  return ledger;
}

/** Lines that are all different, so that nothing can be taken for something else. */
export function lines(count, pad = 60) {
  const parts = [];
  for (let at = 0; at < count; at += 1) parts.push(`${at} `.padEnd(pad, String.fromCharCode(97 + (at % 26))));
  return Buffer.from(`${parts.join('\n')}\n`);
}
