import { scaledSums, type Amount, type Cause } from '../../../core/analysis/causes.ts';
import {
  activeBy,
  findContexts,
  IDLE_ENGINE_MAX,
  topLinks,
  type ContextSpan,
  type Span,
} from '../../../core/analysis/contexts.ts';
import { jobCauses, type DeviceSums } from '../../../core/analysis/job-causes.ts';
import { worthReading } from '../../../core/analysis/worth-reading.ts';
import { floorTo, STEP_US } from '../../levels.ts';
import { isCounted } from '../../quantity.ts';
import type { Asked } from '../../query-cells.ts';
import { common, joined, without } from '../../spans.ts';
import { lastsUntilUs, type SliceRatios } from '../facts.ts';
import type { JobEvent } from '../figures.ts';
import { jobSamples, jobSegments, samplesOf, type JobSegments } from '../rows/job-segments.ts';
import { coarsestStepUs } from '../rows/parts.ts';
import type { JobSource, SampleSums } from '../rows/scan.ts';
import type { SampledJob } from '../course.ts';
import { isComplete, type SummedJob } from '../rows/summed-job.ts';
import { addCauses } from './add-causes.ts';
import { contextSums, type ContextsOf, type SumsOf } from './context-sums.ts';
import { DEVICE_IDLE_US_MIN, deviceContexts } from './device-contexts.ts';
import { engineLanes, type EngineLane } from './engine-lane.ts';
import type { CauseAmounts, JobCauses, NoCauses } from './figures.ts';
import { idleStretches } from './idle-devices.ts';
import { momentsIn, type ReadMoment } from './moments.ts';

/** Up to so many samples of all devices in the job's time, and so many steps, it is all read from the samples. */
const SAMPLES_MAX = 3_000_000;
const STEPS_MAX = 20_000;
/** Of a longer job so many samples are read to find where contexts begin and end. */
const READ_SAMPLES_MAX = 1_500_000;
const STEP_US_MIN = 1e6;

type Places = readonly (readonly [EngineLane, JobSegments])[];

type DeviceEnergy = Pick<SampleSums, 'bestJoules' | 'bestUs'>;

interface CausesOptions {
  readonly sliceRatios: SliceRatios;
  /** By parts and slices: causes add up to the energy that they tell. */
  readonly sums: { readonly devices: ReadonlyMap<string, DeviceEnergy> };
  /** By minutes alone, whatever samples there are. */
  readonly isCoarse?: boolean;
}

/**
 * Where the owned time of a job went: first what its devices did together, from a pooled course, then the sums of each device over
 * each of those times.
 * @throws what `ask` throws
 */
export async function causesFigures(
  db: Asked,
  sources: readonly JobSource[],
  sampled: SampledJob,
  options: CausesOptions,
): Promise<JobCauses | NoCauses> {
  const { job, window, sums, boundaryUs } = sampled;
  const lanes = engineLanes(sources, boundaryUs);
  if (lanes.length === 0 || !sums.all.gauges.has('engineActive')) return { why: 'no_engine' };
  const tickUs = Math.max(...lanes.map((lane) => lane.tickUs));
  const stepUs = Math.max(STEP_US_MIN, tickUs);
  const time: Span = { fromUs: window.startUs + 1, toUs: window.endUs + 1 };
  const { samplesMax = SAMPLES_MAX } = db;
  const { isCoarse = false } = options;
  const isWhole =
    !isCoarse && job.sampleCount <= samplesMax && (time.toUs - time.fromUs) / stepUs <= STEPS_MAX;
  const plain = lanes.map((lane): [EngineLane, JobSegments] => [
    lane,
    isWhole ? jobSamples(lane.source.kept, job, window) : jobSegments(lane.source.kept, job, ['1m']),
  ]);
  if (plain.some(hasAged)) return { why: 'aged_out' };
  const course = await courseOf(db, plain, sampled, { stepUs, isCoarse });
  const contexts = findContexts(course.moments, tickUs, time);
  const own = await contextsOf(db, plain, sampled, { contexts, moments: course.moments, time });
  const places = isWhole ? plain : withEdges(lanes, sampled, own);
  const counted = new Set([...sums.devices].flatMap(([gpu, device]) => (isCounted(device) ? [gpu] : [])));
  const told = await contextSums(db, places, job, {
    contexts: own,
    topLinks: topLinks(course.moments),
    counted,
  });
  const devices = jobCauses(devicesOf(sampled, told, options), workMoments(course.moments), contexts).map(
    ({ gpu, causes, waiting }) => ({
      gpu,
      waiting,
      causes: withEnergy(causes, options.sums.devices.get(gpu)),
    }),
  );
  return {
    origin: isWhole ? 'samples' : course.hasSamples ? 'minutes' : 'minutes_alone',
    isCut: course.isCut,
    isKept: false,
    ...addCauses(devices),
    devices,
    contexts,
  };
}

