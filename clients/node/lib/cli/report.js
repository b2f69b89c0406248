/**
 * What pipedup-sub says on stderr, as text or as JSON, one event a line.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import { stringifyJson } from '../json.js';

const PROGRAM = 'pipedup-sub';

/** Text from a peer may hold control characters: a terminal is not to see them. */
export function escaped(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export class Report {
  #json;

  /** @param {'text' | 'json'} format */
  constructor(format) {
    this.#json = format === 'json';
  }

  /**
   * @param {'info' | 'warning' | 'error'} level info is left out of text
   * @param {string} event
   * @param {string} message
   * @param {object} [fields] integers may be BigInt
   */
  say(level, event, message, fields = {}) {
    if (this.#json) {
      const time = new Date().toISOString();
      this.#write(stringifyJson({ time, level, program: PROGRAM, event, message: escaped(message), ...fields }));
    } else if (level !== 'info') {
      this.#write(`${PROGRAM}: ${level}: ${escaped(message)}`);
    }
  }

  #write(line) {
    try {
      writeSync(2, `${line}\n`);
    } catch {
      // Nobody reads it; the status says it as well.
    }
  }
}
