import { differ, jobsOf, type RunTold } from '../../core/jobs/job-runs.ts';
import { requestSizeOf, spreadOf, type RequestSize } from '../../core/queue/waits.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import type { QueueTime, WaitRow } from './figures.ts';
import { WAITS_FOR_GPUS } from './waits-for-gpus.ts';

interface StartedRow extends RunTold {
  readonly account: string | undefined;
  readonly gpus: number | undefined;
}

/** Everything of one row. */
interface Gathered extends Pick<WaitRow, 'account' | 'model' | 'size'> {
  readonly waitsUs: number[];
  jobs: number;
  gpus: number;
  waitUs: number;
}

/** What the last poll of each cluster said. */
type LastPoll = Pick<QueueTime, 'lastPollUs' | 'waitingJobs' | 'waitingGpus' | 'otherJobs'>;

/**
 * How long runs waited that began in a window, and how long those have waited that still do, by account, model and size.
 * @param modelNamesOf what a type of the scheduler means, for people
 * @throws what `ask` throws
 */
export async function readWaits(
  db: Asked,
  window: Span,
  cluster: string | undefined,
  isQueueThere: boolean,
  modelNamesOf: (type: string) => string,
): Promise<{
  readonly rows: readonly WaitRow[];
  readonly unknownWaits: number;
  readonly lastPoll: LastPoll | undefined;
}> {
  const rows = new Map<string, Gathered>();
  const rowOf = (account: string | undefined, model: string | undefined, size: RequestSize): Gathered => {
    const key = JSON.stringify([account, model, size]);
    const row = rows.get(key) ?? { account, model, size, waitsUs: [], jobs: 0, gpus: 0, waitUs: 0 };
    rows.set(key, row);
    return row;
  };
  const unknownWaits = await addStarted(db, window, cluster, rowOf);
  const lastPoll = isQueueThere ? await addWaiting(db, window, cluster, modelNamesOf, rowOf) : undefined;
  const all = [...rows.values()].sort((a, b) => weightOf(b) - weightOf(a));
  return { rows: all.map(waitRowOf), unknownWaits, lastPoll };
}

type RowOf = (account: string | undefined, model: string | undefined, size: RequestSize) => Gathered;

/** @returns runs of which nobody told when they were submitted */
async function addStarted(
  db: Asked,
  { fromUs, toUs }: Span,
  cluster: string | undefined,
  rowOf: RowOf,
): Promise<number> {
  const ofCluster = (table: string): string =>
    cluster === undefined ? '' : ` AND ${table}cluster = ${quoteText(cluster)}`;
  const started = await ask(
    db,
    'SELECT cluster, job_id, run, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, cast(submit_ts AS LONG) AS submit_us,' +
      ` sluid, "user", state, account, gpus FROM jobs WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(toUs)}${ofCluster('')}`,
  );
  const had = await ask(
    db,
    'SELECT o.cluster AS cluster, o.job_id AS job_id, cast(o.ts AS LONG) AS start_us, i.model AS model, count_distinct(o.gpu) AS gpus FROM gpu_ownership o' +
      ' LEFT JOIN (SELECT gpu, last_not_null(model) AS model FROM gpu_inventory GROUP BY gpu) i ON i.gpu = o.gpu' +
      ` WHERE o.ts >= ${quoteTime(fromUs - SKEW_US)} AND o.ts < ${quoteTime(toUs + SKEW_US)}${ofCluster('o.')} GROUP BY cluster, job_id, start_us, model`,
  );
  const stays = Map.groupBy(had, (row) => row.text('job_id') ?? '');
  const tellings = started.map((row): StartedRow => ({
    cluster: row.text('cluster'),
    jobId: row.text('job_id') ?? '',
    run: row.number('run'),
    startUs: row.number('start_us')!,
    endUs: row.number('end_us'),
    submitUs: row.number('submit_us'),
    sluid: row.text('sluid'),
    user: row.text('user'),
    state: row.text('state'),
    account: row.text('account'),
    gpus: row.number('gpus'),
  }));
  let unknownWaits = 0;
  for (const { runs } of jobsOf(tellings))
    for (const { told, members } of runs) {
      const own = (stays.get(told.jobId) ?? []).filter(
        (stay) =>
          !differ(stay.text('cluster'), told.cluster) &&
          Math.abs(stay.number('start_us')! - told.startUs) <= SKEW_US,
      );
      const gpus =
        members.find((one) => one.gpus !== undefined)?.gpus ??
        own.reduce((sum, stay) => sum + (stay.number('gpus') ?? 0), 0);
      // A job that neither the scheduler nor a stay says to have GPUs.
      if (gpus === 0) continue;
      // Accounting begins a row for a job of another size, and says that it was submitted just then.
      if (told.submitUs === undefined) unknownWaits += 1;
      else if (told.submitUs !== told.startUs || runs.length === 1) {
        const models = [...new Set(own.flatMap((stay) => stay.text('model') ?? []))].sort();
        const account = members.find((one) => one.account !== undefined)?.account;
        const row = rowOf(account, models.length === 0 ? undefined : models.join(' + '), requestSizeOf(gpus));
        row.waitsUs.push(Math.max(0, told.startUs - told.submitUs));
      }
    }
  return unknownWaits;
}

