import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer } from 'node:https';
import type { TlsIdentity } from './tls.ts';

/** An https server whose new connections have the certificate as it is then. @param identity as `Access.tls` */
export function createTlsServer(
  identity: () => TlsIdentity,
  limits: ServerOptions,
  listener: RequestListener,
): Server {
  let taken = identity();
  const server = createServer(
    { ...limits, cert: taken.cert, key: taken.key, minVersion: 'TLSv1.2' },
    listener,
  );
  // Before the server's own listener, which begins the handshake.
  server.prependListener('connection', () => {
    const now = identity();
    if (now === taken) return;
    taken = now;
    server.setSecureContext({ cert: now.cert, key: now.key, minVersion: 'TLSv1.2' });
  });
  return server;
}
