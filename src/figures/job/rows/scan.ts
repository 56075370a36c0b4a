import { quoteName } from '../../../../schemas/tables.ts';
import type { IdleLimit } from '../../../core/fields/idle-limits.ts';
import type { GaugeKey, LaneGauges } from '../../gauges.ts';
import type { DeviceIdleLimits } from '../../idle-limits.ts';
import type { KeptLane, Segment } from '../../levels.ts';
import { bestOfDevice } from '../../quantity.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import {
  counterSummands,
  gaugeSummands,
  idleSummands,
  summandSql,
  TIME,
  type Summand,
} from '../../summands.ts';
import { askLabelled } from './ask-labelled.ts';
import { whoseIs } from './job-rows.ts';
import type { JobSegments, LabelledJob, MixedBucket } from './job-segments.ts';
import { addPipe, addPipes, pipeColumnsOf, pipeSumsSql, type PipesSums } from './pipes.ts';

/** Sums over the samples of one gauge: what its mean is divided from. Σ x·dt, Σ dt where x was known, µs. */
export interface GaugeSums {
  readonly sum: number;
  readonly knownUs: number;
  /** NaN where what is kept does not tell. */
  readonly min: number;
  readonly max: number;
}

/** What is known of idleness by one limit. */
export interface IdleSums {
  /** Σ dt·part in which the device was idle. */
  readonly us: number;
  /** Σ dt·part over which it is known whether it was. */
  readonly knownUs: number;
  readonly lastActiveUs: number | undefined;
}

/** Sums over any set of a job's samples; additive, so that parts and devices can be added up. */
export interface SampleSums {
  samples: number;
  /** Samples that speak for some time. */
  steps: number;
  sampledUs: number;
  /** Σ dt·part; of a MIG instance, as are idle and used time, by its slices once that has been looked up. */
  attributedUs: number;
  lastUs: number;
  counterJoules: number | undefined;
  counterUs: number;
  /** The same time whole, whatever the part. */
  counterDtUs: number;
  powerJoules: number | undefined;
  powerUs: number;
  /** Of each device what can be believed, then Σ: see `bestOfDevice`. */
  bestJoules: number | undefined;
  bestUs: number;
  /** What of it is a part of the energy of GPUs that are cut. */
  dividedJoules: number | undefined;
  dividedUs: number;
  /** Of a device by each limit that was asked for. */
  readonly idleBy: Map<IdleLimit, IdleSums>;
  /** Of each device by its own limit, then Σ: see `idleOfDevice`. */
  idleUs: number | undefined;
  /** Σ dt·part over which it was known whether the device was idle. */
  idleKnownUs: number;
  lastActiveUs: number | undefined;
  /** Σ SM activity·dt·part. */
  usedUs: number;
  /** Σ dt·part over which the SM activity was known. */
  usedKnownUs: number;
  readonly gauges: Map<GaugeKey, GaugeSums>;
  readonly pipes: PipesSums;
}

export function emptySums(): SampleSums {
  return {
    samples: 0,
    steps: 0,
    sampledUs: 0,
    attributedUs: 0,
    lastUs: -Infinity,
    counterJoules: undefined,
    counterUs: 0,
    counterDtUs: 0,
    powerJoules: undefined,
    powerUs: 0,
    bestJoules: undefined,
    bestUs: 0,
    dividedJoules: undefined,
    dividedUs: 0,
    idleBy: new Map(),
    idleUs: undefined,
    idleKnownUs: 0,
    lastActiveUs: undefined,
    usedUs: 0,
    usedKnownUs: 0,
    gauges: new Map(),
    pipes: new Map(),
  };
}

/** Sums of a job as a whole, and of each device that has samples. */
export interface JobSums {
  readonly all: SampleSums;
  readonly devices: ReadonlyMap<string, SampleSums>;
}

/** A lane's gauges, and where its rows are. */
export interface JobSource extends LaneGauges {
  readonly kept: KeptLane;
  readonly idle: DeviceIdleLimits;
  /** The same samples and the histograms of a gauge; of those gauges that have any. */
  readonly histograms: ReadonlyMap<GaugeKey, KeptLane>;
}

/** What came out of the rows that bear a job's label. */
export interface LabelledSums extends JobSums {
  /** The owner sets that had rows of the first lane, or values in another. */
  readonly sets: ReadonlySet<string>;
  /** Σ dt of rows of several owners from before samples were labelled with owner sets: nobody's. */
  readonly undividedUs: number;
  /** Σ dt of the job's rows of which nobody recorded by which part they are its. */
  readonly unpartedUs: number;
  readonly mixed: readonly MixedBucket[];
}

/**
 * The sums over the rows that bear a job's label, lane by lane, from the rollups where these have them. The first lane decides
 * samples and coverage.
 * @param segmentsIn where the rows of a lane are read
 * @throws what `ask` throws
 */
