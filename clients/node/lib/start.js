/**
 * Where a new reader begins (PROTOCOL.md, sections 4.2 and 4.4). Pure.
 *
 * @module
 */

/**
 * Where to go on in the session of a welcome.
 *
 * @param {{ session: string, position: bigint }} place in a session that was read
 * @param {object} welcome
 * @returns {bigint | undefined} undefined if that session is gone
 */
export function placeIn(place, welcome) {
  if (place.session === welcome.session) return place.position;
  const past = welcome.past.find(({ session }) => session === place.session);
  if (past === undefined) return undefined;
  return place.position <= past.end ? place.position : past.end;
}

/**
 * What `from` means at a publisher.
 *
 * @param {object} from as `checkOptions` gives it
 * @param {object} welcome
 * @param {() => bigint} clock in place of the publisher's, if it does not say its own
 * @returns {{ at: bigint } | { seek: bigint, exact: boolean } | { read: object } | null} begin at; look for a record
 *   from there on; read from what is no position; null if it takes records, and there are none
 */
export function startOf(from, welcome, clock) {
  const raw = welcome.records === 'raw';
  if (typeof from === 'bigint') return { seek: from, exact: true };
  if (from === 'start') return { seek: welcome.tail, exact: false };
  if (from === 'now') return raw ? { at: welcome.head } : { read: { last: 0n } };
  if (from.last !== undefined) return raw ? null : { read: { last: from.last } };
  if (from.since !== undefined) return { read: { since: from.since } };
  const since = (welcome.now > 0n ? welcome.now : clock()) - BigInt(Math.round(from.ago * 1e6));
  return { read: { since: since > 0n ? since : 0n } };
}
