import type { Lane } from '../../../core/fields/lane.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { sideBySide } from '../../side-by-side.ts';
import { jobIdOf } from '../bearers.ts';
import { cutInventoryOf, inventoryOf, type JobRun, type JobWindow } from '../facts.ts';
import type { JobDevice } from '../figures.ts';
import { findJob } from '../find-job.ts';
import { chosenRun, jobIdleLimits, jobReadings, windowOf, type JobQueryOptions } from '../query.ts';
import { readLabel, type JobLabel } from '../rows/job-rows.ts';
import type { JobSource } from '../rows/scan.ts';
import { jobSources } from '../rows/summed-job.ts';

/** Where the rows of one run of a job are, so that parts of its time can be looked at one after the other. */
export interface JobCourse {
  readonly run: JobRun;
  readonly window: JobWindow;
  readonly label: JobLabel;
  readonly sources: readonly JobSource[];
  /** What the inventory tells of its devices. */
  readonly devices: readonly Pick<JobDevice, 'gpu' | 'node' | 'index' | 'migProfile' | 'memoryBytes'>[];
}

/**
 * Finds a job's rows, and reads none of them. An id that is an array's too means the task here, as for `jobFigures`.
 * @throws OperatingError `report.job_id`, `report.unknown_job`, `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function jobCourse(
  store: Asked,
  lanes: readonly Lane[],
  jobId: string,
  options: JobQueryOptions,
): Promise<JobCourse> {
  const db = sideBySide(store);
  const found = await findJob(db, jobId, options);
  const { members } = found.bearer;
  const member = members.find(({ job }) => jobIdOf(job) === found.typed.typed) ?? members[0]!;
  const run = chosenRun(db, found, { ...options, member });
  const window = windowOf(run);
  const [inventory, idle, label] = await Promise.all([
    inventoryOf(db, window),
    jobIdleLimits(db, window, options),
    readLabel(db, run.jobId, window),
  ]);
  const cut = await cutInventoryOf(db, inventory, window.intervals);
  const sources = await jobSources(db, await jobReadings(db, lanes, window, cut), idle);
  return { run, window, label, sources, devices: devicesOf(window, inventory) };
}

function devicesOf({ intervals }: JobWindow, inventory: ReadonlyMap<string, Cells>): JobCourse['devices'] {
  const nodeOf = new Map(intervals.map(({ gpu, node }) => [gpu, node]));
  return [...nodeOf].map(([gpu, node]) => {
    const known = inventory.get(gpu);
    const profile = known?.text('mig_profile') ?? '';
    return {
      ...{ gpu, node, index: known?.number('gpu_index'), memoryBytes: known?.number('memory_bytes') },
      migProfile: profile === '' ? undefined : profile,
    };
  });
}