export async function sumJob(
  db: Asked,
  sources: readonly JobSource[],
  job: LabelledJob,
  segmentsIn: (source: JobSource) => JobSegments,
): Promise<LabelledSums> {
  const devices = new Map<string, SampleSums>();
  const sets = new Set<string>();
  const mixed: MixedBucket[] = [];
  const left = { undivided: 0, unparted: 0 };
  for (const [index, source] of sources.entries()) {
    const isPrimary = index === 0;
    const places = segmentsIn(source);
    const pipes = pipeColumnsOf(source);
    if (isPrimary) mixed.push(...places.mixed);
    for (const row of await labelledRows(db, source, job, places)) {
      const whose = whoseIs(job.label, row);
      if (whose === undefined) continue;
      if (typeof whose !== 'object') {
        if (isPrimary) left[whose] += row.number('dt_us') ?? 0;
        continue;
      }
      const ownerSet = row.text('owner_set');
      if (ownerSet !== undefined && (isPrimary || tells(row, source))) sets.add(ownerSet);
      const device = sumsOf(devices, row);
      addRow(device, row, source, { part: whose.part, isPrimary });
      if (pipes !== undefined) addPipes(device.pipes, row, pipes);
    }
  }
  const all = emptySums();
  for (const [gpu, device] of devices) {
    Object.assign(device, bestOfDevice(device), idleOfDevice(device, sources[0]!.idle.of(gpu)));
    addSums(all, device);
  }
  return { all, devices, sets, undividedUs: left.undivided, unpartedUs: left.unparted, mixed };
}

async function labelledRows(
  db: Asked,
  source: JobSource,
  job: LabelledJob,
  { groups }: JobSegments,
): Promise<Cells[]> {
  const pipes = pipeColumnsOf(source);
  return await askLabelled(db, job, groups, (segment) => ({
    keys: [],
    picks: [...jobPicks(source, segment), ...(pipes === undefined ? [] : pipeSumsSql(pipes, segment))],
  }));
}

/** Which of the idle times that were added up is a device's. */
export function idleOfDevice(
  { idleBy }: Pick<SampleSums, 'idleBy'>,
  limit: IdleLimit,
): Pick<SampleSums, 'idleUs' | 'idleKnownUs' | 'lastActiveUs'> {
  const own = idleBy.get(limit);
  return { idleUs: own?.us, idleKnownUs: own?.knownUs ?? 0, lastActiveUs: own?.lastActiveUs };
}

/** What a lane's rows tell, without where they are. */
type ReadLane = Pick<JobSource, 'gauges' | 'hasEnergy' | 'idle'>;

/** What is added up of the rows `s` of a segment: `addRow` reads it. */
export function jobPicks(source: ReadLane, segment: Segment): string[] {
  return jobSummands(source).map((summand) => pickSql(summand, summandSql(summand, segment)));
}

/** Whether anything was known in the rows that were brought together. */
function tells(row: Cells, { gauges, hasEnergy }: LaneGauges): boolean {
  const isRise = hasEnergy && row.number('counter_joules') !== undefined;
  return isRise || gauges.some((_, index) => row.number(`x${index}_max`) !== undefined);
}

function sumsOf(devices: Map<string, SampleSums>, row: Cells): SampleSums {
  const gpu = row.text('gpu') ?? '';
  const device = devices.get(gpu) ?? emptySums();
  devices.set(gpu, device);
  return device;
}

/** A sum, or something else that rows are brought together by. */
interface JobSummand extends Summand {
  readonly by?: 'sum' | 'min' | 'max';
  readonly isTime?: boolean;
}

/** Nothing is made of an aggregate, or QuestDB 9.3.4 may group the rows by one thread alone. */
function pickSql({ name, by = 'sum', isTime = false }: JobSummand, expression: string): string {
  return `${by}(${isTime ? `cast(${expression} AS LONG)` : expression}) AS ${name}`;
}

/** All that a lane's rows tell of a job. Names are the columns of the answer; those of a gauge have its number. */
function jobSummands({ gauges, hasEnergy, idle }: ReadLane): readonly JobSummand[] {
  const sm = new Map(gauges).get('smActive');
  return [
    { name: 'samples', rollup: 'row_count', raw: '1' },
    TIME,
    { name: 'steps', rollup: 'step_count', raw: 'CASE WHEN s.dt_us > 0 THEN 1 ELSE 0 END' },
    { name: 'last_us', rollup: 'last_ts', raw: 's.ts', by: 'max', isTime: true },
    ...gauges.flatMap(([, column], index): JobSummand[] => {
      const x = `s.${quoteName(column)}`;
      return [
        ...gaugeSummands(`x${index}`, column),
        { name: `x${index}_min`, rollup: `${column}_min`, raw: x, by: 'min' },
        { name: `x${index}_max`, rollup: `${column}_max`, raw: x, by: 'max' },
      ];
    }),
    ...(hasEnergy ? counterSummands() : []),
    ...(sm === undefined ? [] : idle.inUse).flatMap((limit): JobSummand[] => {
      const { idle: idleDt, known, lastActive } = idleSummands(sm!, limit);
      return [idleDt, ...(known === undefined ? [] : [known]), { ...lastActive, by: 'max', isTime: true }];
    }),
  ];
}

