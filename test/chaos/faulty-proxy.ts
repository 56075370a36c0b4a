import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one request. */
const FAULTS = ['cut', 'reset', 'slow', '500', '503', 'garbage', 'unheard', 'late'] as const;
type Fault = (typeof FAULTS)[number];

export interface FaultyProxy {
  readonly port: number;
  /** How many requests met which fate. */
  readonly fates: Map<string, number>;
  /** From now on every request is passed on as it is. */
  behave(): void;
  close(): Promise<void>;
}

export interface FaultyProxyOptions {
  /** `http://127.0.0.1:PORT`, which may move when the server is restarted. */
  readonly target: () => string;
  readonly random: () => number;
  /** Part of the requests that meet a fault. */
  readonly faultRatio: number;
  /** Longer than the client waits for an answer. */
  readonly lateMs: number;
}

/**
 * Stands between a collector and QuestDB: cuts connections in mid-body, resets, delays, answers 500, 503 and garbage,
 * passes on and then loses the answer, and answers 204 when the client has already given up.
 */
export async function startFaultyProxy(options: FaultyProxyOptions): Promise<FaultyProxy> {
  const { random } = options;
  const fates = new Map<string, number>();
  let isFaulty = true;

  const server = createServer((incoming, outgoing) => {
    outgoing.on('error', () => undefined);
    incoming.on('error', () => undefined);
    const fault =
      isFaulty && random() < options.faultRatio ? FAULTS[Math.floor(random() * FAULTS.length)]! : undefined;
    fates.set(fault ?? 'passed', (fates.get(fault ?? 'passed') ?? 0) + 1);
    meet(fault, incoming, outgoing);
  });

  function meet(fault: Fault | undefined, incoming: IncomingMessage, outgoing: ServerResponse): void {
    switch (fault) {
      case 'cut':
        incoming.once('data', () => incoming.socket.destroy());
        incoming.once('end', () => incoming.socket.destroy());
        return;
      case 'reset':
        incoming.socket.resetAndDestroy();
        return;
      case '500':
      case '503':
        incoming
          .resume()
          .once('end', () => outgoing.writeHead(Number(fault)).end('{"code":"internal error"}'));
        return;
      case 'garbage':
        incoming.resume().once('end', () => outgoing.writeHead(200).end('<html>It works!</html>'));
        return;
      case 'unheard':
        pass(incoming, () => incoming.socket.destroy());
        return;
      case 'late':
        pass(incoming, (status, body) =>
          setTimeout(() => outgoing.writeHead(status).end(body), options.lateMs),
        );
        return;
      case 'slow':
        setTimeout(() => {
          pass(incoming, (status, body) => outgoing.writeHead(status).end(body));
        }, random() * 1_000);
        return;
      case undefined:
        pass(incoming, (status, body) => outgoing.writeHead(status).end(body));
        return;
    }
  }

  function pass(incoming: IncomingMessage, answer: (status: number, body: Buffer) => void): void {
    const { method = 'GET', url = '/', headers } = incoming;
    const onward = request(new URL(url, options.target()), { method, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', () => incoming.socket.destroy());
      reply.on('end', () => {
        answer(reply.statusCode ?? 502, Buffer.concat(chunks));
      });
    });
    // The server is being killed: the client sees what it would see without us.
    onward.on('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    fates,
    behave: () => {
      isFaulty = false;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
