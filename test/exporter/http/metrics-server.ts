import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Notice } from '../../../src/core/base/notice.ts';
import {
  serveMetrics,
  type MetricsServer,
  type MetricsServerOptions,
} from '../../../src/exporter/http/serve-metrics.ts';
import { TEXT, TYPE } from './metrics-text.ts';

export interface TestServer extends MetricsServer {
  readonly port: number;
  readonly told: Notice[];
}

/** One on the loopback, with time limits that nothing comes to, until the end of the test. */
export async function serving(options: Partial<MetricsServerOptions> = {}): Promise<TestServer> {
  const told: Notice[] = [];
  const server = await serveMetrics({
    listen: { host: '127.0.0.1', port: 0 },
    readTimeoutMs: 600_000,
    writeTimeoutMs: 600_000,
    concurrentScrapesMax: 16,
    render: () => ({ text: TEXT, contentType: TYPE }),
    isReloading: () => false,
    tell: (notice) => told.push(notice),
    ...options,
  });
  onTestFinished(() => server.close());
  return { ...server, port: Number(/:(\d+)$/.exec(server.address)![1]), told };
}

/** A connection that reads nothing of its own accord, and is closed with the test. */
export function connected(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }).pause();
  socket.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}

/** What comes until there is a first line, which it returns; then it stops reading. */
export async function firstLine(socket: Socket): Promise<string> {
  for (let head = ''; ;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) head += chunk.toString('latin1');
    if (head.includes('\r\n\r\n')) return head.split('\r\n', 1)[0]!;
    if (socket.readableEnded || socket.destroyed) return '';
    await new Promise<void>((resolve) => {
      socket.once('readable', resolve).once('close', resolve);
    });
  }
}

/** All that comes until the other end closes. */
export async function everything(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await closed(socket);
  return Buffer.concat(chunks);
}

/** The other end has closed, or broken, the connection. */
export async function closed(socket: Socket): Promise<void> {
  if (socket.destroyed || socket.readableEnded) return;
  await new Promise<void>((resolve) => {
    socket.once('end', resolve).once('close', resolve);
  });
}
