import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { NodeState } from '../../core/jobs/cluster-load.ts';
import type { LastPoll } from '../../core/jobs/node-spells.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';

/** A spell begins at most so long before its end. */
const SPELL_US_MAX = 3600e6;

/** What the last poll of the nodes of this cluster, no longer than `backUs` ago, has left in the store. A poll ahead of us counts. */
export async function readLastPoll(
  db: QuestDb,
  cluster: string | undefined,
  nowUs: number,
  backUs: number,
): Promise<LastPoll> {
  await waitForVisible(db, 'node_states');
  const { rows } = await db.exec(
    `SELECT node, cast(ts AS LONG), cast(end_ts AS LONG), state, gpus, reason FROM node_states WHERE ${isOf(cluster)}` +
      ` AND ts > cast(${Math.floor(nowUs - backUs - SPELL_US_MAX)} AS timestamp) LATEST ON ts PARTITION BY node`,
  );
  const spells = new Map(
    rows.map(([node, ts, end, state, gpus, reason]) => [
      String(node),
      {
        fromUs: Number(ts),
        toUs: Number(end),
        state: String(state) as NodeState,
        gpus: Number(gpus),
        reason: typeof reason === 'string' ? reason : undefined,
      },
    ]),
  );
  const times = [...spells.values()].map(({ toUs }) => toUs);
  return { atUs: times.length === 0 ? undefined : Math.max(...times), spells };
}

/** When the queue of this cluster was asked last, epoch µs; undefined where that is longer than `backUs` ago. */
export async function readLastQueuePoll(
  db: QuestDb,
  cluster: string | undefined,
  nowUs: number,
  backUs: number,
): Promise<number | undefined> {
  await waitForVisible(db, 'queue_1m');
  const { rows } = await db.exec(
    `SELECT max(ts) FROM queue_1m WHERE ${isOf(cluster)} AND jobs = 0 AND ts > cast(${Math.floor(nowUs - backUs)} AS timestamp)`,
  );
  const ts = rows[0]?.[0];
  return typeof ts === 'string' ? timestampUs(ts) : undefined;
}

function isOf(cluster: string | undefined): string {
  return cluster === undefined ? 'cluster IS NULL' : `cluster = ${quoteText(cluster)}`;
}
