import PQueue from 'p-queue';
import { addCosts, type Costs, type CostRates } from '../../core/costs/costs.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Job } from '../../core/jobs/job-runs.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { withoutHours } from '../cost-basis.ts';
import type { DeviceIdleLimits } from '../idle-limits.ts';
import { invalidRollups, type InvalidRollup } from '../invalid-rollups.ts';
import type { Level } from '../levels.ts';
import type { CutInventory } from '../mig-energy.ts';
import type { Asked } from '../query-cells.ts';
import { ownedFigures } from './assemble.ts';
import type { AskedIds } from './asked-ids.ts';
import type { Member } from './bearers.ts';
import {
  cutInventoryOf,
  inventoryOf,
  runOf,
  sliceRatiosOf,
  type JobRun,
  type JobWindow,
  type SliceRatios,
} from './facts.ts';
import { instanceEnergies, withInstances } from './instances.ts';
import { energyHours } from './energy-hours.ts';
import { runCosts, type EnergyHours } from './job-costs.ts';
import { keptSums, readKept, withKept, type KeptFigures } from './kept-figures.ts';
import type { RunConclusions } from './kept/conclusions.ts';
import { keptConclusions } from './kept/run-conclusions.ts';
import { jobIdleLimits, jobReadings, windowOf } from './query.ts';
import { addSums, emptySums, type JobSource, type SampleSums } from './rows/scan.ts';
import { sumTasks, type DeviceSums } from './rows/sum-tasks.ts';
import { jobSources, sumToNewest } from './rows/summed-job.ts';
import type { TaskAmounts } from './tasks-figures.ts';
import type { Told } from './told-runs.ts';

/** Runs whose samples are asked for at a time. */
const QUERIES_AT_ONCE = 4;

/** One run of a job with what belongs to it. */
export interface MemberRun {
  readonly member: Member;
  readonly run: JobRun;
  readonly window: JobWindow;
  /** Of which `window` is a part; the same where it is undefined. */
  readonly whole?: JobWindow;
}

/** With what is known of it without its samples. */
interface KnownRun extends MemberRun {
  readonly sliceRatios: SliceRatios;
  /** What is kept of its devices. */
  readonly kept: ReadonlyMap<string, SampleSums>;
  /** What was concluded of it while its samples were there. */
  readonly conclusions: RunConclusions | undefined;
  /** What is kept is all. */
  readonly isAllKept: boolean;
}

export interface SeenRun extends KnownRun {
  readonly sums: SampleSums;
  /** Undefined where nothing is configured. */
  readonly costs: Costs | undefined;
}

/** All runs of a job. @param jobs all that bear its id: an array has ten thousand tasks, and nobody else's stays are the task's */
export function memberRuns(member: Member, jobs: readonly Job<Told>[], nowUs: number): MemberRun[] {
  const { job } = member;
  return job.runs.map((chosen) => {
    // Of a job's only run the same is known as of the job.
    const record = job.runs.length === 1 ? member.record : undefined;
    const run = runOf(job, chosen, jobs, nowUs, record);
    return { member, run, window: windowOf(run) };
  });
}

/** Its number where its job has a newer one, which is meant where no run is named. */
export function olderRun({ member, run }: MemberRun): number | undefined {
  return member.job.runs.at(-1)!.number === run.run ? undefined : run.run;
}

/** Many runs, and what is known of all of them. */
export interface SeenRuns {
  /** In the order of the runs that were asked about. */
  readonly seen: readonly SeenRun[];
  readonly idle: DeviceIdleLimits;
  readonly isSynthetic: boolean;
  readonly invalidRollups: readonly InvalidRollup[];
}

interface AskedRuns {
  readonly asked: AskedIds;
  readonly idleLimits?: IdleLimits | undefined;
  /** In which hours energy was drawn is looked up, run by run. */
  readonly isByHour?: boolean;
}

/**
 * What was measured of many runs, by as few questions as will do: what was kept of them costs one.
 * @param runs one at least @param asked gives their ids
 * @throws what `ask` throws
 */
export async function seeRuns(
  db: Asked,
  lanes: readonly Lane[],
  runs: readonly MemberRun[],
  asked: AskedRuns & { readonly costs?: CostRates | undefined },
): Promise<SeenRuns> {
  return await lookAtRuns(db, lanes, runs, asked, (run, modelOf) => withCosts(run, modelOf, asked.costs));
}

/** By UUID, as far as the inventory tells it. */
type ModelOf = (gpu: string) => string | undefined;

/**
 * The same with what `show` makes of each run: the sums of its devices are many, and are let go of then.
 * @throws what `ask` throws
 */
