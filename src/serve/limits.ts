import type { Server, ServerOptions } from 'node:http';

/** What a reader may take of the server itself, whoever he is. */

/** All headers of a request. */
const HEADER_BYTES_MAX = 16_384;
/** Who sends a request sends it at once. */
const REQUEST_MS_MAX = 10_000;
/** Neither side has sent anything: longer than a reader is answered, during which it says how far it is. */
const SILENT_MS_MAX = 130_000;
const KEEP_ALIVE_MS = 5_000;
const CONNECTIONS_MAX = 512;

export const HTTP_LIMITS: ServerOptions = {
  maxHeaderSize: HEADER_BYTES_MAX,
  headersTimeout: REQUEST_MS_MAX,
  requestTimeout: REQUEST_MS_MAX,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: KEEP_ALIVE_MS,
  // Two readings of one request are two requests.
  insecureHTTPParser: false,
};

/** @returns the same server */
export function limited<T extends Server>(server: T): T {
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(SILENT_MS_MAX);
  return server;
}
