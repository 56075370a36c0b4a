import { assert } from './assert.ts';
import type { JobFact } from './job-fact.ts';
import { UNOWNED, type Label } from './label.ts';

/**
 * One stay of one job on one device: the time (startUs, endUs], in epoch µs. `endUs` is Infinity while it is open. An
 * interval whose end equals its start owns nothing; it stays, because its row has been written and must be overwritten.
 */
export interface Interval {
  readonly node: string;
  /** Device UUID. */
  readonly gpu: string;
  readonly jobId: string;
  readonly run: number;
  /** Part of the device in (0, 1]; NaN when unknown (read as equal parts). */
  readonly share: number;
  readonly source: string;
  readonly startUs: number;
  readonly endUs: number;
}

/** An interval that is new or differs from before: its row of `gpu_ownership` (start, gpu, job) must be written again. */
export interface OwnershipChange {
  readonly interval: Interval;
  /** End of the same interval before this change; null when it is new. Samples between the two ends change owner. */
  readonly previousEndUs: number | null;
}

/** Samples in (fromUs, toUs], epoch µs, have this label. */
export interface LabelStretch {
  readonly fromUs: number;
  readonly toUs: number;
  readonly label: Label;
}

/** What one job was told to have done on one device, each list ascending. Facts may come late and in any order. */
interface JobEvents {
  starts: JobFact[];
  endsUs: number[];
  /** Times of starts that were taken back. */
  voidsUs: number[];
}

/** A start fact with the end that the job's own facts give it, and the interval that came out of it. */
interface Span {
  readonly start: JobFact;
  ownEndUs: number;
  isVoid: boolean;
  interval: Interval;
}

interface DeviceLedger {
  readonly jobs: Map<string, JobEvents>;
  /** Ascending by start; equal starts in the order of their job ids. */
  spans: Span[];
  /** `labels[i]` holds in (edgesUs[i - 1], edgesUs[i]]; the last one for ever after. Rebuilt when `isStale`. */
  edgesUs: number[];
  labels: Label[];
  cursor: number;
  isStale: boolean;
}

/**
 * Who owned which device when. The intervals are a function of the *set* of facts that were applied, whatever the order
 * they came in:
 *
 * - A start opens an interval, the job's next end on that device closes it; a further start of the same job (a requeue
 *   whose end was never told) closes it too. An end that finds nothing open is kept for a start that may still come.
 * - A start that was taken back (`void`) owns nothing and ends nobody's interval.
 * - A whole device (share 1) has one owner: a start closes what another job still held there, if either of the two
 *   holds the whole device. Parts and unknown shares may overlap.
 */
export class Ownership {
  readonly #devices = new Map<string, DeviceLedger>();
  readonly #soleLabels = new Map<string, Label>();
  readonly #sharedLabels = new Map<number, Label>();

  /** Takes one fact in. Telling the same fact twice changes nothing. */
  apply(fact: JobFact): OwnershipChange[] {
    assert(Number.isFinite(fact.atUs), 'a job fact needs a finite time');
    const ledger = this.#ledger(fact.gpu);
    let events = ledger.jobs.get(fact.jobId);
    if (events === undefined) {
      events = { starts: [], endsUs: [], voidsUs: [] };
      ledger.jobs.set(fact.jobId, events);
    }
    if (fact.kind === 'start') insertStart(events.starts, fact);
    else insertTime(fact.kind === 'end' ? events.endsUs : events.voidsUs, fact.atUs);
    const changes = settle(ledger, fact, events);
    if (changes.length > 0) ledger.isStale = true;
    return changes;
  }

  /** The label of a sample of `gpu` that was taken at `tsUs` (epoch µs). Allocates nothing; fastest in ascending order. */
  labelAt(gpu: string, tsUs: number): Label {
    const ledger = this.#devices.get(gpu);
    if (ledger === undefined) return UNOWNED;
    if (ledger.isStale) this.#rebuildLabels(ledger);
    const edges = ledger.edgesUs;
    let at = ledger.cursor;
    if (at > 0 && tsUs <= edges[at - 1]!) at = firstEdgeFrom(edges, 0, tsUs);
    else if (at < edges.length && tsUs > edges[at]!) {
      at += 1;
      if (at < edges.length && tsUs > edges[at]!) at = firstEdgeFrom(edges, at + 1, tsUs);
    }
    ledger.cursor = at;
    return ledger.labels[at]!;
  }

