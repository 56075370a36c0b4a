import { assert } from '../base/assert.ts';
import {
  applyFact,
  firstAtOrAfter,
  forgetEvents,
  insertFact,
  type JobEvents,
  type Span,
} from './device-spans.ts';
import { owns, type Interval, type OwnershipChange } from './interval.ts';
import type { JobFact } from './job-fact.ts';
import { soleLabel, UNOWNED, type Label } from './label.ts';
import { ownerSetId, ownerSetOf, textOfSet } from './owner-set.ts';

/** Samples in (fromUs, toUs], epoch µs, have this label. */
export interface LabelStretch {
  readonly fromUs: number;
  readonly toUs: number;
  readonly label: Label;
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
 * - An end that names its start (`ofStartUs`) ends that one alone, whatever starts come between them later; the earliest
 *   one counts.
 * - A start that was taken back (`void`) owns nothing and ends nobody's interval.
 * - Of what was told of one start (itself, its own ends, that it was taken back) the highest revision alone counts; a share
 *   that was told once stands.
 * - A whole device (share 1) has one owner: a start closes what another job still held there, if either of the two
 *   holds the whole device. Parts and unknown shares may overlap.
 */
export class Ownership {
  readonly #devices = new Map<string, DeviceLedger>();
  readonly #soleLabels = new Map<string, Label>();
  /** By the text of the owner set. */
  readonly #setLabels = new Map<string, Label>();

  /** Takes one fact in. Telling the same fact twice changes nothing. */
  apply(fact: JobFact): OwnershipChange[] {
    assert(Number.isFinite(fact.atUs), 'a job fact needs a finite time');
    const ledger = this.#ledger(fact.gpu);
    let events = ledger.jobs.get(fact.jobId);
    if (events === undefined) {
      events = { starts: [], endsUs: [], voids: new Map(), ownEnds: new Map() };
      ledger.jobs.set(fact.jobId, events);
    }
    insertFact(events, fact);
    const changes = applyFact(ledger.spans, fact, events);
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
    if (at > 0 && tsUs <= edges[at - 1]!) at = firstAtOrAfter(edges, 0, tsUs);
    else if (at < edges.length && tsUs > edges[at]!) {
      at += 1;
      if (at < edges.length && tsUs > edges[at]!) at = firstAtOrAfter(edges, at + 1, tsUs);
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

  /** Number of the user whose job owns or owned this device; undefined where nobody told. */
  uidOf(gpu: string, jobId: string): number | undefined {
    const starts = this.#devices.get(gpu)?.jobs.get(jobId)?.starts ?? [];
    return starts.findLast(({ uid }) => uid !== undefined)?.uid;
  }

  /** The labels of (fromUs, toUs], one stretch after the other, without gaps; both ends in epoch µs. */
  labelsBetween(gpu: string, fromUs: number, toUs: number): LabelStretch[] {
    const stretches: LabelStretch[] = [];
    const ledger = this.#devices.get(gpu);
    if (ledger?.isStale === true) this.#rebuildLabels(ledger);
    const { edgesUs, labels } = ledger ?? { edgesUs: [], labels: [UNOWNED] };
    let startUs = fromUs;
    for (let at = firstAtOrAfter(edgesUs, 0, fromUs + 1); startUs < toUs; at += 1) {
      const endUs = Math.min(edgesUs[at] ?? Infinity, toUs);
      stretches.push({ fromUs: startUs, toUs: endUs, label: labels[at]! });
      startUs = endUs;
    }
    return stretches;
  }

  /** Every interval of this device, ascending by start. */
  intervalsOn(gpu: string): readonly Interval[] {
    return this.#devices.get(gpu)?.spans.map((span) => span.interval) ?? [];
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
        const isKept = (start: JobFact): boolean => kept.some((span) => span.start === start);
        if (!forgetEvents(events, us, isKept)) ledger.jobs.delete(jobId);
      }
      if (ledger.jobs.size === 0) this.#devices.delete(gpu);
    }
    this.#soleLabels.clear();
    this.#setLabels.clear();
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
    const live = new Set<Interval>();
    for (const { atUs, interval, isStart } of edges) {
      // Everything up to and including this time has the label of those who were there so far.
      if (atUs !== ledger.edgesUs.at(-1)) {
        ledger.edgesUs.push(atUs);
        ledger.labels.push(this.#labelOf(live));
      }
      if (isStart) live.add(interval);
      else live.delete(interval);
    }
    ledger.labels.push(this.#labelOf(live));
    ledger.cursor = Math.min(ledger.cursor, ledger.edgesUs.length);
    ledger.isStale = false;
  }

  #labelOf(live: ReadonlySet<Interval>): Label {
    const [one] = live;
    if (one === undefined) return UNOWNED;
    const set = ownerSetOf([...live]);
    if (set === undefined) return cached(this.#soleLabels, one.jobId, () => soleLabel(one.jobId));
    const text = textOfSet(set);
    const owners = set.shares.size;
    return cached(this.#setLabels, text, () => ({
      jobId: owners === 1 ? one.jobId : null,
      owners,
      ownerSet: ownerSetId(text),
    }));
  }
}

interface Edge {
  readonly atUs: number;
  readonly interval: Interval;
  readonly isStart: boolean;
}

function edgesOf(spans: readonly Span[]): Edge[] {
  const edges: Edge[] = [];
  for (const { interval } of spans) {
    const { startUs, endUs } = interval;
    if (endUs <= startUs) continue;
    edges.push({ atUs: startUs, interval, isStart: true });
    if (endUs !== Infinity) edges.push({ atUs: endUs, interval, isStart: false });
  }
  return edges.sort((a, b) => a.atUs - b.atUs);
}

function cached<K>(labels: Map<K, Label>, key: K, make: () => Label): Label {
  let label = labels.get(key);
  if (label === undefined) {
    label = make();
    labels.set(key, label);
  }
  return label;
}