export async function lookAtRuns<Run extends MemberRun, Shown>(
  db: Asked,
  lanes: readonly Lane[],
  runs: readonly Run[],
  { asked, idleLimits, isByHour = false }: AskedRuns,
  show: (run: SummedRun & Run, modelOf: ModelOf) => Shown,
): Promise<Omit<SeenRuns, 'seen'> & { readonly seen: readonly Shown[] }> {
  const stays = runs.flatMap(({ window }) => window.intervals);
  const inventory = await inventoryOf(db, spanOf(runs));
  const cut = await cutInventoryOf(db, inventory, stays);
  const wanted = (await jobReadings(db, lanes, spanOf(runs), cut)).filter(
    ({ gauges, hasEnergy }, index) =>
      index === 0 || hasEnergy || gauges.some(([key]) => key === 'smActive' || key === 'power'),
  );
  const idle = await jobIdleLimits(db, { intervals: stays }, idleLimits === undefined ? {} : { idleLimits });
  const sources = await jobSources(db, wanted, idle);
  const kept = Map.groupBy(
    await readKept(db, { ...asked, ids: [...new Set(runs.map(({ run: { jobId } }) => jobId))] }, idle),
    ({ jobId }) => jobId,
  );
  const queue = new PQueue({ concurrency: QUERIES_AT_ONCE });
  const known = runs.map((one) => knownRun(one, kept.get(one.run.jobId) ?? [], cut));
  // Where a gauge is in several tables each device has times of its own.
  const isEach = isByHour || sources.some(({ times }) => times !== undefined);
  const together = await sumTasks(db, sources, isEach ? [] : known.filter(canBeSummedWithOthers));
  const seen = await queue.addAll(
    known.map((one) => async () => {
      const seen = await seenRun(db, sources, one, { cut, isByHour, devices: together.get(one) });
      return show({ ...one, ...seen }, (gpu) => inventory.get(gpu)?.text('model'));
    }),
  );
  return {
    seen,
    idle,
    isSynthetic: [...inventory.values()].some((device) => device.text('source') === 'synthetic'),
    invalidRollups: known.some(({ isAllKept }) => !isAllKept)
      ? await invalidRollups(db, sources.flatMap(rollupsOf))
      : [],
  };
}

function rollupsOf({ kept }: JobSource): { readonly level: Level; readonly table: string }[] {
  return kept.levels.flatMap(({ level, tables }) => tables.map(({ name }) => ({ level, table: name })));
}

/** From the first start to the last end of all of them. */
function spanOf(runs: readonly MemberRun[]): JobWindow {
  return {
    startUs: Math.min(...runs.map(({ window }) => window.startUs)),
    endUs: Math.max(...runs.map(({ window }) => window.endUs)),
    intervals: runs.flatMap(({ window }) => window.intervals),
  };
}

function knownRun<Run extends MemberRun>(
  one: Run,
  kept: readonly KeptFigures[],
  cut: CutInventory | undefined,
): KnownRun & Run {
  const { run, window, whole = window } = one;
  const sliceRatios = sliceRatiosOf(cut, window);
  const own = keptSums(kept, run.jobId, window);
  const devices = new Set(window.intervals.map(({ gpu }) => gpu));
  // What is kept of an instance has no part of the energy of its GPU.
  const isAllKept = areWhole(sliceRatios) && devices.size > 0 && devices.size === own.size;
  return {
    ...one,
    sliceRatios,
    kept: own,
    conclusions: keptConclusions(kept, run.jobId, whole),
    isAllKept,
  };
}

function areWhole(sliceRatios: SliceRatios): boolean {
  return [...sliceRatios.values()].every((ratio) => ratio === 1);
}

/**
 * Its rows can be told by its label alone. A running one has time that is not looked at, an instance a part of its GPU's energy, and
 * of another run of its id on a device not every bucket tells which it is of.
 */
function canBeSummedWithOthers({ run, window, sliceRatios, isAllKept }: KnownRun): boolean {
  return !isAllKept && window.intervals.length > 0 && run.foreign.length === 0 && areWhole(sliceRatios);
}

/**
 * From what is kept of it where that is all, since it costs no query; else from what samples there are.
 */
async function seenRun(
  db: Asked,
  sources: readonly JobSource[],
  one: KnownRun,
  { cut, devices, isByHour }: SumsOfRun,
): Promise<SummedRun> {
  const { run, window, sliceRatios, kept, isAllKept } = one;
  // Kept figures do not tell when energy was drawn.
  if (!isByHour && (isAllKept || devices !== undefined)) {
    const best = withKept(window, devices ?? new Map(), kept)?.devices ?? devices ?? new Map();
    return { ...one, devices: best, sums: addedUp(best) };
  }
  const summed = await sumToNewest(db, sources, run, window);
  const seen = summed.window;
  const energies = await instanceEnergies(db, sources, summed.job, { cut, window: seen });
  const best = withKept(seen, summed.sums.devices, kept) ?? summed.sums;
  const { all, devices: own } = withInstances(best, sliceRatios, energies);
  const hours = isByHour ? { hours: await energyHours(db, sources, summed, energies) } : {};
  return { ...one, window: seen, devices: own, sums: all, ...hours };
}

interface SumsOfRun {
  readonly cut: CutInventory | undefined;
  /** Where they have been summed with those of others. */
  readonly devices: DeviceSums | undefined;
  readonly isByHour: boolean;
}

/** A run with the sums of its devices. */
type SummedRun = Omit<SeenRun, 'costs'> & {
  readonly devices: DeviceSums;
  /** Where they were asked for. */
  readonly hours?: EnergyHours;
};

function withCosts({ devices, ...seen }: SummedRun, modelOf: ModelOf, rates: CostRates | undefined): SeenRun {
  const { window, sliceRatios } = seen;
  const costs =
    rates === undefined
      ? undefined
      : runCosts(window.intervals, devices, { modelOf, sliceRatios }, withoutHours(rates));
  return { ...seen, costs };
}

function addedUp(devices: DeviceSums): SampleSums {
  const all = emptySums();
  for (const device of devices.values()) addSums(all, device);
  return all;
}

/** What was measured of these intervals. @param parts whose sums are added up */
export function amountsOf(
  intervals: JobWindow['intervals'],
  sliceRatios: SliceRatios,
  parts: readonly SampleSums[],
): Omit<TaskAmounts, 'costs'> {
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

/** Of several runs together; undefined where nothing is configured. */
export function costsOfAll(runs: readonly Pick<SeenRun, 'costs'>[]): Costs | undefined {
  const costs = runs.flatMap((run) => run.costs ?? []);
  return costs.length === 0 ? undefined : addCosts(costs);
}
