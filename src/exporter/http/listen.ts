import { createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from 'node:net';
import { formatListenAddress, type ListenAddress } from '../../config/addresses.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import { handedSockets, socketError } from './systemd-socket.ts';

/** Or the sockets that systemd handed over. */
export type Where = ListenAddress | 'systemd';

export interface Listening {
  /** As people type it; more than one with commas. */
  readonly address: string;
  /** Takes no more connections. Resolves once the last of those that were taken is closed. */
  stop(): Promise<void>;
  /** Closes every connection. */
  cut(): void;
}

/** What a socket is made of, or the number of one that is there. */
type Place = ListenOptions | { readonly fd: number };

/** More are closed as they come. */
const CONNECTIONS_MAX = 512;
/** What the system says of an address that is no one of its own; of IPv6 also of one that says not of which network. */
const NO_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN']);
/** What it says where it has no IPv6. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT']);

/** @throws OperatingError `exporter.port_taken` (75), `exporter.address` (75, 77, 78), `exporter.socket` (78) */
export async function listen(
  where: Where,
  onConnection: (socket: Socket) => void,
  tell: Tell,
): Promise<Listening> {
  const open = new Set<Socket>();
  const servers: Server[] = [];
  const start = async (options: Place): Promise<void> => {
    // As node's own http servers have it: whoever has said all that he has to say may still be answered.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.maxConnections = CONNECTIONS_MAX;
    server.on('connection', (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      onConnection(socket);
    });
    await listening(server, options);
    server.on('error', (error) => {
      tell({ level: 'warn', code: 'exporter.not_taken', sentence: `no connection: ${messageOf(error)}` });
    });
    servers.push(server);
  };
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(closed));
  };
  try {
    if (where === 'systemd') for (const fd of handedSockets(process.env, process.pid)) await start({ fd });
    else await startAt(where, start);
  } catch (thrown) {
    await stop();
    throw where === 'systemd' ? notASocket(thrown) : listenFailure(thrown, where);
  }
  return {
    address: servers.map((server) => addressOf(server, where)).join(', '),
    stop,
    cut() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** Where nothing is said, both families: a socket of IPv6 that takes IPv4 too, and IPv4 alone where there is no other. */
async function startAt(
  { host, port }: ListenAddress,
  start: (options: Place) => Promise<void>,
): Promise<void> {
  if (host !== '') {
    await start({ host, port });
    return;
  }
  try {
    await start({ host: '::', port, ipv6Only: false });
  } catch (thrown) {
    if (!NO_IPV6.has(codeOf(thrown) ?? '')) throw thrown;
    await start({ host: '0.0.0.0', port });
  }
}

async function listening(server: Server, options: Place): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

function addressOf(server: Server, where: Where): string {
  const address = server.address();
  if (typeof address === 'string') return `unix:${address}`;
  const { address: host, port } = address as AddressInfo;
  return formatListenAddress({ host: where === 'systemd' ? host : where.host, port });
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
}

function listenFailure(thrown: unknown, listen: ListenAddress): unknown {
  const where = formatListenAddress(listen);
  const code = codeOf(thrown);
  if (code === 'EADDRINUSE')
    return new OperatingError(
      `the port is in use: another process listens on ${where}, often dcgm-exporter`,
      {
        code: 'exporter.port_taken',
        exit: 'temporary',
        where,
        hints: [
          `who it is: ss -ltnp 'sport = :${listen.port}'`,
          'stop it (systemctl disable --now nvidia-dcgm-exporter), or take another port',
        ],
        cause: thrown,
      },
    );
  if (code === 'EACCES' || code === 'EPERM')
    return new OperatingError(`this process may not listen on ${where}`, {
      code: 'exporter.address',
      exit: 'permission',
      where,
      hints: ["ports below 1024 are root's: take one above, or let systemd open the socket"],
      cause: thrown,
    });
  if (code !== undefined && NO_ADDRESS.has(code))
    return new OperatingError(`${where} is no address of this machine (${messageOf(thrown)})`, {
      code: 'exporter.address',
      exit: 'config',
      where,
      hints: ['name one that it has (ip address), or :9400 for all of them'],
      cause: thrown,
    });
  if (code === undefined) return thrown;
  return new OperatingError(`metrics cannot be served at ${where} now: ${messageOf(thrown)}`, {
    code: 'exporter.address',
    exit: 'temporary',
    where,
    cause: thrown,
  });
}

/** A file, a socket that does not listen (`Accept=yes`), or nothing at all has that number. */
function notASocket(thrown: unknown): unknown {
  const code = codeOf(thrown);
  if (thrown instanceof OperatingError || code === undefined) return thrown;
  return socketError(`expected a listening socket of systemd, came something else (${code})`, thrown);
}
