import type { JobFact } from './job-fact.ts';
import type { Interval, OwnershipChange } from './interval.ts';

/** How the facts of one device become its intervals; the rules stand in `ownership.ts`. */

/** What one job was told to have done on one device, each list ascending. Facts may come late and in any order. */
export interface JobEvents {
  starts: JobFact[];
  /** Of ends that end what they find open. */
  endsUs: number[];
  /** By the time of a start that was taken back: its highest revision that was. */
  readonly voids: Map<number, number>;
  /** By the time of the start that they are of. */
  readonly ownEnds: Map<number, OwnEnd>;
}

/** The first of the ends that were told of one start under the highest revision. */
interface OwnEnd {
  readonly revision: number;
  readonly atUs: number;
}

/** A start fact with the end that the job's own facts give it, and the interval that came out of it. */
export interface Span {
  readonly start: JobFact;
  ownEndUs: number;
  isVoid: boolean;
  interval: Interval;
}

/**
 * Brings the spans of a device (ascending by start, then job id) in line with the facts of one job after `fact`, and tells
 * which intervals changed.
 */
export function applyFact(spans: Span[], fact: JobFact, events: JobEvents): OwnershipChange[] {
  const ownEnds = pairEnds(events);
  const known = new Map<JobFact, Span>();
  for (const span of spans) if (span.start.jobId === fact.jobId) known.set(span.start, span);
  for (const [index, start] of events.starts.entries()) {
    const span = known.get(start);
    const isVoid = isTakenBack(events, start);
    if (span === undefined) {
      placeSpan(spans, { start, ownEndUs: ownEnds[index]!, isVoid, interval: intervalFrom(start, NaN) });
    } else {
      span.ownEndUs = ownEnds[index]!;
      span.isVoid = isVoid;
    }
  }
  const changes: OwnershipChange[] = [];
  for (const [index, span] of spans.entries()) {
    const { startUs, endUs } = span.interval;
    const isTouched = startUs <= fact.atUs && fact.atUs <= endUs;
    if (!isTouched && span.start.jobId !== fact.jobId) continue;
    const next = intervalOf(span, endAmongOthers(spans, index));
    const isNew = Number.isNaN(endUs);
    if (!isNew && next.endUs === endUs && isSameTenure(next, span.interval)) continue;
    const isShareNew = !isNew && !Object.is(next.share, span.interval.share);
    span.interval = next;
    changes.push({
      interval: next,
      previousEndUs: isNew ? null : endUs,
      ...(isShareNew ? { isShareNew } : {}),
    });
  }
  return changes;
}

/** A start at a time that the job already has replaces the span there, since both are one row of `gpu_ownership`. */
function placeSpan(spans: Span[], span: Span): void {
  const at = spans.findIndex((other) => compareStarts(other.start, span.start) >= 0);
  const sitting = at === -1 ? undefined : spans[at]!;
  if (sitting === undefined) spans.push(span);
  else if (compareStarts(sitting.start, span.start) === 0)
    spans[at] = { ...span, interval: sitting.interval };
  else spans.splice(at, 0, span);
}

function compareStarts(a: JobFact, b: JobFact): number {
  if (a.atUs !== b.atUs) return a.atUs - b.atUs;
  if (a.jobId === b.jobId) return 0;
  return a.jobId < b.jobId ? -1 : 1;
}

/**
 * Walks through one job's starts and ends in the order of time and gives each start its end. Where a start and an end
 * fall on the same microsecond, the end belongs to what was open before; if nothing was, to the start itself.
 */
function pairEnds(events: JobEvents): number[] {
  const ends: number[] = [];
  let next = 0;
  let freeFromUs = -Infinity;
  const isVoid = (start: JobFact): boolean => isTakenBack(events, start);
  for (const [index, start] of events.starts.entries()) {
    if (isVoid(start)) {
      ends.push(start.atUs);
      continue;
    }
    const followingUs = events.starts.find((other, at) => at > index && !isVoid(other))?.atUs ?? Infinity;
    while (next < events.endsUs.length && events.endsUs[next]! < start.atUs) next += 1;
    if (events.endsUs[next] === start.atUs && freeFromUs === start.atUs) next += 1;
    const endUs = Math.min(events.endsUs[next] ?? Infinity, ownEndUs(events, start), followingUs);
    ends.push(endUs);
    freeFromUs = endUs;
  }
  return ends;
}

/** Infinity where none was told of this very start as it is told now. */
function ownEndUs({ ownEnds }: JobEvents, start: JobFact): number {
  const own = ownEnds.get(start.atUs);
  return own?.revision === revisionOf(start) ? Math.max(start.atUs, own.atUs) : Infinity;
}

function isTakenBack({ voids }: JobEvents, start: JobFact): boolean {
  return (voids.get(start.atUs) ?? -1) >= revisionOf(start);
}

