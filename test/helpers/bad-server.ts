import {
  createServer as createHttpServer,
  request,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Servers on loopback that misbehave the way real ones do. */
export interface BadServer {
  /** `127.0.0.1:PORT` */
  readonly addr: string;
  /** Requests or connections seen so far. */
  readonly seen: () => number;
  close(): Promise<void>;
}

/** A server that does `onConnection` to every TCP connection. */
export async function rawServer(onConnection: (socket: Socket) => void): Promise<BadServer> {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.on('error', () => {
      // The client gives up in mid-connection: that is what these tests are about.
    });
    onConnection(socket);
  });
  return await listen(server, () => count);
}

/** A server that answers every HTTP request with `answer`. */
export async function httpServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<BadServer> {
  let count = 0;
  const server = createHttpServer((incoming, response) => {
    count += 1;
    answer(incoming, response);
  });
  return await listen(server, () => count);
}

/** Passes a request on to a real QuestDB at `url`, and its answer back. Closes that connection when its own is closed. */
export function forward(url: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { method = 'GET', headers } = incoming;
  const outgoing = request(new URL(incoming.url ?? '/', url), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

export async function listen(server: Server, seen: () => number): Promise<BadServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    addr: `127.0.0.1:${port}`,
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