/** Between a stay and the run that it is of: clocks of nodes and controller, and the prolog. */
const SKEW_US = 120e6;

async function addWaiting(
  db: Asked,
  { fromUs, toUs }: Span,
  cluster: string | undefined,
  modelNamesOf: (type: string) => string,
  rowOf: RowOf,
): Promise<LastPoll | undefined> {
  const ofCluster = cluster === undefined ? '' : ` AND cluster = ${quoteText(cluster)}`;
  const polls = await ask(
    db,
    `SELECT cluster, cast(max(ts) AS LONG) AS ts_us FROM queue_1m WHERE jobs = 0 AND ts > ${quoteTime(fromUs)} AND ts <= ${quoteTime(toUs)}${ofCluster} GROUP BY cluster`,
  );
  if (polls.length === 0) return undefined;
  const last = { lastPollUs: Infinity, waitingJobs: 0, waitingGpus: 0, otherJobs: 0 };
  for (const poll of polls) {
    const [name, tsUs] = [poll.text('cluster'), poll.number('ts_us')!];
    last.lastPollUs = Math.min(last.lastPollUs, tsUs);
    const rows = await ask(
      db,
      'SELECT account, gpu_type, gpus, reason, sum(jobs) AS jobs, sum(wait_us) AS wait_us FROM queue_1m' +
        ` WHERE ts = ${quoteTime(tsUs)} AND jobs > 0 AND ${name === undefined ? 'cluster IS NULL' : `cluster = ${quoteText(name)}`}` +
        ' GROUP BY account, gpu_type, gpus, reason',
    );
    for (const row of rows) {
      const [jobs, gpus] = [row.number('jobs') ?? 0, row.number('gpus')];
      if (gpus === undefined || !WAITS_FOR_GPUS.includes(row.text('reason') ?? '')) {
        last.otherJobs += jobs;
        continue;
      }
      last.waitingJobs += jobs;
      last.waitingGpus += jobs * gpus;
      const type = row.text('gpu_type');
      const own = rowOf(row.text('account'), type && modelNamesOf(type), requestSizeOf(gpus));
      own.jobs += jobs;
      own.gpus += jobs * gpus;
      own.waitUs += row.number('wait_us') ?? 0;
    }
  }
  return last;
}

function weightOf({ waitsUs, waitUs }: Gathered): number {
  return waitsUs.reduce((sum, us) => sum + us, waitUs);
}

function waitRowOf({ account, model, size, waitsUs, jobs, gpus, waitUs }: Gathered): WaitRow {
  return {
    ...{ account, model, size, started: spreadOf(waitsUs) },
    waiting: jobs === 0 ? undefined : { jobs, gpus, meanWaitUs: waitUs / jobs },
  };
}
