import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the proxy does with a write: hand it on, answer 500 without handing it on, or hand it on and answer 500. */
type ProxyMode = 'forward' | 'fail' | 'forward_then_fail';

export interface CapturingProxy {
  readonly conf: string;
  /** Bodies of all writes, in the order in which they came, whatever was answered. */
  readonly bodies: Buffer[];
  mode: ProxyMode;
  close(): Promise<void>;
}

/** Stands on loopback between a collector and a real QuestDB, keeps what was posted, and misbehaves when told to. */
export async function startProxy(targetUrl: string): Promise<CapturingProxy> {
  const target = new URL(targetUrl);
  const bodies: Buffer[] = [];
  const server = createServer((incoming, outgoing) => {
    void answer(incoming, outgoing);
  });

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const isWrite = incoming.url?.startsWith('/write') === true;
    if (isWrite) bodies.push(body);
    if (isWrite && proxy.mode === 'fail') {
      outgoing.writeHead(500).end('no');
      return;
    }
    const { method, url, headers } = incoming;
    const onward = request(
      { host: target.hostname, port: target.port, method, path: url, headers },
      (reply) => {
        if (isWrite && proxy.mode === 'forward_then_fail') {
          reply.resume();
          outgoing.writeHead(500).end('lost');
          return;
        }
        outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(outgoing);
      },
    );
    onward.on('error', () => {
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end();
    });
    onward.end(body);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CapturingProxy = {
    conf: `http::addr=127.0.0.1:${(server.address() as AddressInfo).port};`,
    bodies,
    mode: 'forward',
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
  return proxy;
}
