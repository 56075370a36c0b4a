import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionLimits {
  /** From the first byte that could come to the end of a request; as long may a connection be idle. */
  readonly readTimeoutMs: number;
  /** From a request to the end of its answer. */
  readonly writeTimeoutMs: number;
}

/** How long connections last. Whoever is slower than the limits is cut off, and holds nothing any more. */
export interface Connections {
  /** A request may come on it. */
  opened(socket: Socket): void;
  /** A request has come on it. */
  asked(socket: Socket, response: ServerResponse): void;
  /** Whether somebody waits for an answer on it. */
  isAnswering(socket: Socket): boolean;
  /** Closes those on which nobody is being answered, and the others after their answer. */
  finish(): void;
}

interface Connection {
  /** Answers that are not at their end. */
  unanswered: number;
  timer: NodeJS.Timeout;
}

export function createConnections({ readTimeoutMs, writeTimeoutMs }: ConnectionLimits): Connections {
  const open = new Map<Socket, Connection>();
  let isFinishing = false;
  const cutAfter = (socket: Socket, ms: number): NodeJS.Timeout =>
    setTimeout(() => {
      socket.destroy();
    }, ms);
  const limit = (socket: Socket, connection: Connection): void => {
    clearTimeout(connection.timer);
    connection.timer = cutAfter(socket, connection.unanswered > 0 ? writeTimeoutMs : readTimeoutMs);
  };
  return {
    opened(socket) {
      const connection = { unanswered: 0, timer: cutAfter(socket, readTimeoutMs) };
      open.set(socket, connection);
      socket.once('close', () => {
        clearTimeout(connection.timer);
        open.delete(socket);
      });
    },
    asked(socket, response) {
      const connection = open.get(socket);
      if (connection === undefined) return;
      if (isFinishing) response.shouldKeepAlive = false;
      connection.unanswered += 1;
      // A request on the heels of another one gives that one no more time.
      if (connection.unanswered === 1) limit(socket, connection);
      response.once('close', () => {
        connection.unanswered -= 1;
        if (!open.has(socket)) return;
        if (isFinishing && connection.unanswered === 0) socket.destroySoon();
        limit(socket, connection);
      });
    },
    isAnswering: (socket) => (open.get(socket)?.unanswered ?? 0) > 0,
    finish() {
      isFinishing = true;
      for (const [socket, { unanswered }] of open) if (unanswered === 0) socket.destroy();
    },
  };
}
