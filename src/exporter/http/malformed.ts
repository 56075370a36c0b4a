import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { NO_SNIFFING } from './answer.ts';

/** What the parser of HTTP says of bytes that it does not take; all else is a bad request. */
const STATUS_OF: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** Answers bytes that are no request, and closes their connection. */
export function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  // Nobody is there any more.
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = STATUS_OF[error.code ?? ''] ?? 400;
  const headers = { ...NO_SNIFFING, 'Content-Length': '0', Connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`, () => {
    socket.destroy();
  });
}