  /** Every interval that holds `tsUs`, ascending by start. */
  ownersAt(gpu: string, tsUs: number): readonly Interval[] {
    const ledger = this.#devices.get(gpu);
    if (ledger === undefined) return [];
    return ledger.spans.filter((span) => owns(span.interval, tsUs)).map((span) => span.interval);
  }

  /** The labels of (fromUs, toUs], one stretch after the other, without gaps; both ends in epoch µs. */
  labelsBetween(gpu: string, fromUs: number, toUs: number): LabelStretch[] {
    const stretches: LabelStretch[] = [];
    const ledger = this.#devices.get(gpu);
    if (ledger?.isStale === true) this.#rebuildLabels(ledger);
    const { edgesUs, labels } = ledger ?? { edgesUs: [], labels: [UNOWNED] };
    let startUs = fromUs;
    for (let at = firstEdgeFrom(edgesUs, 0, fromUs + 1); startUs < toUs; at += 1) {
      const endUs = Math.min(edgesUs[at] ?? Infinity, toUs);
      stretches.push({ fromUs: startUs, toUs: endUs, label: labels[at]! });
      startUs = endUs;
    }
    return stretches;
  }

  /** Every interval that is known, by device, then ascending by start. */
  intervals(): readonly Interval[] {
    return [...this.#devices.values()].flatMap((ledger) => ledger.spans.map((span) => span.interval));
  }

  /**
   * Bounds the memory: forgets what ended at or before `us`. Labels of samples older than that are no longer known, so
   * `us` must lie behind every sample that still waits and every window in which a late fact may re-label.
   */
  forgetBefore(us: number): void {
    for (const [gpu, ledger] of this.#devices) {
      const kept = ledger.spans.filter((span) => span.interval.endUs > us);
      if (kept.length < ledger.spans.length) {
        ledger.spans = kept;
        ledger.isStale = true;
      }
      for (const [jobId, events] of ledger.jobs) {
        events.starts = events.starts.filter((start) => kept.some((span) => span.start === start));
        events.endsUs = events.endsUs.filter((endUs) => endUs > us);
        events.voidsUs = events.voidsUs.filter((voidUs) => voidUs > us);
        if (events.starts.length + events.endsUs.length + events.voidsUs.length === 0)
          ledger.jobs.delete(jobId);
      }
      if (ledger.jobs.size === 0) this.#devices.delete(gpu);
    }
    this.#soleLabels.clear();
  }

  #ledger(gpu: string): DeviceLedger {
    let ledger = this.#devices.get(gpu);
    if (ledger === undefined) {
      ledger = { jobs: new Map(), spans: [], edgesUs: [], labels: [UNOWNED], cursor: 0, isStale: false };
      this.#devices.set(gpu, ledger);
    }
    return ledger;
  }

  #rebuildLabels(ledger: DeviceLedger): void {
    const edges = edgesOf(ledger.spans);
    ledger.edgesUs = [];
    ledger.labels = [];
    const live = new Map<string, number>();
    let label = UNOWNED;
    for (const edge of edges) {
      // Everything up to and including this time has the label that was in force so far.
      if (edge.atUs !== ledger.edgesUs.at(-1)) {
        ledger.edgesUs.push(edge.atUs);
        ledger.labels.push(label);
      }
      const count = (live.get(edge.jobId) ?? 0) + edge.step;
      if (count === 0) live.delete(edge.jobId);
      else live.set(edge.jobId, count);
      label = this.#labelOf(live);
    }
    ledger.labels.push(label);
    ledger.cursor = Math.min(ledger.cursor, ledger.edgesUs.length);
    ledger.isStale = false;
  }

  #labelOf(live: ReadonlyMap<string, number>): Label {
    if (live.size === 0) return UNOWNED;
    if (live.size > 1) {
      return cached(this.#sharedLabels, live.size, () => ({ jobId: null, owners: live.size }));
    }
    const [jobId] = live.keys();
    return cached(this.#soleLabels, jobId!, () => ({ jobId: jobId!, owners: 1 }));
  }
}

export function owns(interval: Interval, tsUs: number): boolean {
  return interval.startUs < tsUs && tsUs <= interval.endUs;
}