function revisionOf({ revision = 0 }: JobFact): number {
  return revision;
}

/** The end of span `index`, cut short where a later start of another job shows that the device had been given away. */
function endAmongOthers(spans: readonly Span[], index: number): number {
  const span = spans[index]!;
  for (let at = index + 1; at < spans.length; at += 1) {
    const other = spans[at]!;
    if (other.start.atUs >= span.ownEndUs) break;
    if (other.start.atUs === span.start.atUs || other.start.jobId === span.start.jobId || other.isVoid)
      continue;
    if (span.start.share === 1 || other.start.share === 1) return other.start.atUs;
  }
  return span.ownEndUs;
}

function intervalOf(span: Span, endUs: number): Interval {
  return intervalFrom(span.start, endUs);
}

function intervalFrom(start: JobFact, endUs: number): Interval {
  const { cluster, node, gpu, jobId, run, share, source, atUs } = start;
  const where = { ...(cluster === undefined ? {} : { cluster }), node, gpu };
  return { ...where, jobId, run, share, source, startUs: atUs, endUs };
}

function isSameTenure(a: Interval, b: Interval): boolean {
  const isSamePlace = a.node === b.node && a.cluster === b.cluster;
  return isSamePlace && Object.is(a.run, b.run) && Object.is(a.share, b.share) && a.source === b.source;
}

export function insertFact(events: JobEvents, fact: JobFact): void {
  const { kind, atUs, ofStartUs } = fact;
  if (kind === 'start') insertStart(events.starts, fact);
  else if (kind === 'void') events.voids.set(atUs, Math.max(revisionOf(fact), events.voids.get(atUs) ?? 0));
  else if (ofStartUs === undefined) insertTime(events.endsUs, atUs);
  else {
    const [revision, own] = [revisionOf(fact), events.ownEnds.get(ofStartUs)];
    if (own === undefined || revision > own.revision || (revision === own.revision && atUs < own.atUs))
      events.ownEnds.set(ofStartUs, { revision, atUs });
  }
}

/** Forgets what lies at or before `us`, and the starts that are not kept. @returns whether anything is left */
export function forgetEvents(events: JobEvents, us: number, isKept: (start: JobFact) => boolean): boolean {
  const isLater = (oneUs: number): boolean => oneUs > us;
  events.starts = events.starts.filter(isKept);
  events.endsUs = events.endsUs.filter(isLater);
  for (const startUs of events.voids.keys()) if (!isLater(startUs)) events.voids.delete(startUs);
  for (const [startUs, { atUs }] of events.ownEnds) if (!isLater(atUs)) events.ownEnds.delete(startUs);
  const { starts, endsUs, voids, ownEnds } = events;
  return starts.length + endsUs.length + voids.size + ownEnds.size > 0;
}

function insertStart(starts: JobFact[], fact: JobFact): void {
  const at = starts.findIndex((start) => start.atUs >= fact.atUs);
  const sitting = at === -1 ? undefined : starts[at]!;
  if (sitting?.atUs !== fact.atUs) {
    starts.splice(at === -1 ? starts.length : at, 0, fact);
    return;
  }
  const best = isBetterTold(fact, sitting) ? fact : sitting;
  const share = smallestShare(fact.share, sitting.share);
  const uid = best.uid ?? fact.uid ?? sitting.uid;
  const isWhole = Object.is(share, best.share) && uid === best.uid;
  const told = isWhole ? best : { ...best, share, ...(uid === undefined ? {} : { uid }) };
  // Its row is stored without the cluster, under which alone it can be written again.
  const isWithout = sitting.cluster === undefined || fact.cluster === undefined;
  starts[at] = isWithout && told.cluster !== undefined ? withoutCluster(told) : told;
}

/** A share that somebody has told stands; of several the smallest. */
function smallestShare(one: number, other: number): number {
  if (Number.isNaN(one)) return other;
  return Number.isNaN(other) ? one : Math.min(one, other);
}

function withoutCluster({ cluster: _, ...rest }: JobFact): JobFact {
  return rest;
}

/** Of two tellings of the same start, whatever their order, the one that knows more wins. */
function isBetterTold(fact: JobFact, than: JobFact): boolean {
  if (revisionOf(fact) !== revisionOf(than)) return revisionOf(fact) > revisionOf(than);
  if (Number.isNaN(fact.run) !== Number.isNaN(than.run)) return Number.isNaN(than.run);
  if (!Object.is(fact.run, than.run)) return fact.run > than.run;
  return fact.source < than.source;
}

function insertTime(times: number[], us: number): void {
  const at = firstAtOrAfter(times, 0, us);
  if (times[at] !== us) times.splice(at, 0, us);
}

/** Index of the first time at or after `us`, looking from `low` on; the length when there is none. */
export function firstAtOrAfter(times: readonly number[], low: number, us: number): number {
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < us) low = middle + 1;
    else high = middle;
  }
  return low;
}