/** Of a part of the time there are neither minutes nor samples any more: whole hours do not tell what it was like. */
function hasAged([{ source }, places]: Places[number]): boolean {
  const ofSamples = places.groups.flatMap(({ segments }) => segments.filter(({ level }) => level === 'raw'));
  return (
    coarsestStepUs(places) > STEP_US['1m'] ||
    ofSamples.some(({ spans }) => spans.some(({ fromUs }) => !isComplete(source, fromUs)))
  );
}

interface JobCourse {
  readonly moments: readonly ReadMoment[];
  /** Some of the minutes were read more finely. */
  readonly hasSamples: boolean;
  /** Too many were worth it. */
  readonly isCut: boolean;
}

/** What all devices did together: of a long job by minutes, of which those that tell more are read from the samples. */
async function courseOf(
  db: Asked,
  places: Places,
  { job }: SummedJob,
  { stepUs, isCoarse }: { readonly stepUs: number; readonly isCoarse: boolean },
): Promise<JobCourse> {
  const coarse = await momentsIn(db, places, job, stepUs);
  const minutes = coarse.filter(({ isMinute, fromUs }) => isMinute && hasSamplesAt(places, fromUs));
  if (isCoarse) return { moments: coarse, hasSamples: false, isCut: true };
  if (minutes.length === 0 || stepUs >= STEP_US['1m'])
    return { moments: coarse, hasSamples: coarse.some(({ isMinute }) => !isMinute), isCut: false };
  const worth = worthReading(
    coarse.filter(({ isMinute }) => isMinute),
    READ_SAMPLES_MAX,
  );
  const left = new Set(minutes.map(({ fromUs }) => fromUs));
  const chosen = new Set(worth.fromUs.filter((us) => left.has(us)));
  const spans = [...chosen].map((fromUs) => ({ fromUs, toUs: fromUs + STEP_US['1m'] }));
  const finer = places.map(([lane, { groups }]): [EngineLane, JobSegments] => {
    const gpus = [...new Set(groups.flatMap((group) => group.gpus))];
    const found = spans.length === 0 ? [] : samplesOf(lane.source.kept, gpus, spanOf(spans)).groups;
    const within = found.map((group) => ({
      ...group,
      segments: group.segments.map((segment) => ({ ...segment, spans: common(segment.spans, spans) })),
    }));
    return [lane, { groups: within, mixed: [] }];
  });
  const fine = await momentsIn(db, finer, job, stepUs);
  const moments = [...coarse.filter(({ fromUs }) => !chosen.has(fromUs)), ...fine];
  moments.sort((a, b) => a.fromUs - b.fromUs);
  return { moments, hasSamples: true, isCut: worth.isCut };
}

function spanOf(spans: readonly Span[]): Span {
  return { fromUs: spans[0]!.fromUs, toUs: spans.at(-1)!.toUs };
}

function hasSamplesAt(places: Places, us: number): boolean {
  return places.every(([{ source }]) => us >= source.kept.levels.at(-1)!.completeFromUs);
}

/** Where there are moments of samples, those tell more of how devices wait for each other. */
function workMoments(moments: readonly ReadMoment[]): readonly ReadMoment[] {
  const fine = moments.filter(({ isMinute }) => !isMinute);
  return fine.length > 0 ? fine : moments;
}

interface FoundContexts {
  readonly contexts: readonly ContextSpan[];
  readonly moments: readonly ReadMoment[];
  readonly time: Span;
}

