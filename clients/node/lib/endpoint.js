/**
 * Endpoints (PROTOCOL.md, section 1). Pure.
 *
 * @module
 */

export const DEFAULT_ENDPOINT = 'tcp://127.0.0.1:5590';
const DEFAULT_PORT = 5590;

/**
 * Both endpoints of a publisher, of what a user may write: `HOST`, `HOST:PORT`, `:PORT`, `[::1]:PORT`, `tcp://…`,
 * `ipc://PATH`.
 *
 * @param {string} text
 * @returns {{ data: string, control: string }} over tcp the control port is the data port + 1, over ipc it is
 *   `PATH.ctl`
 * @throws {RangeError} if it is none of these, or the port is not 1 to 65534
 */
export function parseEndpoint(text) {
  const ipc = /^ipc:\/\/(.+)$/.exec(text);
  if (ipc !== null) return { data: text, control: `${text}.ctl` };
  const tcp = /^(?:tcp:\/\/)?(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/[\]]*)(?::([0-9]{1,5}))?$/.exec(text);
  if (tcp === null || text === '' || /^[a-z]+:\/\/$/.test(text)) {
    throw new RangeError(`'${text}' is no endpoint: HOST, HOST:PORT, tcp://HOST:PORT or ipc://PATH`);
  }
  const host = tcp[1] === '' || tcp[1] === '*' ? '127.0.0.1' : tcp[1];
  const port = tcp[2] === undefined ? DEFAULT_PORT : Number(tcp[2]);
  if (port < 1 || port > 65534) throw new RangeError(`port ${port} of '${text}' is out of range: 1 to 65534`);
  return { data: `tcp://${host}:${port}`, control: `tcp://${host}:${port + 1}` };
}
