/**
 * JSON with exact integers. `JSON.parse` reads numbers as 64-bit floating point, in which a position beyond 2^53
 * is not exact; here an integer is a BigInt, whatever its size. Names are unique, as PROTOCOL.md, section 6.1, wants.
 *
 * @module
 */

const MAX_DEPTH = 16;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
// A string up to its closing quote; what is inside is left to JSON.parse.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;
const LITERALS = new Map([['true', true], ['false', false], ['null', null]]);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * @typedef {null | boolean | bigint | number | string | Json[] | { [name: string]: Json }} Json
 *   a bigint is what was written without fraction and exponent, a number anything else
 */

/**
 * Reads a JSON text (RFC 8259).
 *
 * @param {Uint8Array} bytes UTF-8
 * @returns {Json} objects have no prototype
 * @throws {SyntaxError} if it is none, a name comes twice, or it is nested deeper than 16 levels
 */
export function parseJson(bytes) {
  let text;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new SyntaxError('not UTF-8');
  }
  let at = 0;

  const fail = (what) => {
    throw new SyntaxError(`${what} at ${at}`);
  };
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at += match[0].length;
    return match;
  };
  const space = () => take(SPACE);
  const string = () => {
    const match = take(STRING);
    if (match === null) fail('no string');
    const value = JSON.parse(match[0]);
    if (/[\ud800-\udfff]/u.test(value)) fail('half a surrogate pair'); // no such text in UTF-8
    return value;
  };

  /** What stands between brackets: `item` once for each, commas between them. */
  const list = (close, item) => {
    at += 1;
    space();
    if (text[at] === close) {
      at += 1;
      return;
    }
    for (;;) {
      item();
      space();
      const mark = text[at];
      if (mark !== ',' && mark !== close) fail(`no comma or ${close}`);
      at += 1;
      if (mark === close) return;
      space();
    }
  };

  const value = (depth) => {
    const mark = text[at];
    if ((mark === '{' || mark === '[') && depth >= MAX_DEPTH) fail('nested too deep');
    if (mark === '{') {
      const object = Object.create(null);
      list('}', () => {
        const name = string();
        if (name in object) fail('a name that comes twice');
        space();
        if (text[at] !== ':') fail('no colon');
        at += 1;
        space();
        object[name] = value(depth + 1);
      });
      return object;
    }
    if (mark === '[') {
      const items = [];
      list(']', () => items.push(value(depth + 1)));
      return items;
    }
    if (mark === '"') return string();
    for (const [word, meaning] of LITERALS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const match = take(NUMBER);
    if (match === null) fail('no value');
    return match[1] === undefined && match[2] === undefined ? BigInt(match[0]) : Number(match[0]);
  };

  space();
  const result = value(0);
  space();
  if (at !== text.length) fail('something behind the value');
  return result;
}

/**
 * Writes a JSON text. What is undefined is left out.
 *
 * @param {unknown} value as `Json`; integers may be numbers too
 * @returns {string}
 * @throws {RangeError} if a number is not finite, or an integer that a number does not hold exactly
 */
export function stringifyJson(value) {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`JSON has no ${value}`);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`${value} is not exact: use a BigInt`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(stringifyJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}: ${stringifyJson(member)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
