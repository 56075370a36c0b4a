import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What came back, as bytes tell it: no client in between that mends or follows anything. */
export interface Answer {
  /** 0 where the connection ended without one. */
  readonly status: number;
  /** Of the first answer, in lower case. */
  readonly head: string;
  readonly body: string;
}

export interface Question {
  /** Everything that is sent. */
  readonly bytes: string | Buffer;
  /** The address on this machine that it is sent from. */
  readonly from?: string;
  readonly ca?: Buffer;
}

/** Sends bytes and reads until the other end closes. */
export async function ask(port: number, { bytes, from = '127.0.0.1', ca }: Question): Promise<Answer> {
  const where = { host: '127.0.0.1', port, localAddress: from };
  const socket =
    ca === undefined ? connectPlain(where) : connectTls({ ...where, ca, servername: 'localhost' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => {
    // A server that closes while it is still being written to.
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve();
      });
  });
  socket.write(bytes);
  await closed;
  const text = Buffer.concat(chunks).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0),
    head: text.slice(0, Math.max(0, end)).toLowerCase(),
    body: end < 0 ? '' : text.slice(end + 4),
  };
}

/** A request as a client of today writes it, with further headers, each with its line's end. */
export function get(path: string, headers = '', method = 'GET'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${headers}\r\n`;
}

export function basic(name: string, password: string): string {
  return `Authorization: Basic ${Buffer.from(`${name}:${password}`).toString('base64')}\r\n`;
}

export function bearer(token: string): string {
  return `Authorization: Bearer ${token}\r\n`;
}
