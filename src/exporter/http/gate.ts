import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Tell } from '../../core/base/notice.ts';
import { parseAuthorization } from '../../serve/access/credentials.ts';
import { refusal, type Refusal } from '../../serve/access/refusal.ts';
import { seldom } from '../../serve/access/seldom.ts';
import { createSignIn } from '../../serve/access/sign-in.ts';
import type { TlsSettings } from './tls-settings.ts';
import { watchWebConfig } from './web-config.ts';

/** Who comes to the metrics, and how: what a web-config file says of it. */
export interface Gate {
  /** A new connection, who comes to `speak` once he may. */
  readonly let: (socket: Socket) => void;
  /** Undefined where a request may be answered. */
  readonly refusalOf: (request: IncomingMessage) => Promise<Refusal | undefined>;
  /** Of every answer. */
  readonly headers: () => Readonly<Record<string, string>>;
}

export interface GateOptions {
  readonly webConfigFile: string;
  /** How long a handshake may take. */
  readonly readTimeoutMs: number;
  /** Speaks HTTP on a connection. */
  readonly speak: (socket: Socket) => void;
  readonly tell: Tell;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

const WHO_ASKS = refusal(401, 'Unauthorized', {
  'WWW-Authenticate': 'Basic realm="gpuledger", charset="UTF-8"',
});

/** @throws OperatingError `exporter.web_config`, `serve.file`, `serve.tls` (78) */
export function createGate({ webConfigFile, speak, tell, ...options }: GateOptions): Gate {
  const { nowMs = () => performance.now(), readTimeoutMs } = options;
  const config = watchWebConfig({ path: webConfigFile, tell, nowMs });
  const signIn = createSignIn({ tell: seldom(tell, nowMs), nowMs });
  let handshakes: { readonly tls: TlsSettings; readonly server: Server } | undefined;
  return {
    let(socket) {
      const { tls } = config();
      if (tls === undefined) {
        speak(socket);
        return;
      }
      // One server for each state of the files: a connection that has begun keeps what it began with.
      if (handshakes?.tls !== tls)
        handshakes = { tls, server: handshakeServer(tls, { readTimeoutMs, speak, tell }) };
      // Who has left before the handshake would be waited for otherwise.
      socket.allowHalfOpen = false;
      handshakes.server.emit('connection', socket);
    },
    async refusalOf({ headers, socket }) {
      const { users } = config();
      if (users === undefined) return undefined;
      const said =
        headers.authorization === undefined ? undefined : parseAuthorization(headers.authorization);
      if (said?.kind !== 'basic') return WHO_ASKS;
      const verdict = await signIn.byPassword(socket.remoteAddress ?? '', said.name, said.password, users);
      if (verdict === 'right') return undefined;
      return verdict === 'wrong' ? WHO_ASKS : verdict;
    },
    headers: () => config().headers,
  };
}

/** Listens nowhere: connections are handed to it. */
function handshakeServer(
  { options, clientRefusal }: TlsSettings,
  { readTimeoutMs, speak, tell }: Pick<GateOptions, 'readTimeoutMs' | 'speak' | 'tell'>,
): Server {
  const tellSeldom = seldom(tell, () => performance.now());
  const refused = ({ remoteAddress }: TLSSocket, why: string): string =>
    `${remoteAddress ?? 'somebody'} is not let in by TLS: ${why}`;
  return createServer({ ...options, handshakeTimeout: readTimeoutMs }, (socket) => {
    const why = clientRefusal(socket);
    if (why === undefined) {
      speak(socket);
      return;
    }
    tellSeldom({ level: 'warn', code: 'exporter.handshake', sentence: refused(socket, why) });
    socket.destroy();
  }).on('tlsClientError', (error: TlsError, socket) => {
    const notice = { code: 'exporter.handshake', sentence: refused(socket, whyNot(error)) } as const;
    // Probes look whether the port is open, and leave again.
    if (error.code === 'ECONNRESET') tell({ level: 'debug', ...notice });
    else tellSeldom({ level: 'warn', ...notice });
    socket.destroy();
  });
}

/** What TLS says has its `reason` beside a message that names files of OpenSSL. */
interface TlsError extends NodeJS.ErrnoException {
  readonly reason?: string;
}

function whyNot({ reason, message }: TlsError): string {
  if (reason === 'http request') return 'it asks by plain HTTP (in Prometheus: scheme: https)';
  return reason ?? message;
}