/** Adds a row of the answers. @param of the job's part of the device, and whether the lane decides samples and coverage */
export function addRow(
  sums: SampleSums,
  row: Cells,
  { gauges, hasEnergy, idle }: ReadLane,
  { part, isPrimary }: { readonly part: number; readonly isPrimary: boolean },
): void {
  if (isPrimary) {
    sums.samples += row.number('samples') ?? 0;
    // A rollup of an older version does not tell.
    sums.steps += row.number('steps') ?? NaN;
    sums.sampledUs += row.number('dt_us') ?? 0;
    sums.attributedUs += (row.number('dt_us') ?? 0) * part;
    sums.lastUs = Math.max(sums.lastUs, row.number('last_us') ?? -Infinity);
  }
  gauges.forEach(([key, column], index) => {
    const max = row.number(`x${index}_max`);
    if (max === undefined) return;
    const sum = row.number(`x${index}_sum`) ?? 0;
    const knownUs = row.number(`x${index}_us`) ?? 0;
    const known = sums.gauges.get(key) ?? NO_GAUGE;
    sums.gauges.set(key, {
      sum: known.sum + sum,
      knownUs: known.knownUs + knownUs,
      min: Math.min(known.min, row.number(`x${index}_min`) ?? NaN),
      max: Math.max(known.max, max),
    });
    if (key === 'power') {
      sums.powerJoules = (sums.powerJoules ?? 0) + (sum * part) / 1e6;
      sums.powerUs += knownUs * part;
    }
    if (key !== 'smActive') return;
    sums.usedUs += sum * part;
    sums.usedKnownUs += knownUs * part;
    for (const limit of idle.inUse) {
      const names = idleSummands(column, limit);
      const idleKnownUs = names.known === undefined ? knownUs : (row.number(names.known.name) ?? 0);
      const own = sums.idleBy.get(limit);
      sums.idleBy.set(limit, {
        // A device without any idle sample has been idle for no time, which is known and not missing.
        us: (own?.us ?? 0) + (row.number(names.idle.name) ?? 0) * part,
        knownUs: (own?.knownUs ?? 0) + idleKnownUs * part,
        lastActiveUs: later(own?.lastActiveUs, row.number(names.lastActive.name)),
      });
    }
  });
  if (!hasEnergy) return;
  const joules = row.number('counter_joules');
  sums.counterJoules = plus(sums.counterJoules, joules === undefined ? undefined : joules * part);
  sums.counterUs += (row.number('counter_us') ?? 0) * part;
  sums.counterDtUs += row.number('counter_us') ?? 0;
}

const NO_GAUGE: GaugeSums = { sum: 0, knownUs: 0, min: Infinity, max: -Infinity };

/** Adds the sums of one device to those of the job. */
export function addSums(into: SampleSums, from: SampleSums): void {
  into.samples += from.samples;
  into.steps += from.steps;
  into.sampledUs += from.sampledUs;
  into.attributedUs += from.attributedUs;
  into.lastUs = Math.max(into.lastUs, from.lastUs);
  into.counterJoules = plus(into.counterJoules, from.counterJoules);
  into.counterUs += from.counterUs;
  into.counterDtUs += from.counterDtUs;
  into.powerJoules = plus(into.powerJoules, from.powerJoules);
  into.powerUs += from.powerUs;
  into.bestJoules = plus(into.bestJoules, from.bestJoules);
  into.bestUs += from.bestUs;
  into.dividedJoules = plus(into.dividedJoules, from.dividedJoules);
  into.dividedUs += from.dividedUs;
  into.idleUs = plus(into.idleUs, from.idleUs);
  into.idleKnownUs += from.idleKnownUs;
  into.lastActiveUs = later(into.lastActiveUs, from.lastActiveUs);
  into.usedUs += from.usedUs;
  into.usedKnownUs += from.usedKnownUs;
  for (const [key, gauge] of from.gauges) {
    const known = into.gauges.get(key) ?? NO_GAUGE;
    into.gauges.set(key, {
      sum: known.sum + gauge.sum,
      knownUs: known.knownUs + gauge.knownUs,
      min: Math.min(known.min, gauge.min),
      max: Math.max(known.max, gauge.max),
    });
  }
  for (const [key, pipe] of from.pipes) addPipe(into.pipes, key, pipe);
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return (a ?? 0) + b;
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return a === undefined ? b : Math.max(a, b);
}