async function contextsOf(
  db: Asked,
  places: Places,
  { job, sums, events }: SampledJob,
  { contexts, moments, time }: FoundContexts,
): Promise<ContextsOf> {
  const isWorked = contexts.every(({ context, toUs }) => context !== 'head' || toUs < time.toUs);
  const isActive = activeBy(moments);
  // When none works nobody is idle beside others.
  const rests = joined(moments.filter((moment) => !isActive(moment)));
  const stretches = mayIdle(moments, contexts)
    ? await idleStretches(db, places, job, time)
    : new Map<string, Span[]>();
  return new Map(
    [...sums.devices].map(([gpu, device]) => {
      const engine = device.gauges.get('engineActive');
      return [
        gpu,
        deviceContexts(contexts, time, {
          isUnused: isWorked && engine !== undefined && engine.max < IDLE_ENGINE_MAX,
          idle: without(stretches.get(gpu) ?? [], rests),
          throttled: throttledSpans(events, gpu),
        }),
      ];
    }),
  );
}

/** Whether the engine of any device rested for long while the job worked. */
function mayIdle(moments: readonly ReadMoment[], contexts: readonly ContextSpan[]): boolean {
  let lengthUs = 0;
  for (const { fromUs, toUs, engineMin, engineMax } of moments) {
    const isRest =
      engineMin < IDLE_ENGINE_MAX &&
      engineMax >= IDLE_ENGINE_MAX &&
      !contexts.some((span) => fromUs >= span.fromUs && fromUs < span.toUs);
    lengthUs = isRest ? lengthUs + toUs - fromUs : 0;
    if (lengthUs >= DEVICE_IDLE_US_MIN) return true;
  }
  return false;
}

/** The power limit holds down every device that is fully used: that is no fault. */
function throttledSpans(events: readonly JobEvent[], gpu: string): Span[] {
  return events
    .filter((event) => event.kind === 'throttle' && event.gpu === gpu && event.subject !== 'sw_power_cap')
    .map((event) => ({ fromUs: event.tsUs + 1, toUs: lastsUntilUs(event) + 1 }))
    .sort((a, b) => a.fromUs - b.fromUs);
}

/** Whole minutes but those that hold the end of a context. */
function withEdges(lanes: readonly EngineLane[], { job }: SummedJob, own: ContextsOf): Places {
  const edges = new Set<number>();
  for (const contexts of own.values())
    for (const spans of contexts.values())
      for (const { fromUs, toUs } of spans)
        for (const us of [fromUs, toUs]) if (Number.isFinite(us) && floorTo(us, '1m') !== us) edges.add(us);
  return lanes.map((lane) => [lane, jobSegments(lane.source.kept, job, ['1m'], [...edges])]);
}

function devicesOf({ window, sums }: SummedJob, told: SumsOf, { sliceRatios }: CausesOptions): DeviceSums[] {
  return [...Map.groupBy(window.intervals, ({ gpu }) => gpu)].map(([gpu, intervals]) => {
    const wholeUs = intervals.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
    const { sampledUs = 0, attributedUs = 0 } = sums.devices.get(gpu) ?? {};
    const slices = sliceRatios.get(gpu) ?? 1;
    const part = sampledUs > 0 ? attributedUs / sampledUs : 1;
    const own = [...(told.get(gpu) ?? [])].map(
      ([context, sum]) => [context, scaledSums(sum, slices)] as const,
    );
    return {
      gpu,
      ownedUs: Math.round(wholeUs * part * slices),
      seenUs: attributedUs * slices,
      contexts: new Map(own),
    };
  });
}

/** The energy of a device as it is told elsewhere, divided as that of its samples is. */
function withEnergy(causes: ReadonlyMap<Cause, Amount>, energy: DeviceEnergy | undefined): CauseAmounts {
  const sum = [...causes.values()].reduce((joules, amount) => joules + amount.joules, 0);
  const best = energy !== undefined && energy.bestUs > 0 ? energy.bestJoules : undefined;
  const factor = best === undefined || !(sum > 0) ? undefined : best / sum;
  return new Map(
    [...causes].map(([cause, { us, joules }]) => [
      cause,
      { us, joules: factor === undefined || cause === 'notSeen' ? undefined : joules * factor },
    ]),
  );
}
