import PQueue from 'p-queue';
import { OperatingError } from '../../core/base/errors.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { invalidRollups } from '../invalid-rollups.ts';
import type { Level } from '../levels.ts';
import type { CutInventory } from '../mig-energy.ts';
import type { Asked } from '../query-cells.ts';
import { ownedFigures } from './assemble.ts';
import { clusterOf, jobIdOf, type Member } from './bearers.ts';
import {
  cutInventoryOf,
  inventoryOf,
  runOf,
  sliceRatiosOf,
  type JobRun,
  type JobWindow,
  type SliceRatios,
} from './facts.ts';
import { findJob, type Found } from './find-job.ts';
import type { JobFigures } from './figures.ts';
import { instanceEnergies, withInstances } from './instances.ts';
import { jobCommand } from './job-command.ts';
import { keptSums, readKept, withKept, type KeptFigures } from './kept-figures.ts';
import { jobReadings, memberFigures, windowOf, type JobQueryOptions } from './query.ts';
import { addSums, emptySums, type JobSource, type SampleSums } from './rows/scan.ts';
import { sumTasks, type DeviceSums } from './rows/sum-tasks.ts';
import { jobSources, sumToNewest } from './rows/summed-job.ts';
import type { TaskAmounts, TaskFigures, TasksFigures } from './tasks-figures.ts';

/** Tasks whose samples are asked for at a time. */
const QUERIES_AT_ONCE = 4;

/** What an id is answered with. */
export type Account =
  | { readonly of: 'job'; readonly figures: JobFigures }
  | { readonly of: 'tasks'; readonly figures: TasksFigures };

/**
 * The account of what somebody's id stands for: of a job, or of an array or heterogeneous job and its tasks.
 * @throws OperatingError `report.job_id`, `report.unknown_job`, `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function accountOf(
  db: Asked,
  lanes: readonly Lane[],
  jobId: string,
  options: JobQueryOptions,
): Promise<Account> {
  const found = await findJob(db, jobId, options);
  const [member] = found.bearer.members;
  if (found.bearer.family !== undefined)
    return { of: 'tasks', figures: await tasksFigures(db, lanes, found, options) };
  return { of: 'job', figures: await memberFigures(db, lanes, found, { ...options, member: member! }) };
}

/** One run of a task with what belongs to it. */
interface TaskRun {
  readonly member: Member;
  readonly run: JobRun;
  readonly window: JobWindow;
}

/** With what is known of it without its samples. */
interface KnownTaskRun extends TaskRun {
  readonly sliceRatios: SliceRatios;
  /** What is kept of its devices. */
  readonly kept: ReadonlyMap<string, SampleSums>;
  /** Which is all. */
  readonly isAllKept: boolean;
}

interface SeenTaskRun extends KnownTaskRun {
  readonly sums: SampleSums;
}

async function tasksFigures(
  db: Asked,
  lanes: readonly Lane[],
  found: Found,
  { run, nowUs }: JobQueryOptions,
): Promise<TasksFigures> {
  const { members, family } = found.bearer;
  const jobsOfId = Map.groupBy(found.jobs, jobIdOf);
  const runs = members
    .flatMap((member) => taskRuns(member, jobsOfId.get(jobIdOf(member.job)) ?? [], nowUs))
    .filter((one) => run === undefined || one.run.run === run);
  if (runs.length === 0)
    throw new OperatingError(`no task of ${found.typed.typed} has a run ${run!}`, {
      code: 'report.unknown_run',
      exit: 'usage',
      where: `${db.where}, tables gpu_ownership and jobs`,
      hints: [`all of their runs: ${jobCommand(found.typed.typed, {})}`],
    });
  const stays = runs.flatMap(({ window }) => window.intervals);
  const inventory = await inventoryOf(db, spanOf(runs));
  const cut = await cutInventoryOf(db, inventory, stays);
  const wanted = (await jobReadings(db, lanes, spanOf(runs), cut)).filter(
    ({ gauges, hasEnergy }, index) =>
      index === 0 || hasEnergy || gauges.some(([key]) => key === 'smActive' || key === 'power'),
  );
  const sources = await jobSources(db, wanted);
  const kept = Map.groupBy(
    await readKept(db, { ...found.asked, ids: [...new Set(runs.map(({ run: { jobId } }) => jobId))] }),
    ({ jobId }) => jobId,
  );
  const queue = new PQueue({ concurrency: QUERIES_AT_ONCE });
  const known = runs.map((one) => knownRun(one, kept.get(one.run.jobId) ?? [], cut));
  // Where a gauge is in several tables each device has times of its own.
  const isEach = sources.some(({ times }) => times !== undefined);
  const together = await sumTasks(db, sources, isEach ? [] : known.filter(canBeSummedWithOthers));
  const seen = await queue.addAll(
    known.map((one) => async () => await seenRun(db, sources, one, { cut, devices: together.get(one) })),
  );
  const [{ record }] = members as [Member];
  const intervals = seen.flatMap(({ window }) => window.intervals);
  const tasks = seen.map((one) => taskFigures(one, found));
  return {
    family: family!,
    jobId: found.typed.typed,
    askedStep: found.typed.step,
    cluster: members.map(({ job }) => clusterOf(job)).find((cluster) => cluster !== undefined),
    name: record.name,
    user: record.user,
    account: record.account,
    partition: record.partition,
    isSynthetic: [...inventory.values()].some((device) => device.text('source') === 'synthetic'),
    startUs: Math.min(...seen.map(({ window }) => window.startUs)),
    endUs: Math.max(...seen.map(({ window }) => window.endUs)),
    isOpen: intervals.some(({ isOpen }) => isOpen),
    nodes: new Set(intervals.map(({ node }) => node)).size,
    tasks,
    all: {
      ...amountsOf(
        intervals,
        new Map(),
        seen.map(({ sums }) => sums),
      ),
      // An instance may have been of another size for another task.
      ownedGpuUs: tasks.reduce((sum, { ownedGpuUs }) => sum + ownedGpuUs, 0),
    },
    otherJobs: found.otherJobs,
    invalidRollups: seen.some(({ isAllKept }) => !isAllKept)
      ? await invalidRollups(db, sources.flatMap(rollupsOf))
      : [],
  };
}

