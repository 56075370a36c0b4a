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
  /** A request has come on it. @returns aborted once its answer is at its end, or can come to none any more */
  asked(socket: Socket, response: ServerResponse): AbortSignal;
  /** Whether somebody waits for an answer on it. */
  isAnswering(socket: Socket): boolean;
  /** Closes those on which nobody is being answered, and the others after their answer. */
  finish(): void;
}

interface Connection {
  /** Of answers that are not at their end. */
  readonly unanswered: Set<AbortController>;
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
    connection.timer = cutAfter(socket, connection.unanswered.size > 0 ? writeTimeoutMs : readTimeoutMs);
  };
  return {
    opened(socket) {
      const connection = { unanswered: new Set<AbortController>(), timer: cutAfter(socket, readTimeoutMs) };
      open.set(socket, connection);
      socket.once('close', () => {
        clearTimeout(connection.timer);
        open.delete(socket);
        // In an older Node an answer that waits behind two others hears nothing of that by itself.
        for (const one of connection.unanswered) one.abort();
      });
    },
    asked(socket, response) {
      const connection = open.get(socket);
      if (connection === undefined) return AbortSignal.abort();
      if (isFinishing) response.shouldKeepAlive = false;
      const { unanswered } = connection;
      const over = new AbortController();
      unanswered.add(over);
      // A request on the heels of another one gives that one no more time.
      if (unanswered.size === 1) limit(socket, connection);
      response.once('close', () => {
        unanswered.delete(over);
        over.abort();
        if (!open.has(socket)) return;
        if (isFinishing && unanswered.size === 0) socket.destroySoon();
        limit(socket, connection);
      });
      return over.signal;
    },
    isAnswering: (socket) => (open.get(socket)?.unanswered.size ?? 0) > 0,
    finish() {
      isFinishing = true;
      for (const [socket, { unanswered }] of open) if (unanswered.size === 0) socket.destroy();
    },
  };
}
