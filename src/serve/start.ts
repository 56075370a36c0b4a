import type { AddressInfo } from 'node:net';
import { formatListenAddress, type ListenAddress } from '../config/addresses.ts';
import { OperatingError, messageOf } from '../core/base/errors.ts';
import { createServer, type ServerOptions } from './server.ts';

export interface Running {
  /** `http://127.0.0.1:8470/`. */
  readonly url: string;
  close(): Promise<void>;
}

/** @throws OperatingError `serve.port_taken` (75), `serve.address` (77, 78), `page.incomplete` */
export async function startServing(options: ServerOptions, listen: ListenAddress): Promise<Running> {
  const app = createServer(options);
  try {
    await app.listen(listen);
  } catch (thrown) {
    await app.close();
    throw listenFailure(thrown, listen);
  }
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `${options.access.tls === undefined ? 'http' : 'https'}://${formatListenAddress({ ...listen, port })}/`,
    close: async () => {
      await app.close();
    },
  };
}

function listenFailure(thrown: unknown, listen: ListenAddress): unknown {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  const where = formatListenAddress(listen);
  if (code === 'EADDRINUSE')
    return new OperatingError(`the port is in use: another process listens on ${where}`, {
      code: 'serve.port_taken',
      exit: 'temporary',
      hints: [
        `who it is: ss -ltnp 'sport = :${listen.port}'`,
        'or take another: serve.listen in the configuration, --listen 127.0.0.1:8471',
      ],
      cause: thrown,
    });
  if (code === 'EACCES' || code === 'EPERM')
    return new OperatingError(`this process may not listen on ${where}`, {
      code: 'serve.address',
      exit: 'permission',
      hints: ["ports below 1024 are root's: take one above, and let a proxy stand before it"],
      cause: thrown,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new OperatingError(`${where} is no address of this machine (${messageOf(thrown)})`, {
      code: 'serve.address',
      exit: 'config',
      hints: ['name one that it has: serve.listen in the configuration'],
      cause: thrown,
    });
  return thrown;
}
