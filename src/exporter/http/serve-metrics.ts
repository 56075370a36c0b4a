import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Tell } from '../../core/base/notice.ts';
import { formRefusal } from '../../serve/access/form.ts';
import { HTTP_LIMITS } from '../../serve/limits.ts';
import { refusalAnswer, send } from './answer.ts';
import { createConnections } from './connections.ts';
import { listen, type Where } from './listen.ts';
import { answerMalformed } from './malformed.ts';
import { createRoutes } from './routes.ts';
import { createScrapes } from './scrapes.ts';

export interface MetricsServer {
  /** As people type it: `:9400`, `127.0.0.1:9400`, `unix:/run/metrics`. */
  readonly address: string;
  /** Scrapes that are being answered have 5 s to end. */
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  readonly listen: Where;
  /** TLS, headers and users, as Prometheus' exporters have them in a file; read again once it changes. Absent: plain, and everybody is answered. */
  readonly webConfigFile?: string;
  /** From the first byte of a request to its last, and between two of them. */
  readonly readTimeoutMs: number;
  /** From the end of a request to the end of its answer. */
  readonly writeTimeoutMs: number;
  /** More are told to try again (503). */
  readonly concurrentScrapesMax: number;
  /** The text and its Content-Type, now; never waits for a GPU. @throws OperatingError which the log tells, and the scraper gets a 500 */
  readonly render: () => { readonly text: string; readonly contentType: string };
  /** While the set of counters is being swapped. */
  readonly isReloading: () => boolean;
  readonly tell: Tell;
}

/** As long as upstream waits. */
const DRAIN_MS = 5000;

/**
 * Serves `/`, `/health` and `/metrics` as dcgm-exporter does.
 * @throws OperatingError `exporter.port_taken` (75), `exporter.address` (75, 77, 78), `exporter.socket` (78); of the web-config file `exporter.web_config`,
 * `serve.file`, `serve.tls` (78)
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const connections = createConnections(options);
  const route = createRoutes({ ...options, scrape: createScrapes(options) });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const over = connections.asked(request.socket, response);
    const wrong = formRefusal(request) ?? (await gate?.refusalOf(request));
    if (over.aborted) return;
    send(response, wrong === undefined ? await route(request, over) : refusalAnswer(wrong), gate?.headers());
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // What is thrown here is a defect, and ends the process as any other.
    void answer(request, response);
  };
  // It listens nowhere itself: sockets are handed to it, and their time is limited by `connections`.
  const server = createServer({ ...HTTP_LIMITS, keepAliveTimeout: 0 }, listener)
    // Whoever asks before he sends a body is told that it is not wanted.
    .on('checkContinue', listener)
    .on('clientError', (error, socket: Socket) => {
      if (connections.isAnswering(socket)) socket.destroy();
      else answerMalformed(error, socket);
    });
  // Whoever has said all that he has to say still waits for his answer: node would close on him before it is there.
  Object.assign(server, { httpAllowHalfOpen: true });
  const speak = (socket: Socket): void => {
    connections.opened(socket);
    server.emit('connection', socket);
  };
  // Whoever has no such file does not pay for YAML, TLS and bcrypt.
  const gate =
    options.webConfigFile === undefined
      ? undefined
      : (await import('./gate.ts')).createGate({ ...options, webConfigFile: options.webConfigFile, speak });
  const listening = await listen(options.listen, gate?.let ?? speak, options.tell);
  return {
    address: listening.address,
    async close() {
      const stopped = listening.stop();
      connections.finish();
      const cut = setTimeout(() => {
        listening.cut();
      }, DRAIN_MS);
      await stopped;
      clearTimeout(cut);
    },
  };
}
