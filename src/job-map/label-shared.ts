import type { Tell } from '../core/base/notice.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { OlderWindow } from '../core/jobs/relabel.ts';
import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readSampleTable } from '../questdb/reads/sample-table.ts';
import { JOB_US_MAX } from '../questdb/reads/stored-ownership.ts';
import { withKnownSets } from '../questdb/rows/known-sets.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';
import { waitForVisible } from '../questdb/visible.ts';
import { createLateWork, hearing } from './late-work.ts';
import { createMeasuredSets } from './measured-sets.ts';

/** A question about all devices in one partition. */
const QUESTION_TIMEOUT_MS = 600_000;
/** Younger samples may be on their way: whoever writes them labels them. */
const SETTLED_US = 600e6;

/**
 * Gives the samples of shared devices, and of jobs that have a part of one, their owner sets, where versions that knew none stored
 * them. Done again, or after a kill, it does what is left.
 * @param tables of samples, which have the column
 * @returns how many samples got another label
 * @throws OperatingError `schema.unlabelled` when the store does not take all of it
 */
export async function labelShared(
  db: QuestDb,
  tables: readonly string[],
  tell: Tell,
  onProgress: (words: string) => void,
): Promise<number> {
  const untilUs = (Date.now() - SETTLED_US / 1000) * 1000;
  let rows = 0;
  let firstOfAllUs = Infinity;
  for (const name of tables) {
    await waitForVisible(db, name);
    const { oldestUs, newestUs, partitionUs } = await readSampleTable(db, name);
    const firstUs = Math.floor(oldestUs / partitionUs) * partitionUs;
    firstOfAllUs = Math.min(firstOfAllUs, firstUs);
    for (let fromUs = firstUs; fromUs <= Math.min(newestUs, untilUs); fromUs += partitionUs) {
      onProgress(`${name}: shared GPUs of ${new Date(fromUs / 1000).toISOString()}, ${rows} samples so far`);
      const span = { fromUs: fromUs - 1, toUs: Math.min(untilUs, fromUs + partitionUs - 1) };
      const gpus = await gpusWithoutSets(db, name, span);
      const windows = gpus.map((gpu): OlderWindow => ({ gpu, ...span, isFirstTold: false }));
      if (windows.length > 0) rows += await label(db, name, windows, untilUs, tell);
    }
  }
  await divideByUse(db, firstOfAllUs, tell);
  return rows;
}

/** Sets that are divided equally, of devices of which it was measured what their owners did. */
async function divideByUse(db: QuestDb, sinceUs: number, tell: Tell): Promise<void> {
  if (sinceUs === Infinity) return;
  await waitForVisible(db, 'gpu_owner_sets');
  const { rows } = await db.exec(
    `SELECT DISTINCT gpu FROM gpu_owner_sets WHERE sharing = 'equal' AND ts >= ${timeSql(sinceUs - JOB_US_MAX)}` +
      ' AND gpu IN (SELECT DISTINCT gpu FROM gpu_shared_use)',
  );
  const measured = createMeasuredSets({ db, gpus: [], startUs: sinceUs, tell });
  for (const [gpu] of rows) measured.note(String(gpu), sinceUs);
  if (!(await measured.settle())) throw unlabelled(db.where);
}

/** Devices with samples in (fromUs, toUs] whose set should be known by what the samples and `gpu_ownership` say. */
async function gpusWithoutSets(
  db: QuestDb,
  table: string,
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
): Promise<string[]> {
  const without = `ts > ${timeSql(fromUs)} AND ts <= ${timeSql(toUs)} AND owner_set IS NULL`;
  const shared = await db.exec(
    `SELECT DISTINCT gpu FROM ${quoteName(table)} WHERE ${without} AND owners > 1`,
    { timeoutMs: QUESTION_TIMEOUT_MS },
  );
  const parts = await db.exec(
    `SELECT DISTINCT gpu FROM gpu_ownership WHERE share < 1 AND ts < ${timeSql(toUs)} AND (end_ts IS NULL OR end_ts > ${timeSql(fromUs)})`,
  );
  const known = new Set(shared.rows.map(([gpu]) => String(gpu)));
  const doubtful = parts.rows.map(([gpu]) => String(gpu)).filter((gpu) => !known.has(gpu));
  if (doubtful.length === 0) return [...known];
  const list = doubtful.map(quoteText).join(', ');
  const alone = await db.exec(
    `SELECT DISTINCT s.gpu FROM (SELECT ts, gpu, job_id FROM ${quoteName(table)} WHERE ${without} AND owners = 1 AND gpu IN (${list})) s` +
      ' JOIN (SELECT ts, end_ts, gpu, job_id FROM gpu_ownership WHERE share < 1) o ON o.gpu = s.gpu AND o.job_id = s.job_id' +
      ' WHERE s.ts > o.ts AND (o.end_ts IS NULL OR s.ts <= o.end_ts)',
    { timeoutMs: QUESTION_TIMEOUT_MS },
  );
  return [...known, ...alone.rows.map(([gpu]) => String(gpu))];
}

/** @returns how many samples got another label */
async function label(
  db: QuestDb,
  table: string,
  windows: readonly OlderWindow[],
  untilUs: number,
  tell: Tell,
): Promise<number> {
  const small = withKnownSets(db, createSmallTables(db, tell), tell);
  const corrected: Interval[] = [];
  let rows = 0;
  const late = createLateWork({
    db,
    tables: [table],
    areRowsLast: false,
    session: hearing({ windows, facts: [], intervals: [], unread: [], untilUs }),
    storeSets: (sets) => small.writeOwnerSets(sets),
    onDone: (done) => {
      rows += done.rows;
      corrected.push(...done.corrected);
    },
    // How many they are is told once for all.
    tell: (notice) => {
      if (notice.level !== 'info') tell(notice);
    },
  });
  const isDone = (await late.finish()) && (corrected.length === 0 || (await small.writeOwnership(corrected)));
  if (!isDone) throw unlabelled(db.where);
  return rows;
}

function unlabelled(where: string): OperatingError {
  return new OperatingError('not all samples of shared GPUs have the set of their owners yet', {
    code: 'schema.unlabelled',
    exit: 'temporary',
    where,
    hints: ['once more: gpuledger schema apply; what is done is not done again'],
  });
}

function timeSql(us: number): string {
  return `cast(${Math.floor(us)} AS timestamp)`;
}
