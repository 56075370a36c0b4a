import { connect } from 'node:net';
import { parseEngineAddress } from './engine-address.ts';

const PATIENCE_MS = 500;
const DEFAULT_PORT = 5555;

/**
 * Why an engine could not be connected to, as far as a connection of our own can tell; libdcgm has one status for all of
 * it. Takes at most half a second.
 */
export async function diagnoseEngine(engine: string): Promise<string> {
  const { address, isUnixSocket } = parseEngineAddress(engine);
  const [, host = '', port = String(DEFAULT_PORT)] = /^(.*?)(?::(\d+))?$/.exec(address) ?? [];
  if (!isUnixSocket && Number(port) > 65_535) return `there is no port ${port}`;
  const outcome = await tryConnect(
    isUnixSocket ? { path: address } : { host: host.replace(/^\[|\]$/g, ''), port: Number(port) },
  );
  switch (outcome) {
    case 'connected':
      return 'something listens there, but it does not answer as a host engine';
    case 'silent':
      return `nothing answered within ${PATIENCE_MS} ms: is a firewall between, or the node down?`;
    case 'ECONNREFUSED':
      return isUnixSocket ? 'the socket is there and nobody listens on it' : 'nothing listens there';
    case 'ENOENT':
      return 'there is no such socket';
    case 'EACCES':
      return 'the socket may not be opened by this user';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `there is no host of that name`;
    default:
      return `connecting there says ${outcome}`;
  }
}

function tryConnect(target: { path: string } | { host: string; port: number }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(target);
    const end = (outcome: string): void => {
      socket.destroy();
      clearTimeout(timer);
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      end('silent');
    }, PATIENCE_MS);
    socket.once('connect', () => {
      end('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end(error.code ?? error.message);
    });
  });
}
