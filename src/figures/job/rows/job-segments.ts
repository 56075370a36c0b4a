import {
  floorTo,
  LEVELS,
  segmentsIn,
  STEP_US,
  type KeptLane,
  type Level,
  type Segment,
  type Span,
} from '../../levels.ts';
import { common, joined, without } from '../../spans.ts';
import type { JobLabel } from './job-rows.ts';

/** A stay on a device, (startUs, endUs] in epoch µs. */
export interface Stay {
  readonly gpu: string;
  readonly startUs: number;
  readonly endUs: number;
}

/** When a run of a job had its devices, and when another run or job had them under the same id. */
export interface JobTime {
  readonly stays: readonly Stay[];
  readonly foreign: readonly Stay[];
}

/** Whose rows are looked for, and when and where it had devices. */
export interface LabelledJob extends JobTime {
  readonly label: JobLabel;
  /** Samples of all devices in its time, of the lane that has most; Infinity where some have aged out, or nobody has counted. */
  readonly sampleCount: number;
}

/** Devices that are read from the same tables at the same times. Of samples those within the stays count. */
export interface DeviceSegments {
  readonly gpus: readonly string[];
  readonly segments: readonly Segment[];
}

/** A bucket of a rollup in which two runs of one id had the device, and of which nothing finer is left. */
export interface MixedBucket extends Span {
  readonly gpu: string;
}

export interface JobSegments {
  readonly groups: readonly DeviceSegments[];
  readonly mixed: readonly MixedBucket[];
}

/**
 * Where the rows of a job are read: a rollup's buckets are told apart by job, so that the coarsest level is exact, also at the
 * job's ends. Where another run under the same id had the device within a bucket, that is read from the next finer level, at last
 * from the samples.
 * @param accepted levels, as those of `segmentsOf`, and `finerAtUs` too
 */
export function jobSegments(
  lane: KeptLane,
  { stays, foreign }: JobTime,
  accepted: readonly Level[] = LEVELS,
  finerAtUs: readonly number[] = [],
): JobSegments {
  const owning = stays.filter(({ startUs, endUs }) => endUs > startUs);
  if (owning.length === 0) return { groups: [], mixed: [] };
  const coarsest = LEVELS.find((level) => accepted.includes(level)) ?? 'raw';
  const firstUs = owning.reduce((us, { startUs }) => Math.min(us, startUs), Infinity) + 1;
  const lastUs = owning.reduce((us, { endUs }) => Math.max(us, endUs), -Infinity);
  const outward = { fromUs: floorTo(firstUs, coarsest), toUs: floorTo(lastUs, coarsest) + STEP_US[coarsest] };
  const plain = new Map<string, readonly Segment[]>();
  const foreignOf = Map.groupBy(
    foreign.filter(({ endUs, startUs }) => endUs >= outward.fromUs && startUs < outward.toUs),
    ({ gpu }) => gpu,
  );
  const groups = new Map<string, { gpus: string[]; segments: readonly Segment[] }>();
  const mixed: MixedBucket[] = [];
  for (const [gpu, own] of Map.groupBy(owning, (stay) => stay.gpu)) {
    const others = foreignOf.get(gpu) ?? [];
    const times = timesOf(lane, gpu, outward);
    const apart = others.length === 0 ? plainIn(times) : apartFrom(own, others, times);
    const segments = apart.filter(({ spans }) => spans.length > 0);
    const key = JSON.stringify(segments.map(({ table, spans }) => [table, spans]));
    const group = groups.get(key) ?? { gpus: [], segments };
    group.gpus.push(gpu);
    groups.set(key, group);
  }
  return { groups: [...groups.values()], mixed };

  function plainIn(times: readonly Span[]): readonly Segment[] {
    const key = JSON.stringify(times);
    const known = plain.get(key);
    if (known !== undefined) return known;
    const segments = segmentsIn(lane, times, accepted, finerAtUs).map((segment) =>
      touchedBy(segment, [{ startUs: firstUs - 1, endUs: lastUs }]),
    );
    plain.set(key, segments);
    return segments;
  }

  function apartFrom(own: readonly Stay[], others: readonly Stay[], times: readonly Span[]): Segment[] {
    const edgesUs = others.flatMap(({ startUs, endUs }) => [
      startUs + 1,
      endUs,
      // Stays that overlap: of which of the two a sample is, nothing tells.
      ...own.flatMap((stay) => [stay.startUs + 1, stay.endUs]).filter((us) => us > startUs && us <= endUs),
    ]);
    const edges = edgesUs.filter((us) => us >= outward.fromUs && us < outward.toUs);
    return segmentsIn(lane, times, accepted, [...edges, ...finerAtUs]).map((segment) => {
      const mine = touchedBy(segment, own);
      if (segment.level === 'raw') return mine;
      const theirs = touchedBy(segment, others);
      mixed.push(...common(mine.spans, theirs.spans).map((span) => ({ ...span, gpu: own[0]!.gpu })));
      return { ...mine, spans: without(mine.spans, theirs.spans) };
    });
  }
}

/** In which part of a span a device is read from a lane. */
function timesOf({ times }: KeptLane, gpu: string, span: Span): Span[] {
  return times === undefined ? [span] : common(times.get(gpu) ?? [], [span]);
}

/** The samples of some devices, where all is to be read from them. */
export function samplesOf(lane: KeptLane, gpus: readonly string[], span: Span): JobSegments {
  const { table, columns } = lane;
  const within = gpus
    .map((gpu) => ({ gpu, spans: timesOf(lane, gpu, span) }))
    .filter(({ spans }) => spans.length > 0);
  const alike = [...Map.groupBy(within, ({ spans }) => JSON.stringify(spans)).values()];
  return {
    groups: alike.map((own) => ({
      gpus: own.map(({ gpu }) => gpu),
      segments: [{ table, level: 'raw', columns, spans: own[0]!.spans }],
    })),
    mixed: [],
  };
}

/** The samples of a job from its first start to its last end. */
export function jobSamples(
  lane: KeptLane,
  { stays }: JobTime,
  { startUs, endUs }: Omit<Stay, 'gpu'>,
): JobSegments {
  const gpus = [...new Set(stays.map(({ gpu }) => gpu))];
  return samplesOf(lane, gpus, { fromUs: startUs + 1, toUs: endUs + 1 });
}

/** What of a segment lies in buckets that hold samples of these stays. */
function touchedBy(segment: Segment, stays: readonly Omit<Stay, 'gpu'>[]): Segment {
  const stepUs = STEP_US[segment.level];
  const buckets = stays.map(({ startUs, endUs }) => ({
    fromUs: floorTo(startUs + 1, segment.level),
    toUs: endUs === Infinity ? Infinity : floorTo(endUs, segment.level) + stepUs,
  }));
  return { ...segment, spans: common(segment.spans, joined(buckets)) };
}

/** The samples of these devices in the stays and in the segment, as spans (startUs, endUs]. */
export function sampledSpans(segment: Segment, gpus: readonly string[], stays: readonly Stay[]): Stay[] {
  const wanted = new Set(gpus);
  return stays
    .filter(({ gpu }) => wanted.has(gpu))
    .flatMap(({ gpu, startUs, endUs }) =>
      common([{ fromUs: startUs + 1, toUs: endUs + 1 }], segment.spans).map(({ fromUs, toUs }) => ({
        gpu,
        startUs: fromUs - 1,
        endUs: toUs - 1,
      })),
    );
}
