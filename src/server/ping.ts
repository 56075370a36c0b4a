/** Asks who answers on the port of a QuestDB server. */
import { get } from 'node:http';

import type { QuestdbPorts } from '../../schemas/questdb-state.ts';
import { LOOPBACK } from './loopback-ports.ts';

const PING_TIMEOUT_MS = 2_000;

/** The address of the server and of its web console. */
export function httpUrlOf(ports: QuestdbPorts): string {
  return `http://${LOOPBACK}:${ports.http}`;
}

/** The official client's configuration string. */
export function clientConfOf(ports: QuestdbPorts): string {
  return `http::addr=${LOOPBACK}:${ports.http};`;
}

/** How the server calls itself in its answer to /ping (we give ours a name of its own); undefined when none answers. */
export async function pingIdentity(ports: QuestdbPorts): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const request = get(
      `${httpUrlOf(ports)}/ping`,
      { agent: false, timeout: PING_TIMEOUT_MS },
      (response) => {
        response.resume();
        const header = response.headers['x-influxdb-version'];
        resolve(response.statusCode === 204 && typeof header === 'string' ? header : undefined);
      },
    );
    request.once('timeout', () => request.destroy());
    // Refused or broken off: nobody is there yet, which the caller waits through or reports.
    request.once('error', () => {
      resolve(undefined);
    });
  });
}
