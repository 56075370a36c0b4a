import { quoteText } from '../../../schemas/tables.ts';
import { joinStays } from '../../core/jobs/device-parts.ts';
import { CLOCK_SKEW_US_MAX, jobsOf, type NumberedRun } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { clusterOf } from '../job/bearers.ts';
import { readTold, recordTogether, type Told } from '../job/told-runs.ts';
import { STEP_US } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import type { BillingCheck, BillingDifference } from './figures.ts';
import type { CapacityWindow } from './window.ts';

/** Of longer windows all jobs are not looked through. */
const WINDOW_US_MAX = 100 * STEP_US['1d'];
/** Ids of which the sums differ that are looked at run by run, those with the largest differences first. */
const LOOKED_AT_MAX = 1000;

/**
 * Holds the time for which jobs owned GPUs against what the scheduler counted: GPUs × elapsed time. Only ids of which all that was
 * told lies in the window, since of others a part is compared with a whole. Hooks and scheduler tell a run by clocks of their own, which
 * may be `CLOCK_SKEW_US_MAX` apart: so much a GPU is no difference.
 * @returns undefined of a window that is too long
 * @throws what `ask` throws
 */
export async function checkBilling(
  db: Asked,
  window: CapacityWindow,
  cluster: string | undefined,
): Promise<BillingCheck | undefined> {
  if (window.toUs - window.fromUs > WINDOW_US_MAX) return undefined;
  const [counts] = await ask(
    db,
    `${sumsSql(window, cluster)} SELECT sum(${IS_COMPARED}) AS compared, sum(CASE WHEN ${HAS_STAYS} AND NOT ${IS_BILLED} THEN 1 ELSE 0 END) AS unbilled,` +
      ` sum(CASE WHEN ${IS_BILLED} AND NOT ${HAS_STAYS} THEN 1 ELSE 0 END) AS unrecorded FROM i WHERE outside = 0`,
  );
  const differing = await ask(
    db,
    `${sumsSql(window, cluster)} SELECT job, stray_us FROM (SELECT cast(i_job AS STRING) AS job, abs(owned_us - billed_us) AS stray_us FROM i WHERE outside = 0 AND ${HAS_STAYS} AND ${IS_BILLED})` +
      ` WHERE stray_us > ${CLOCK_SKEW_US_MAX} ORDER BY stray_us DESC LIMIT ${LOOKED_AT_MAX + 1}`,
  );
  const ids = differing.slice(0, LOOKED_AT_MAX).flatMap((row) => row.text('job') ?? []);
  const runs = jobsOf(await readTold(db, { ids, apart: [], sql: undefined }))
    .filter((job) => cluster === undefined || clusterOf(job) === cluster)
    .flatMap((job) => {
      // Another run of the id, of long before or after, was not looked at.
      const within = job.runs.filter(({ members }) => members.some((member) => reaches(member, window)));
      return within.map((run) => differenceOf(clusterOf(job), run));
    })
    .filter((one) => one !== undefined);
  return {
    compared: counts?.number('compared') ?? 0,
    unbilled: counts?.number('unbilled') ?? 0,
    unrecorded: counts?.number('unrecorded') ?? 0,
    differences: runs.sort((a, b) => strayUs(b) - strayUs(a) || (a.jobId < b.jobId ? -1 : 1)),
    isCut: differing.length > LOOKED_AT_MAX,
  };
}

const HAS_STAYS = 'stays > 0';
const IS_BILLED = '(records > 0 AND untold = 0)';
const IS_COMPARED = `CASE WHEN ${HAS_STAYS} AND ${IS_BILLED} THEN 1 ELSE 0 END`;

/** `i`: by id, over all that reaches into the window, what was owned and what was billed, and how much of it lies not wholly in it. */
function sumsSql({ fromUs, toUs }: CapacityWindow, cluster: string | undefined): string {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  const isOutside = `CASE WHEN end_ts IS NULL OR ts < ${from} OR end_ts > ${to} THEN 1 ELSE 0 END AS outside`;
  const where =
    `WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from}) AND job_id != ${quoteText(UNRESOLVED_JOB_ID)}` +
    (cluster === undefined ? '' : ` AND cluster = ${quoteText(cluster)}`);
  const lengthUs = '(cast(end_ts AS LONG) - cast(ts AS LONG))';
  const records =
    `SELECT job_id AS i_job, 1 AS records, 0 AS stays, CASE WHEN gpus IS NULL THEN 1 ELSE 0 END AS untold, gpus * ${lengthUs} AS billed_us,` +
    ` 0 AS owned_us, ${isOutside} FROM jobs ${where}`;
  const stays =
    `SELECT job_id AS i_job, 0 AS records, 1 AS stays, 0 AS untold, 0 AS billed_us, ${lengthUs} AS owned_us, ${isOutside}` +
    ` FROM gpu_ownership ${where} AND (end_ts IS NULL OR end_ts > ts)`;
  const sums = ['records', 'stays', 'untold', 'billed_us', 'owned_us', 'outside'];
  return (
    `WITH i AS (SELECT i_job, ${sums.map((name) => `sum(${name}) AS ${name}`).join(', ')}` +
    ` FROM (${records} UNION ALL ${stays}) GROUP BY i_job)`
  );
}

/** The same as in `sumsSql`. */
function reaches({ startUs, endUs = Infinity }: Told, { fromUs, toUs }: CapacityWindow): boolean {
  return startUs < toUs && endUs >= fromUs;
}

/** Undefined where the run agrees, or one of the two is not known of it. */
function differenceOf(
  cluster: string | undefined,
  { members, number, told }: NumberedRun<Told>,
): BillingDifference | undefined {
  const { gpus } = recordTogether(members);
  // Of several rows about it the one that knows the end, else the later one.
  const record = members
    .filter((member) => member.record !== undefined)
    .sort((a, b) => Number(a.endUs !== undefined) - Number(b.endUs !== undefined) || a.startUs - b.startUs)
    .at(-1);
  const stays = joinStays(
    members.flatMap(({ stay, startUs, endUs }) =>
      stay === undefined || endUs === undefined ? [] : [{ ...stay, startUs, endUs }],
    ),
  );
  if (gpus === undefined || record?.endUs === undefined || stays.length === 0) return undefined;
  const billedUs = gpus * (record.endUs - record.startUs);
  const ownedUs = stays.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
  const devices = new Set(stays.map(({ gpu }) => gpu)).size;
  if (Math.abs(ownedUs - billedUs) <= CLOCK_SKEW_US_MAX * Math.max(gpus, devices)) return undefined;
  return { jobId: told.jobId, run: number, cluster, ownedUs, billedUs, gpus, devices };
}

function strayUs({ ownedUs, billedUs }: BillingDifference): number {
  return Math.abs(ownedUs - billedUs);
}
