/**
 * The two sockets of a subscriber: every option is set here, and this is the only place for ZeroMQ.
 *
 * @module
 */
import { Dealer, Subscriber } from 'zeromq';
import { decodeBlock } from './block.js';
import { decodeAnswer, encodeRequest } from './control.js';
import { MAX_BLOCK_BYTES, VERSION } from './header.js';

// For the last `bye`. A publisher that has gone before it cannot take it any more.
const LINGER_MS = 200;
const UNREACHABLE_MS = 150;
const MAX_UNSENT = 256;
const AGAIN_MS = 5;

/**
 * Sends or receives once. That the socket could and then could not, as its peer left in between, is no failure: it is
 * tried again.
 *
 * @param {import('zeromq').Socket} socket
 * @param {() => Promise<void>} transfer
 * @returns {Promise<Error | null>} why it failed
 */
async function goThrough(socket, transfer) {
  for (;;) {
    try {
      await transfer();
      return null;
    } catch (error) {
      if (socket.closed || error.code !== 'EAGAIN') return error;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, AGAIN_MS);
    });
  }
}

/**
 * @typedef {object} Handlers
 * @property {(block: import('./block.js').Block) => void} data a good block on the data socket
 * @property {(block: import('./block.js').Block) => void} answer a good block on the control socket
 * @property {(message: object) => void} control a good control message
 * @property {(error: string) => void} bad a message that is dropped
 * @property {(error: Error) => void} failed a socket cannot be used
 */

export class Connection {
  #endpoints;
  #options;
  #handlers;
  #turns;
  #control = null;
  #data = null;
  #unsent = []; // requests; the first is being sent
  #unsentSince = 0;
  #sending = null; // until all of them are

  /**
   * @param {{ data: string, control: string }} endpoints
   * @param {{ serverKey: string, publicKey: string, secretKey: string } | null} curve
   * @param {import('./turns.js').Turns} turns
   * @param {Handlers} handlers
   */
  constructor(endpoints, curve, turns, handlers) {
    this.#turns = turns;
    this.#endpoints = endpoints;
    this.#handlers = handlers;
    this.#options = {
      linger: 0,
      // Heads, credit and prompt reading bound what is queued. The mark counts when this thread is held up: TCP then
      // holds the publisher's queue, what does not fit there is dropped, and is read later by position.
      receiveHighWaterMark: 256,
      maxMessageSize: MAX_BLOCK_BYTES + 4096,
      handshakeInterval: 5000,
      connectTimeout: 5000,
      reconnectInterval: 100,
      reconnectMaxInterval: 400,
      tcpKeepalive: 1,
      ipv6: true,
    };
    if (curve !== null) {
      this.#options.curveServerKey = curve.serverKey;
      this.#options.curvePublicKey = curve.publicKey;
      this.#options.curveSecretKey = curve.secretKey;
    }
  }

  /** Closes both sockets and makes a new control socket. */
  openControl() {
    this.close();
    // Immediate: what cannot be sent waits here, where it is seen, and is not kept for a publisher that comes later.
    this.#control = new Dealer({ ...this.#options, immediate: true });
    this.#unsent = [];
    this.#control.connect(this.#endpoints.control);
    this.#receive(this.#control, (frames) => {
      if (frames.length === 1) this.#onMessage(frames[0]);
      else this.#onBlock(frames, this.#handlers.answer, true);
    });
  }

  /**
   * Makes a new data socket in place of the one there was.
   *
   * @param {string} endpoint that the publisher named; '' is that of the user
   * @throws {RangeError} if it is no endpoint of tcp or ipc
   */
  openData(endpoint) {
    if (endpoint !== '' && !/^(tcp|ipc):\/\/[^;]+$/.test(endpoint)) throw new RangeError(`the publisher named '${endpoint}' as data endpoint`);
    this.#data?.close();
    this.#data = new Subscriber({ ...this.#options });
    this.#data.connect(endpoint || this.#endpoints.data);
    this.#receive(this.#data, (frames) => this.#onBlock(frames, this.#handlers.data, false));
  }

  subscribe(prefix) {
    this.#data?.subscribe(prefix);
  }

  unsubscribe(prefix) {
    this.#data?.unsubscribe(prefix);
  }

  /**
   * Sends a request, as soon as there is a connection. Of many that wait for one the last are dropped: every request
   * is repeated while it is not answered.
   */
  send(message) {
    if (this.#control === null || this.#unsent.length >= MAX_UNSENT) return;
    this.#unsent.push(encodeRequest(message));
    if (this.#unsent.length === 1) this.#sending = this.#sendAll(this.#control, this.#unsent);
  }

  /** Whether there is no connection to send by. */
  get unreachable() {
    return this.#unsent.length > 0 && performance.now() - this.#unsentSince > UNREACHABLE_MS;
  }

  async #sendAll(socket, unsent) {
    while (unsent.length > 0) {
      this.#unsentSince = performance.now();
      const error = await goThrough(socket, () => socket.send(unsent[0]));
      if (error !== null) {
        if (!socket.closed) this.#handlers.failed(error);
        return;
      }
      unsent.shift();
    }
  }

  /** Closes both sockets. What was not sent is dropped. */
  close() {
    this.#data?.close();
    this.#data = null;
    this.#control?.close();
    this.#control = null;
  }

  /**
   * Closes both sockets once what was sent has gone out, for which 200 ms are given.
   *
   * @returns {Promise<void>} when they are closed
   */
  async flush() {
    const control = this.#control;
    this.#data?.close();
    this.#data = null;
    this.#control = null;
    if (control === null) return;
    let timer;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, LINGER_MS);
    });
    await Promise.race([this.#sending, patience]);
    clearTimeout(timer);
    control.linger = LINGER_MS;
    control.close();
  }

  async #receive(socket, handle) {
    while (!socket.closed) {
      let frames;
      const error = await goThrough(socket, async () => {
        frames = await socket.receive();
      });
      if (error !== null) {
        if (!socket.closed) this.#handlers.failed(error);
        return;
      }
      // One that was closed meanwhile is no longer listened to.
      if (socket === this.#control || socket === this.#data) handle(frames);
      if (this.#turns.due) await this.#turns.give();
    }
  }

  #onMessage(frame) {
    let message;
    try {
      message = decodeAnswer(frame);
    } catch (error) {
      this.#handlers.bad(error.message);
      return;
    }
    this.#handlers.control(message);
  }

  #onBlock(frames, handler, isAnswer) {
    const { block, error, version } = decodeBlock(frames);
    if (block === undefined) {
      this.#handlers.bad(version === undefined ? error : `version ${String.fromCharCode(version)} of the protocol, and this program reads version ${VERSION}`);
    } else if (isAnswer !== (block.topic === '')) {
      this.#handlers.bad('topic');
    } else {
      handler(block);
    }
  }
}