/** Brings the spans of a device in line with the facts of one job after `fact`, and tells which intervals changed. */
function settle(ledger: DeviceLedger, fact: JobFact, events: JobEvents): OwnershipChange[] {
  const ownEnds = pairEnds(events);
  const known = new Map<JobFact, Span>();
  for (const span of ledger.spans) if (span.start.jobId === fact.jobId) known.set(span.start, span);
  for (const [index, start] of events.starts.entries()) {
    const span = known.get(start);
    const isVoid = events.voidsUs.includes(start.atUs);
    if (span === undefined) {
      placeSpan(ledger, { start, ownEndUs: ownEnds[index]!, isVoid, interval: intervalFrom(start, NaN) });
    } else {
      span.ownEndUs = ownEnds[index]!;
      span.isVoid = isVoid;
    }
  }
  const changes: OwnershipChange[] = [];
  for (const [index, span] of ledger.spans.entries()) {
    const { startUs, endUs } = span.interval;
    const isTouched = startUs <= fact.atUs && fact.atUs <= endUs;
    if (!isTouched && span.start.jobId !== fact.jobId) continue;
    const next = intervalOf(span, endAmongOthers(ledger.spans, index));
    const isNew = Number.isNaN(endUs);
    if (!isNew && next.endUs === endUs && isSameTenure(next, span.interval)) continue;
    span.interval = next;
    changes.push({ interval: next, previousEndUs: isNew ? null : endUs });
  }
  return changes;
}

/** A start at a time that the job already has replaces what is there: same row, better knowledge. */
function placeSpan(ledger: DeviceLedger, span: Span): void {
  const at = ledger.spans.findIndex((other) => compareStarts(other.start, span.start) >= 0);
  const sitting = at === -1 ? undefined : ledger.spans[at]!;
  if (sitting === undefined) ledger.spans.push(span);
  else if (compareStarts(sitting.start, span.start) === 0)
    ledger.spans[at] = { ...span, interval: sitting.interval };
  else ledger.spans.splice(at, 0, span);
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
  const isVoid = (start: JobFact): boolean => events.voidsUs.includes(start.atUs);
  for (const [index, start] of events.starts.entries()) {
    if (isVoid(start)) {
      ends.push(start.atUs);
      continue;
    }
    const followingUs = events.starts.find((other, at) => at > index && !isVoid(other))?.atUs ?? Infinity;
    while (next < events.endsUs.length && events.endsUs[next]! < start.atUs) next += 1;
    if (events.endsUs[next] === start.atUs && freeFromUs === start.atUs) next += 1;
    const endUs = Math.min(events.endsUs[next] ?? Infinity, followingUs);
    ends.push(endUs);
    freeFromUs = endUs;
  }
  return ends;
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
  const { node, gpu, jobId, run, share, source, atUs } = start;
  return { node, gpu, jobId, run, share, source, startUs: atUs, endUs };
}

function isSameTenure(a: Interval, b: Interval): boolean {
  return a.run === b.run && Object.is(a.share, b.share) && a.source === b.source && a.node === b.node;
}

function insertStart(starts: JobFact[], fact: JobFact): void {
  const at = starts.findIndex((start) => start.atUs >= fact.atUs);
  const sitting = at === -1 ? undefined : starts[at]!;
  if (sitting?.atUs !== fact.atUs) starts.splice(at === -1 ? starts.length : at, 0, fact);
  else if (isBetterTold(fact, sitting)) starts[at] = fact;
}

/** Of two tellings of the same start, whatever their order, the one that knows more wins. */
function isBetterTold(fact: JobFact, than: JobFact): boolean {
  if (Number.isNaN(fact.share) !== Number.isNaN(than.share)) return Number.isNaN(than.share);
  if (fact.run !== than.run) return fact.run > than.run;
  if (fact.share !== than.share && !Number.isNaN(fact.share)) return fact.share < than.share;
  return fact.source < than.source;
}

function insertTime(times: number[], us: number): void {
  const at = firstEdgeFrom(times, 0, us);
  if (times[at] !== us) times.splice(at, 0, us);
}

interface Edge {
  readonly atUs: number;
  readonly jobId: string;
  readonly step: 1 | -1;
}

function edgesOf(spans: readonly Span[]): Edge[] {
  const edges: Edge[] = [];
  for (const { interval } of spans) {
    const { startUs, endUs, jobId } = interval;
    if (endUs <= startUs) continue;
    edges.push({ atUs: startUs, jobId, step: 1 });
    if (endUs !== Infinity) edges.push({ atUs: endUs, jobId, step: -1 });
  }
  return edges.sort((a, b) => a.atUs - b.atUs);
}

/** Index of the first edge at or after `us`, looking from `low` on; the length when there is none. */
function firstEdgeFrom(edges: readonly number[], low: number, us: number): number {
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (edges[middle]! < us) low = middle + 1;
    else high = middle;
  }
  return low;
}

function cached<K>(labels: Map<K, Label>, key: K, make: () => Label): Label {
  let label = labels.get(key);
  if (label === undefined) {
    label = make();
    labels.set(key, label);
  }
  return label;
}
