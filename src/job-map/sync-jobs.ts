import type { JobRecord } from '../core/jobs/job-fact.ts';
import { differ } from '../core/jobs/job-runs.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { LateReply, LateRow } from '../ownership/scheduler.ts';
import type { QuestDb } from '../questdb/http.ts';
import { idLists, withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';
import { waitForVisible } from '../questdb/visible.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly } from '../disk/dead-letter.ts';
import { createRefusals } from './refusals.ts';

/** Rows of one reply. Each that was read is in exactly one of the other counts. */
export interface SyncCounts {
  readonly readRows: number;
  /** In `jobs` now. */
  readonly writtenRows: number;
  /** The scheduler says that the job has no GPU, and nobody here has heard of it. */
  readonly withoutGpuRows: number;
  /** The scheduler does not say, and nobody here has heard of the job. */
  readonly unknownRows: number;
  /** Of jobs that have not begun. */
  readonly waitingRows: number;
  /** Not understood, or refused by QuestDB. */
  readonly refusedRows: number;
  /** QuestDB did not take them; what came after them was not read. */
  readonly unsentRows: number;
}

export interface SyncOutcome extends SyncCounts {
  readonly from: string;
  /** Why the reply ended early, or did not come. */
  readonly failure?: OperatingError;
}

type Job = Extract<LateRow, { kind: 'job' }>;

/** Rows that are looked up and written together. */
const BATCH_ROWS_MAX = 1_000;
/** Between the clocks of nodes and controller, when rows of one job are looked for. */
const CLOCK_SKEW_US_MAX = 3_600e6;

/**
 * Upserts into `jobs` what a reply tells, while it comes. The scheduler knows no devices here: ownership comes from the hooks
 * alone. What was read before a reply broke off is written.
 * @throws OperatingError when QuestDB does not answer a question
 */
export async function syncJobs(
  db: QuestDb,
  reply: LateReply,
  tell: Tell,
  onProgress?: (counts: SyncCounts) => void,
): Promise<SyncOutcome> {
  const counts = {
    readRows: 0,
    writtenRows: 0,
    withoutGpuRows: 0,
    unknownRows: 0,
    waitingRows: 0,
    refusedRows: 0,
    unsentRows: 0,
  };
  /** Jobs to write, and jobs of which it must be asked first whether anybody here has heard of them. */
  const ours: JobRecord[] = [];
  const doubtful: Job[] = [];
  const write = createWriter(db, tell);
  const refusals = createRefusals(reply.from, tell);

  function sort(row: LateRow): void {
    counts.readRows += 1;
    if (row.kind === 'waiting') counts.waitingRows += 1;
    else if (row.kind === 'refused') {
      counts.refusedRows += 1;
      refusals.add(row);
    } else if (row.hasGpus === true) ours.push(row.record);
    else doubtful.push(row);
  }

  async function decide(jobs: readonly Job[]): Promise<void> {
    const isKnown = await readKnown(
      db,
      jobs.map(({ record }) => record),
    );
    for (const { record, hasGpus } of jobs) {
      if (isKnown(record)) ours.push(record);
      else if (hasGpus === false) counts.withoutGpuRows += 1;
      else counts.unknownRows += 1;
    }
  }

  async function store(records: readonly JobRecord[]): Promise<void> {
    const { isTaken, refusedRows } = await write(records);
    if (isTaken) {
      counts.writtenRows += records.length - refusedRows;
      counts.refusedRows += refusedRows;
    } else counts.unsentRows += records.length;
  }

  /** @param rowsMin so many are worth a question to the store */
  async function settle(rowsMin: number): Promise<void> {
    while (doubtful.length >= rowsMin && doubtful.length > 0)
      await decide(doubtful.splice(0, BATCH_ROWS_MAX));
    while (ours.length >= rowsMin && ours.length > 0) await store(ours.splice(0, BATCH_ROWS_MAX));
  }

  let failure: OperatingError | undefined;
  const rows = untilFailure(reply.rows, (error) => (failure = error));
  for await (const piece of rows) {
    for (const row of piece) sort(row);
    await settle(BATCH_ROWS_MAX);
    onProgress?.(counts);
    if (counts.unsentRows > 0) break;
  }
  await settle(0);
  refusals.tellAll();
  return { from: reply.from, ...counts, ...(failure === undefined ? {} : { failure }) };
}

async function* untilFailure(
  rows: AsyncIterable<readonly LateRow[]>,
  note: (failure: OperatingError) => void,
): AsyncGenerator<readonly LateRow[]> {
  try {
    yield* rows;
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    note(thrown);
  }
}

type Write = (
  records: readonly JobRecord[],
) => Promise<{ readonly isTaken: boolean; readonly refusedRows: number }>;

function createWriter(db: QuestDb, tell: Tell): Write {
  let refusedRows = 0;
  const told = toldOnly(tell);
  const deadLetters: typeof told = {
    add(table, rows, body, reason) {
      refusedRows += rows;
      told.add(table, rows, body, reason);
    },
  };
  const merged = withMergedJobs(db, createSmallTables(withBisect(db, deadLetters, tell), tell), tell);
  return async (records) => {
    refusedRows = 0;
    // Rows are merged with what can be read, so that what was written before must be seen.
    await waitForVisible(db, 'jobs');
    const isTaken = await merged.writeJobs(records);
    return { isTaken, refusedRows };
  };
}

/** Time under one job id of which the store has heard. */
interface KnownTime {
  readonly cluster: string | undefined;
  readonly startUs: number;
  readonly endUs: number;
}

/** Of which of these jobs a hook, or an earlier sync, has told the store. */
async function readKnown(db: QuestDb, jobs: readonly JobRecord[]): Promise<(job: JobRecord) => boolean> {
  const firstUs = Math.min(...jobs.map(({ startUs }) => startUs)) - CLOCK_SKEW_US_MAX;
  const lastUs = Math.max(...jobs.map(({ endUs }) => endUs ?? Infinity)) + CLOCK_SKEW_US_MAX;
  const until = lastUs === Infinity ? '' : ` AND ts < cast(${lastUs} AS timestamp)`;
  const knownTimes = new Map<string, KnownTime[]>();
  for (const list of idLists(jobs.map(({ jobId }) => jobId))) {
    for (const table of ['gpu_ownership', 'jobs']) {
      const { rows } = await db.exec(
        `SELECT DISTINCT job_id, cluster, cast(ts AS LONG), cast(end_ts AS LONG) FROM ${table} WHERE job_id IN (${list}) AND ts > cast(${firstUs} AS timestamp)${until}`,
      );
      for (const [jobId, cluster, ts, end] of rows) {
        const times = knownTimes.get(String(jobId)) ?? [];
        const startUs = Number(ts);
        // Of an open one nobody knows how long it went on: the id may have come round again.
        const endUs = typeof end === 'number' ? end : startUs;
        times.push({ cluster: typeof cluster === 'string' ? cluster : undefined, startUs, endUs });
        knownTimes.set(String(jobId), times);
      }
    }
  }
  return ({ jobId, cluster, startUs, endUs = Infinity }) =>
    (knownTimes.get(jobId) ?? []).some(
      (known) =>
        !differ(known.cluster, cluster) &&
        known.startUs < endUs + CLOCK_SKEW_US_MAX &&
        known.endUs > startUs - CLOCK_SKEW_US_MAX,
    );
}
