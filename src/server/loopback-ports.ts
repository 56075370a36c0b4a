/** Chooses the loopback ports of a QuestDB server. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

import type { QuestdbPorts } from '../../schemas/questdb-state.ts';
import { OperatingError } from '../core/base/errors.ts';

export const LOOPBACK = '127.0.0.1';
/** The ports that QuestDB's documentation names. */
export const USUAL_PORTS: QuestdbPorts = { http: 9000, pg: 8812, min: 9003 };
const FREE_PORT_MIN = 20_000;
const FREE_PORT_END = 32_768;
/** Even with nine of ten ports taken, a thousand looks find one. */
const FREE_PORT_ATTEMPTS_MAX = 1000;

/** Listens for a moment. @returns the port, or undefined when it is taken. */
async function tryPort(port: number): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      server.close(() => {
        resolve(port);
      });
    });
  });
}

/**
 * Below 32768, where Linux begins to give ports to whoever asks for any: one from there could be lost to an outgoing
 * connection between our look and the server's start, or while a server restarts.
 */
async function freePort(except: readonly number[]): Promise<number> {
  for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(FREE_PORT_MIN, FREE_PORT_END);
    if (!except.includes(port) && (await tryPort(port)) !== undefined) return port;
  }
  throw new OperatingError('no free loopback port', {
    code: 'questdb.no_port',
    exit: 'temporary',
    where: LOOPBACK,
    hints: ['see which processes hold them: ss -tln'],
  });
}

/**
 * `usual`: QuestDB's own ports, each replaced by a free one if it is taken. `free`: any. A number: that HTTP port or
 * nothing, the two others as with `usual`.
 * @throws OperatingError `questdb.port_taken`
 */
export async function choosePorts(
  wish: 'usual' | 'free' | number,
  usual = USUAL_PORTS,
): Promise<QuestdbPorts> {
  const taken: number[] = [];
  const choose = async (preferred: number): Promise<number> => {
    const wanted = wish === 'free' || taken.includes(preferred) ? undefined : await tryPort(preferred);
    const port = wanted ?? (await freePort(taken));
    taken.push(port);
    return port;
  };
  if (typeof wish === 'number' && (await tryPort(wish)) === undefined) {
    throw new OperatingError(`port ${wish} is taken by another process`, {
      code: 'questdb.port_taken',
      exit: 'unavailable',
      where: `${LOOPBACK}:${wish}`,
      hints: [
        `see whose it is: ss -tlnp 'sport = :${wish}'`,
        'leave --port out, and a free one is chosen',
        `if it is a QuestDB, use it: QDB_CLIENT_CONF="http::addr=${LOOPBACK}:${wish};"`,
      ],
    });
  }
  if (typeof wish === 'number') taken.push(wish);
  return {
    http: typeof wish === 'number' ? wish : await choose(usual.http),
    pg: await choose(usual.pg),
    min: await choose(usual.min),
  };
}
