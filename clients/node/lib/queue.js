/**
 * What was read and not taken yet: from the machine, which puts in, to one consumer, who takes out.
 *
 * It is not bounded by itself. The machine counts what is in it, and asks for nothing that would not fit.
 *
 * @module
 */
export class Queue {
  #items = [];
  #first = 0; // items before it have been taken out: shift() of a long array is slow
  #closed = false;
  #error = null;
  #waiting = null;

  /** @param {object} item */
  push(item) {
    this.#items.push(item);
    this.#wake();
  }

  /**
   * Nothing is put in after this. What is in it can still be taken out.
   *
   * @param {Error | null} error that `next` throws when it is empty
   */
  close(error = null) {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#wake();
  }

  /** Throws away what is in it. */
  clear() {
    this.#items = [];
    this.#first = 0;
  }

  /** Items in it. */
  get size() {
    return this.#items.length - this.#first;
  }

  /** @returns {object | undefined} the next item, if there is one */
  shift() {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) {
      this.clear();
    } else if (this.#first >= 1024) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
    return item;
  }

  /**
   * Waits until there is an item, or it was closed. One at a time may wait.
   *
   * @returns {Promise<boolean>} whether there is an item
   * @throws the error that it was closed with, once it is empty
   */
  async ready() {
    while (this.size === 0) {
      if (this.#closed) {
        if (this.#error !== null) throw this.#error;
        return false;
      }
      await new Promise((resolve) => {
        this.#waiting = resolve;
      });
    }
    return true;
  }

  #wake() {
    const wake = this.#waiting;
    this.#waiting = null;
    wake?.();
  }
}
