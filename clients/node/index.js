/**
 * pipedup: subscribe to a stream that pipedup-pub publishes. See README.md and index.d.ts.
 *
 * @module
 */
export { SubscribeError } from './lib/errors.js';
export { publicKeyOf, readKey } from './lib/keys.js';
export { Subscriber, subscribe } from './lib/subscriber.js';
