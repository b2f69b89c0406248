/**
 * Live blocks beyond the position, kept until what is before them was read. Pure.
 *
 * @module
 */

/** What an item costs beside its data, so that many small ones are bounded too. */
export const ITEM_BYTES = 256;

export class Stash {
  /** Bytes of what is kept, with `ITEM_BYTES` for each. */
  bytes = 0;
  #blocks = []; // without a hole between them

  /** Position of the first one; undefined if there is none. */
  get position() {
    return this.#blocks[0]?.position;
  }

  /** Keeps a block, unless there is a hole before it: then it is read later, as what is in the hole. */
  add(block) {
    const last = this.#blocks.at(-1);
    if (last !== undefined && block.position !== last.position + BigInt(last.length)) return;
    this.#blocks.push(block);
    this.bytes += ITEM_BYTES + block.length;
  }

  /** Gives the reader what it has come to. */
  drain(reader) {
    while (this.#blocks.length > 0 && this.#blocks[0].position <= reader.position) {
      const block = this.#blocks.shift();
      this.bytes -= ITEM_BYTES + block.length;
      reader.take(block);
    }
  }

  clear() {
    this.#blocks = [];
    this.bytes = 0;
  }
}
