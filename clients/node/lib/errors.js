/** @module */

/**
 * A stream that cannot be read on. `code` says why:
 *
 * - `not-reached`: no publisher answered for as long as `giveUp`
 * - `vanished`: the publisher was there, and was not heard for that long, or came back with another session; the
 *   stream has not ended
 * - `auth`, `version`, `full`, `stream`, `codec` and others: it refused this subscriber
 * - `no-records`: it was asked to begin at a record, and the stream has none
 * - `bad-request`: it does not understand this program
 */
export class SubscribeError extends Error {
  name = 'SubscribeError';

  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
