import type { Lane } from '../../../core/fields/lane.ts';
import { jobsOf, type NumberedRun } from '../../../core/jobs/job-runs.ts';
import type { Asked } from '../../query-cells.ts';
import { memberOf } from '../bearers.ts';
import type { JobFigures } from '../figures.ts';
import { memberFigures } from '../query.ts';
import { readTold, type Told } from '../told-runs.ts';

/** One stay of a run on one of its devices, by which the run is found. */
export interface StayOfRun {
  readonly jobId: string;
  readonly gpu: string;
  /** Epoch µs. */
  readonly startUs: number;
}

/** A shorter run has no course. */
const LOOKED_US_MIN = 60e6;
/**
 * Device time that is looked at closely, times the nodes of the run: each of them concludes for its own devices. Eight GPUs for two
 * months, or a hundred nodes of eight for half an hour.
 */
const LOOKED_DEVICE_US_MAX = 40_000 * 3600e6;

/**
 * What the report of an ended run says, by the report's own way, with its usual limits.
 * @returns undefined where nobody tells of such a run any more
 * @throws what `ask` throws
 */
export async function concludeRun(
  db: Asked,
  lanes: readonly Lane[],
  stay: StayOfRun,
  nowUs: number,
): Promise<JobFigures | undefined> {
  const jobs = jobsOf(await readTold(db, { ids: [stay.jobId], apart: [], sql: undefined }));
  const job = jobs.find(({ runs }) => runs.some((run) => has(run, stay)));
  const run = job?.runs.find((one) => has(one, stay));
  if (job === undefined || run === undefined) return undefined;
  const found = { jobs, otherJobs: [], typed: {} };
  const isBrief = lengthOf(run) < LOOKED_US_MIN || workOf(run) > LOOKED_DEVICE_US_MAX;
  return await memberFigures(db, lanes, found, { member: memberOf(job), run: run.number, nowUs, isBrief });
}

function has({ members }: NumberedRun<Told>, { gpu, startUs }: StayOfRun): boolean {
  return members.some((told) => told.stay?.gpu === gpu && told.startUs === startUs);
}

function lengthOf({ members }: NumberedRun<Told>): number {
  const stays = members.filter(({ stay }) => stay !== undefined);
  return (
    Math.max(...stays.map(({ startUs, endUs = startUs }) => endUs)) -
    Math.min(...stays.map(({ startUs }) => startUs))
  );
}

function workOf({ members }: NumberedRun<Told>): number {
  const stays = members.filter(({ stay }) => stay !== undefined);
  const nodes = new Set(stays.map(({ stay }) => stay!.node)).size;
  return nodes * stays.reduce((sum, { startUs, endUs = startUs }) => sum + endUs - startUs, 0);
}
