import { sliceWindows, type Window } from '../../../core/analysis/active-windows.ts';
import { medianOf } from '../../../core/analysis/median.ts';
import { findStraggler, type Straggler } from '../../../core/analysis/straggler.ts';
import type { Asked } from '../../query-cells.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { Slowest } from './figures.ts';
import { linkHealth } from './link-health.ts';
import { sliceMeans, type MeanKey, type SliceMeans } from './slice-means.ts';

const SLICES_MIN = 10;
/** Of fewer slices in which all devices were seen nothing is told. */
const SEEN_SLICES_MIN = 5;
/** A device that does less than this while the others work has no part in the work. */
const WORKS_RATIO_MIN = 0.05;
/** SM activity of a device that waits, spinning, is not higher than this. */
const SPIN_SM_MAX = 0.2;
/** A job with less SM activity than this says nothing of how long its devices wait. */
const COST_SM_MIN = 0.3;
/** The pipe that tells how much work was done is active at least so much. */
const PIPE_RATIO_MIN = 0.02;
/** Below it the pipe does not tell the devices apart. */
const PIPE_EXCESS_MIN = 0.01;
/** A lower clock makes up for all of a pipe's higher activity but this part: the device is slower. */
const CLOCK_PART_MAX = 0.3;
/** Or it makes up for no more than the rest: the device has more work. */
const WORK_PART_MIN = 0.7;

/** What is looked at. */
export interface ComparedDevices {
  readonly windows: readonly Window[];
  /** How long each device was active. */
  readonly activeUs: number;
  /** Devices of several kinds (models, MIG profiles) are not compared. */
  readonly kindOf: (gpu: string) => string;
}

/** The device that the others wait for; undefined where none is out of line, or nothing tells. @throws what `ask` throws */
export async function findSlowest(
  db: Asked,
  sources: readonly JobSource[],
  summed: SummedJob,
  compared: ComparedDevices,
): Promise<Slowest | undefined> {
  const slices = sliceWindows(compared.windows, SLICES_MIN);
  const devices = workingDevices(await sliceMeans(db, sources, summed, slices));
  if (new Set([...devices.keys()].map(compared.kindOf)).size > 1) return undefined;
  const found = findStraggler(
    [...devices].map(([gpu, means]) => ({
      gpu,
      smActive: means.get('smActive') ?? [],
      engineActive: means.get('engineActive') ?? [],
    })),
  );
  if ('none' in found) return undefined;
  const key = found.kind === 'fed_late' ? 'engineActive' : 'smActive';
  const others = [...devices.keys()].filter((gpu) => gpu !== found.gpu);
  const meanOf = (gpu: string, of: MeanKey): number => average(devices.get(gpu)!.get(of) ?? []);
  return {
    gpu: found.gpu,
    kind: found.kind,
    deviceCount: devices.size,
    ratio: meanOf(found.gpu, key),
    othersRatio: medianOf(others.map((gpu) => meanOf(gpu, key))),
    leads: found.leads,
    why: found.kind === 'computes_longest' ? whyLonger(found.gpu, others, meanOf) : undefined,
    lostUsMax: lostUsMax(found, others, meanOf, compared.activeUs),
    ...(await linkHealth(db, summed, found.gpu)),
  };
}

/**
 * The devices that do the job's work, in the slices in which all of them were seen: means over different times say nothing of each
 * other. None where those slices are too few.
 */
function workingDevices(devices: ReadonlyMap<string, SliceMeans>): ReadonlyMap<string, SliceMeans> {
  const working = [...devices].filter(([, means]) => average(means.get('smActive') ?? []) >= WORKS_RATIO_MIN);
  const count = working[0]?.[1].get('smActive')?.length ?? 0;
  const seen = Array.from({ length: count }, (_, slice) => slice).filter((slice) =>
    working.every(([, means]) => !Number.isNaN(means.get('smActive')![slice]!)),
  );
  if (seen.length < SEEN_SLICES_MIN) return new Map();
  const inSeen = (values: readonly number[]): number[] => seen.map((slice) => values[slice]!);
  return new Map(
    working.map(([gpu, means]) => [gpu, new Map([...means].map(([key, all]) => [key, inSeen(all)]))]),
  );
}

/** Of the known ones; NaN of none. */
function average(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

type MeanOf = (gpu: string, key: MeanKey) => number;

/** What a pipe did per second is its activity times the clock: as much as on the others, and the device is slow; more, and it has more work. */
function whyLonger(gpu: string, others: readonly string[], meanOf: MeanOf): Slowest['why'] {
  const pipe = (['tensorActive', 'dramActive'] as const).find(
    (key) => medianOf(others.map((other) => meanOf(other, key))) >= PIPE_RATIO_MIN,
  );
  if (pipe === undefined) return undefined;
  const excessOf = (valueOf: (one: string) => number): number =>
    valueOf(gpu) / medianOf(others.map(valueOf)) - 1;
  const activeExcess = excessOf((one) => meanOf(one, pipe));
  const workExcess = excessOf((one) => meanOf(one, pipe) * meanOf(one, 'smClock'));
  // NaN where no clock is recorded.
  if (!(activeExcess >= PIPE_EXCESS_MIN)) return undefined;
  if (workExcess <= CLOCK_PART_MAX * activeExcess) return 'device';
  return workExcess >= WORK_PART_MIN * activeExcess ? 'work' : undefined;
}

/**
 * The others wait, spinning, or they would be as active as the slowest: the less a spinning device shows, the longer it waits. Of one
 * that is fed late they wait while its engine is idle.
 */
function lostUsMax(
  { gpu, kind }: Straggler,
  others: readonly string[],
  meanOf: MeanOf,
  activeUs: number,
): number | undefined {
  const key = kind === 'fed_late' ? 'engineActive' : 'smActive';
  const top = meanOf(gpu, key);
  if (kind === 'computes_longest' && top < COST_SM_MIN) return undefined;
  const partOf = (other: string): number =>
    kind === 'fed_late' ? meanOf(other, key) - top : (top - meanOf(other, key)) / (top - SPIN_SM_MAX);
  return others.reduce((us, other) => us + Math.max(0, partOf(other)) * activeUs, 0);
}
