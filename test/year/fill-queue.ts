import { quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { CLUSTERS, HOUR_US, hoursOf, type Year } from './plan.ts';

/** The queue of `plan.ts` as SQL: `c` a cluster, `k` an hour, at whose end the queue is asked. */

interface Kind {
  readonly jobs: string;
  readonly waitUs: string;
  readonly gpus: number;
  readonly type: string | null;
  readonly reason: string;
  readonly account: string;
}

const KINDS: readonly Kind[] = [
  {
    ...{ jobs: '(k * 7 + c * 3) % 5', waitUs: `${HOUR_US} * (1 + k % 3)` },
    ...{ gpus: 1, type: null, reason: 'Resources', account: 'acc-1' },
  },
  {
    ...{ jobs: '(k + c) % 3', waitUs: `${2 * HOUR_US}` },
    ...{ gpus: 4, type: 'h100', reason: 'Priority', account: 'acc-2' },
  },
  {
    ...{ jobs: 'CASE WHEN (k + c * 2) % 7 = 0 THEN 1 ELSE 0 END', waitUs: `${HOUR_US}` },
    ...{ gpus: 2, type: 'b200', reason: 'Resources', account: 'acc-1' },
  },
  {
    ...{ jobs: '(k + c) % 2', waitUs: `${5 * HOUR_US}` },
    ...{ gpus: 8, type: null, reason: 'Dependency', account: 'acc-3' },
  },
];

/** A row for each kind that waits, and one that says that the queue was asked. */
export async function fillQueue(db: QuestDb, year: Year): Promise<void> {
  const polls = `SELECT (x - 1) % ${CLUSTERS.length} AS c, (x - 1) / ${CLUSTERS.length} AS k FROM long_sequence(${CLUSTERS.length * hoursOf(year)})`;
  const names = CLUSTERS.map((name, at) => `WHEN c = ${at} THEN ${quoteText(name)}`);
  const poll = `cast(${year.startUs} + (k + 1) * ${HOUR_US} AS TIMESTAMP), CASE ${names.join(' ')} END`;
  await db.exec(
    `INSERT INTO queue_1m (ts, cluster, jobs, dt_us) SELECT ${poll}, 0, ${HOUR_US} FROM (${polls})`,
  );
  for (const { jobs, waitUs, gpus, type, reason, account } of KINDS)
    await db.exec(
      'INSERT INTO queue_1m (ts, cluster, "partition", account, "user", qos, reason, gpu_type, gpus, nodes, jobs, wait_us, dt_us)' +
        ` SELECT ${poll}, 'gpu', ${quoteText(account)}, 'user-1', 'normal', ${quoteText(reason)}, ${type === null ? 'cast(null AS SYMBOL)' : quoteText(type)},` +
        ` ${gpus}, 1, jobs, jobs * wait_us, ${HOUR_US} FROM (SELECT c, k, ${jobs} AS jobs, ${waitUs} AS wait_us FROM (${polls})) WHERE jobs > 0`,
    );
}
