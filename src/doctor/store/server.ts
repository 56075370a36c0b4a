import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readClientConf } from '../../../schemas/read-client-conf.ts';
import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { isLoopback } from '../../config/addresses.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { shell } from '../../core/base/shell.ts';
import { readSettings } from '../../questdb/reads/settings.ts';
import { formatCount } from '../../report/text/format-quantity.ts';
import { formatBytes } from '../amounts.ts';
import { fine, wrong, type Check, type Outcome } from '../check.ts';
import type { Facts } from '../facts.ts';
import { listed } from './schema.ts';

/** A collector holds some connections at once, and between two flushes none. */
const CONNECTION_LIMITS = ['http.net.connection.limit', 'http.ilp.connection.limit'];
/** Of a disk that QuestDB still writes and merges on. */
const FREE_RATIO_MIN = 0.05;
/** Collectors tell of themselves every ten seconds, and flush at least each ten minutes. */
const SILENT_US = 15 * 60e6;
const KNOWN_DAYS = 7;

export const connections: Check = {
  part: 'store',
  name: 'connections',
  why: 'a collector that gets no connection keeps its rows, and tries again for ever',
  async look(facts) {
    const settings = await readSettings(await facts.store());
    const nodes = (await lastWords(facts)).length;
    const limits = CONNECTION_LIMITS.map((name) => ({ name, limit: Number(settings?.get(name) ?? NaN) }));
    // -1: as many as there are in all.
    const low = limits.filter(({ limit }) => limit >= 0 && limit < nodes);
    if (low.length === 0) return fine(`${formatCount(nodes, 'node')}, ${connectionsText(limits[0]!.limit)}`);
    return wrong(
      `${nodes} nodes send, and ${low.map(({ name, limit }) => `${name} is ${limit}`).join(', ')}`,
      low.map(({ name }) => `${name}=${2 * nodes} in server.conf, then restart the server`),
    );
  },
};

/** @param limit NaN where the server does not tell, below 0 where it has none */
export function connectionsText(limit: number): string {
  if (Number.isNaN(limit)) return 'and the server does not tell how many connections it allows';
  return limit < 0 ? 'any number of connections' : `at most ${formatCount(limit, 'connection')}`;
}

export const disk: Check = {
  part: 'store',
  name: 'disk',
  why: 'a server without room suspends its tables',
  async look(facts) {
    const { host } = await readClientConf((await facts.config()).questdb.clientConf);
    const settings = await readSettings(await facts.store());
    const work = settings?.get('cairo.sql.copy.work.root');
    // A disk elsewhere is seen by those who look there.
    if (work === undefined || !isLoopback(host)) return undefined;
    const root = dirname(work);
    if (!existsSync(join(root, 'db'))) return undefined;
    return roomIn(root, await statfs(root));
  },
};

/** Of a file system, in blocks of `bsize` bytes. */
export function roomIn(
  root: string,
  { bavail, blocks, bsize }: { readonly bavail: number; readonly blocks: number; readonly bsize: number },
): Outcome {
  const what = `${formatBytes(bavail * bsize)} of ${formatBytes(blocks * bsize)} are free in ${root}`;
  if (bavail / blocks >= FREE_RATIO_MIN) return fine(what);
  return wrong(what, [
    shell`du -xhd2 ${root} | sort -h | tail`,
    'keep rows for a shorter time: retention in the configuration',
  ]);
}

export const nodes: Check = {
  part: 'store',
  name: 'nodes',
  why: 'a node that sends nothing is in no report, and nothing else says so',
  async look(facts) {
    const words = await lastWords(facts);
    if (words.length === 0) return fine(`no node has sent anything in ${KNOWN_DAYS} days`);
    const nowUs = Date.now() * 1000;
    const silent = words.filter(({ lastUs }) => nowUs - lastUs > SILENT_US);
    if (silent.length === 0) return fine(`${words.length} sent in the last 15 minutes`);
    const names = silent.map(
      ({ name, lastUs }) => `${name} (since ${new Date(lastUs / 1000).toISOString()})`,
    );
    return wrong(`${silent.length} of ${words.length} are silent: ${listed(names)}`, [
      'on each of them: gpuledger doctor --node',
    ]);
  },
};

interface LastWord {
  readonly name: string;
  /** Epoch µs. */
  readonly lastUs: number;
}

/** Of each node that told of itself lately. */
async function lastWords(facts: Facts): Promise<LastWord[]> {
  const db = await facts.store();
  try {
    const { rows } = await db.exec(
      `SELECT cluster, node, max(ts) FROM collector_stats WHERE ts > dateadd('d', -${KNOWN_DAYS}, now())` +
        ' GROUP BY cluster, node ORDER BY cluster, node',
    );
    return rows.map(([cluster, node, last]) => ({
      name: typeof cluster === 'string' ? `${String(node)} of ${cluster}` : String(node),
      lastUs: timestampUs(last),
    }));
  } catch (thrown) {
    // That a table is missing is told by the check of the schema.
    if (thrown instanceof OperatingError && thrown.code === 'questdb.no_table') return [];
    throw thrown;
  }
}