function rollupsOf({ kept }: JobSource): { readonly level: Level; readonly table: string }[] {
  return kept.levels.flatMap(({ level, tables }) => tables.map(({ name }) => ({ level, table: name })));
}

/** From the first start to the last end of all of them. */
function spanOf(runs: readonly TaskRun[]): JobWindow {
  return {
    startUs: Math.min(...runs.map(({ window }) => window.startUs)),
    endUs: Math.max(...runs.map(({ window }) => window.endUs)),
    intervals: runs.flatMap(({ window }) => window.intervals),
  };
}

/** @param jobs all that bear its id: an array has ten thousand tasks, and nobody else's stays are the task's */
function taskRuns(member: Member, jobs: Found['jobs'], nowUs: number): TaskRun[] {
  const { job } = member;
  return job.runs.map((chosen) => {
    const run = runOf(job, chosen, jobs, nowUs);
    return { member, run, window: windowOf(run) };
  });
}

function knownRun(one: TaskRun, kept: readonly KeptFigures[], cut: CutInventory | undefined): KnownTaskRun {
  const { run, window } = one;
  const sliceRatios = sliceRatiosOf(cut, window);
  const own = keptSums(kept, run.jobId, window);
  const devices = new Set(window.intervals.map(({ gpu }) => gpu));
  // What is kept of an instance has no part of the energy of its GPU.
  const isAllKept = areWhole(sliceRatios) && devices.size > 0 && devices.size === own.size;
  return { ...one, sliceRatios, kept: own, isAllKept };
}

function areWhole(sliceRatios: SliceRatios): boolean {
  return [...sliceRatios.values()].every((ratio) => ratio === 1);
}

/**
 * Its rows can be told by its label alone. A running one has time that is not looked at, an instance a part of its GPU's energy, and
 * of another run of its id on a device not every bucket tells which it is of.
 */
function canBeSummedWithOthers({ run, window, sliceRatios, isAllKept }: KnownTaskRun): boolean {
  return !isAllKept && window.intervals.length > 0 && run.foreign.length === 0 && areWhole(sliceRatios);
}

/**
 * From what is kept of it where that is all, since it costs no query; else from what samples there are.
 * @param devices where these have been summed with those of others
 */
async function seenRun(
  db: Asked,
  sources: readonly JobSource[],
  one: KnownTaskRun,
  { cut, devices }: { readonly cut: CutInventory | undefined; readonly devices: DeviceSums | undefined },
): Promise<SeenTaskRun> {
  const { run, window, sliceRatios, kept, isAllKept } = one;
  if (isAllKept || devices !== undefined)
    return { ...one, sums: addedUp(withKept(window, devices ?? new Map(), kept)?.devices ?? devices) };
  const summed = await sumToNewest(db, sources, run, window);
  const seen = summed.window;
  const energies = await instanceEnergies(db, sources, summed.job, { cut, window: seen });
  const best = withKept(seen, summed.sums.devices, kept) ?? summed.sums;
  return { ...one, window: seen, sums: withInstances(best, sliceRatios, energies).all };
}

function addedUp(devices: DeviceSums = new Map()): SampleSums {
  const all = emptySums();
  for (const device of devices.values()) addSums(all, device);
  return all;
}

function taskFigures({ member, run, window, sums, sliceRatios }: SeenTaskRun, found: Found): TaskFigures {
  return {
    task: member.task,
    jobId: run.jobId,
    run: run.run,
    runCount: run.otherRuns.length + 1,
    state: run.record.state,
    exitCode: run.record.exitCode,
    startUs: window.startUs,
    endUs: window.endUs,
    isOpen: window.intervals.some(({ isOpen }) => isOpen),
    ...amountsOf(window.intervals, sliceRatios, [sums]),
    command: taskCommand(member, run, found),
  };
}

/** As people type it: `6_1`, `2+1`. */
function taskCommand({ task, job, record }: Member, { jobId, told }: JobRun, { otherJobs }: Found): string {
  const { arrayJobId, hetJobId } = record;
  const typed =
    task !== undefined && arrayJobId !== undefined
      ? `${arrayJobId}_${task}`
      : task !== undefined && hetJobId !== undefined
        ? `${hetJobId}+${task}`
        : jobId;
  // Arrays of two clusters may be submitted in one second.
  const selector = { cluster: clusterOf(job), submittedUs: told.submitUs ?? told.startUs };
  return jobCommand(typed, otherJobs.length === 0 ? {} : selector);
}

function amountsOf(
  intervals: JobWindow['intervals'],
  sliceRatios: SliceRatios,
  parts: readonly SampleSums[],
): TaskAmounts {
  const sums = emptySums();
  for (const part of parts) addSums(sums, part);
  const sm = sums.gauges.get('smActive');
  return {
    ...ownedFigures(intervals, sliceRatios, sums),
    smActive:
      sm === undefined || sm.knownUs === 0
        ? undefined
        : { value: sm.sum / sm.knownUs, unit: 'ratio', knownUs: sm.knownUs },
    devices: new Set(intervals.map(({ gpu }) => gpu)).size,
  };
}
