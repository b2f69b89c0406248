/**
 * The command line of pipedup-sub: one record for each option; from it come the parser and the help.
 *
 * @module
 */
import { isStreamName } from '../block.js';
import { DEFAULT_ENDPOINT, parseEndpoint } from '../endpoint.js';

/** A command line that cannot be understood: status 2. */
export class UsageError extends Error {}

const UNITS = { us: 1e-3, ms: 1, s: 1000, m: 60000, min: 60000, h: 3600000, d: 86400000 };

const PART = /([0-9]+(?:\.[0-9]+)?)(us|ms|s|min|m|h|d)/g;

/** @returns {number} ms, of `250ms`, `1h30m`, or seconds */
function duration(text) {
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(PART)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) throw new UsageError(`'${text}' is no duration: 250ms, 5s, 1h30m, or seconds`);
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * UNITS[unit], 0);
}

function count(text) {
  if (!/^[0-9]{1,15}$/.test(text)) throw new UsageError(`'${text}' is no number`);
  return Number(text);
}

function atLeastOne(text) {
  const value = count(text);
  if (value < 1) throw new UsageError(`'${text}' is out of range: at least 1`);
  return value;
}

function from(text) {
  if (text === 'now' || text === 'start') return text;
  if (text.startsWith('-')) return { ago: duration(text.slice(1)) };
  if (/^[0-9]{1,20}$/.test(text) && BigInt(text) < 2n ** 64n) return BigInt(text);
  throw new UsageError(`'${text}' is none of: now, start, a position, -DURATION`);
}

function streamName(text) {
  if (!isStreamName(text)) throw new UsageError(`'${text}' is no name of a stream: 1 to 128 letters, digits, '.', '_' or '-'`);
  return text;
}

function logFormat(text) {
  if (text !== 'text' && text !== 'json') throw new UsageError(`'${text}' is neither text nor json`);
  return text;
}

const same = (text) => text;

const OPTIONS = [
  { name: 'stream', short: 's', value: 'NAME', read: streamName, help: 'Name of the stream. [default: the one there is]' },
  { name: 'from', value: 'now|start|POSITION|-DURATION', read: from, help: 'Where to begin, at the first record from there on. [default: now]' },
  { name: 'last', short: 'n', value: 'N', read: count, help: 'Begin with the last N records, then go on live.' },
  { name: 'cursor', value: 'FILE', read: same, help: 'Keep in FILE how far the stream was written, and go on there next time.' },
  { name: 'follow', short: 'F', help: 'Stay through the end of a session and publisher restarts.' },
  { name: 'strict', help: 'Stop at the first gap, with status 3.' },
  { name: 'count', value: 'N', read: atLeastOne, help: 'Stop after N records.' },
  { name: 'timeout', value: 'DURATION', read: duration, help: 'Stop after this long, with status 124.' },
  { name: 'give-up', value: 'DURATION', read: duration, help: 'Give up when the publisher is not reachable for this long; 0 is never. [default: 30s, with --follow never]' },
  { name: 'dead-after', value: 'DURATION', read: duration, help: 'Make the connection anew after this long without a sign of life; 0 is never. [default: 3s]' },
  { name: 'tap', help: 'Never make a producer wait.' },
  { name: 'name', value: 'NAME', read: same, help: 'What operators see.' },
  { name: 'server-key', value: 'FILE', read: same, help: 'Encrypt, and read only from the publisher with this public key; needs --curve-secret.' },
  { name: 'curve-secret', value: 'FILE', read: same, help: "This subscriber's secret key; needs --server-key." },
  { name: 'log-format', value: 'text|json', read: logFormat, help: 'Of what is said on stderr. [default: text]' },
  { name: 'help', short: 'h', help: 'Say this.' },
];

/** @returns {string} */
export function help() {
  const lines = OPTIONS.map(({ name, short, value, help: text }) => {
    const head = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    return `  ${head}\n          ${text}`;
  });
  return `pipedup-sub: write a stream that pipedup-pub publishes to stdout

Usage: pipedup-sub [ENDPOINT] [options]

  ENDPOINT
          HOST, HOST:PORT, tcp://... or ipc://PATH. [default: ${DEFAULT_ENDPOINT}]
${lines.join('\n')}

Status: 0 end of stream, nothing lost; 1 failure; 2 usage; 3 data was lost; 4 publisher not reached, or vanished
before the end; 5 refused; 124 timeout; 128+N signal N; 141 the reader of stdout left.
`;
}

/**
 * @param {string[]} args
 * @returns {{ endpoint: string, [option: string]: any }} by the option's name
 * @throws {UsageError}
 */
export function parseCommandLine(args) {
  const given = {};
  const endpoints = [];
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at];
    if (!word.startsWith('-') || word === '-') {
      endpoints.push(word);
      continue;
    }
    const long = /^--([a-z-]+)(?:=(.*))?$/s.exec(word);
    const short = /^-([A-Za-z])(.*)$/s.exec(word);
    const option = OPTIONS.find((known) => (long !== null ? known.name === long[1] : short !== null && known.short === short[1]));
    if (option === undefined) throw new UsageError(`no option '${word}': see --help`);
    const attached = long !== null ? long[2] : short[2] || undefined;
    const named = `--${option.name}`;
    if (option.value === undefined) {
      if (attached !== undefined && long !== null) throw new UsageError(`${named} takes no value`);
      given[option.name] = true;
      if (attached !== undefined) args.splice(at + 1, 0, `-${attached}`); // -Fn 5
      continue;
    }
    const value = attached ?? args[(at += 1)];
    if (value === undefined) throw new UsageError(`${named} wants ${option.value}`);
    try {
      given[option.name] = option.read(value);
    } catch (error) {
      throw new UsageError(`${named}: ${error.message}`);
    }
  }
  if (endpoints.length > 1) throw new UsageError('one ENDPOINT only: this program reads from one publisher');
  const endpoint = endpoints[0] ?? DEFAULT_ENDPOINT;
  try {
    parseEndpoint(endpoint);
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (given.last !== undefined && given.from !== undefined) throw new UsageError('--last and --from exclude each other');
  if ((given['server-key'] === undefined) !== (given['curve-secret'] === undefined)) throw new UsageError('--server-key and --curve-secret need each other');
  return { ...given, endpoint };
}
