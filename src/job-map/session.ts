import { setTimeout as sleep } from 'node:timers/promises';
import { UNRESOLVED_PREFIX } from '../core/devices/identity.ts';
import type { OperatingError } from '../core/base/errors.ts';
import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { JobFact, JobInput, JobRecord, KnownOwners } from '../core/jobs/job-fact.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { affectedWindow, RelabelBacklog, REMEMBERED_US, type OlderWindow } from '../core/jobs/relabel.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import type { RelabelOrder } from '../questdb/rows/relabel-samples.ts';
import { createOwnerSetNews } from './owner-set-news.ts';

/**
 * Whose devices these are: the one way in which inputs, stored ownership and labels are brought together, for the collector,
 * the drain and `jobs push`. It asks no store: what the store has is handed in, and what it must change is handed out.
 */
export interface OwnershipSession {
  readonly ownership: Ownership;
  /** Takes in what the inputs have to tell up to `nowUs` (epoch µs). */
  read(nowUs: number): OwnershipNews;
  /** The same for those who read once: waits, within limits, until a scheduler that was asked has answered. */
  readOnce(nowUs: number): Promise<OwnershipNews>;
  /**
   * Takes over what the store has, before or after the first `read`.
   * @param endsUs when open intervals ended, epoch µs, where that is known by now
   * @returns intervals whose stored row is no longer right; what is stored as it is now is no change.
   */
  adopt(stored: readonly Interval[], endsUs?: ReadonlyMap<Interval, number>): OwnershipChange[];
  /**
   * Whether it was told for the first time and began before what is remembered: the store may know its end, so its row is written
   * when that was read.
   */
  isUnread(interval: Interval): boolean;
  /** Samples up to `us` (epoch µs) are labelled with what is known now. Call before encoding them. */
  readonly labelledUntil: (us: number) => void;
  /** The labels of these samples were given before it was known whose they were: they are handed out whatever changes. */
  doubt(gpus: readonly string[], span: { readonly fromUs: number; readonly toUs: number }): void;
  /** Stays that ended before it, epoch µs, may be forgotten. */
  readonly rememberedFromUs: number;
  /** Hands out the owner sets that labels use by now and that were not handed out yet. Store them before samples. */
  takeOwnerSets(): readonly OwnerSetRow[];
  /** Hands out the stored samples whose label is no longer right, as far as the stays of their time are remembered. */
  takeRelabels(): Relabels;
  /** Hands out what was told of earlier times, for `readOlderStays`; undefined when nothing was. */
  takeOlder(): OlderNews | undefined;
  /** Whether something was told of earlier times and not handed out. */
  readonly hasOlder: boolean;
  /** Everything that was told so far is in the store. */
  readonly acknowledge: (nowUs: number) => void;
}

/** What the inputs have told. */
interface OwnershipNews {
  readonly facts: readonly JobFact[];
  /** What of it was not known. */
  readonly changes: readonly OwnershipChange[];
  readonly records: readonly JobRecord[];
  readonly problems: readonly InputProblem[];
}

/** What an input could not read or resolve, once per episode. */
interface InputProblem {
  /** Name of the input. */
  readonly input: string;
  readonly error: OperatingError;
}

interface Relabels {
  readonly orders: readonly RelabelOrder[];
  /** They could not be worked off, and are handed out again. */
  readonly giveBack: () => void;
}

/** What was told of times whose stays are not all remembered. Plain data: a drain's goes to another process. */
export interface OlderNews {
  readonly windows: readonly OlderWindow[];
  /** Ends of stays that are not remembered, and starts of such that were taken back. */
  readonly facts: readonly JobFact[];
  /** What is remembered of these devices. */
  readonly intervals: readonly Interval[];
  /** Keys of those that `isUnread`. */
  readonly unread: readonly string[];
  /** Samples after it (epoch µs) get the right label by themselves. */
  readonly untilUs: number;
}

interface OwnershipOptions {
  readonly inputs: readonly JobInput[];
  /** Filled with what inputs and store tell. The caller's, who may ask for labels before there are inputs. */
  readonly ownership: Ownership;
  /** Samples up to here (epoch µs) may bear the label of somebody who knew less; -Infinity: none do. */
  readonly labelledUntilUs: number;
  /** Of the node, for what is told without one; undefined where nobody knows. */
  readonly cluster?: string | undefined;
}

/** Intervals that no sample and no late fact can need any more are forgotten this often. */
const FORGET_EVERY_US = 3600 * 1e6;
/** A scheduler that was asked about devices answers within this time, or not for one who reads once. */
const ANSWER_MS_MAX = 10_000;

export function openOwnership(options: OwnershipOptions): OwnershipSession {
  const { inputs, ownership, cluster } = options;
  const backlog = new RelabelBacklog();
  const sets = createOwnerSetNews(ownership, cluster);
  let { labelledUntilUs } = options;
  let rememberedFromUs = labelledUntilUs - REMEMBERED_US;
  const strayFacts: JobFact[] = [];
  let forgottenUs: number | undefined;
  let formerStandIns: readonly Interval[] = [];
  let unread = new Set<string>();

  const isUnread = (interval: Interval): boolean => unread.has(keyOf(interval));

  const known: KnownOwners = (jobId, startUs) =>
    ownership
      .intervals()
      .filter((interval) => interval.jobId === jobId && interval.startUs === startUs)
      .map(({ gpu }) => gpu);

  /** The teller's own word goes before ours. */
  const placed = <T extends JobFact | JobRecord>(told: T): T =>
    cluster === undefined || told.cluster !== undefined ? told : { ...told, cluster };

  /** Takes back what is stored of unresolved devices under a former name, once it is told under the one of today. */
  function retireStandIns(): OwnershipChange[] {
    const retired = formerStandIns.filter((row) => hasHeir(row, ownership.intervals()));
    formerStandIns = formerStandIns.filter((row) => !retired.includes(row));
    return retired.flatMap((row) => apply(ownership, row, row.startUs));
  }

  /** Whether it is of a stay that may be stored and is not remembered, so that it changed nothing here. */
  function isStray({ kind, gpu, jobId, atUs, ofStartUs }: JobFact): boolean {
    const isOlder = (ofStartUs ?? atUs) < rememberedFromUs;
    if (kind === 'start' || !isOlder) return false;
    const isItsStay =
      kind === 'end' && ofStartUs === undefined
        ? ({ endUs }: Interval): boolean => endUs === atUs
        : ({ startUs }: Interval): boolean => startUs === (ofStartUs ?? atUs);
    return !ownership.intervals().some((one) => one.gpu === gpu && one.jobId === jobId && isItsStay(one));
  }

  function read(nowUs: number): OwnershipNews {
    const news = inputs.map((input) => ({ input: input.name, ...input.read(nowUs, known) }));
    const facts = news.flatMap((one) => one.facts.map(placed));
    const changes = [...facts.flatMap((fact) => ownership.apply(fact)), ...retireStandIns()];
    backlog.record(changes, labelledUntilUs, rememberedFromUs);
    for (const { interval, previousEndUs } of changes) {
      const { startUs, endUs } = interval;
      if (previousEndUs === null && startUs < Math.min(endUs, rememberedFromUs)) unread.add(keyOf(interval));
    }
    strayFacts.push(...facts.filter(isStray));
    for (const change of changes) sets.note(affectedWindow(change));
    return {
      facts,
      changes,
      records: news.flatMap(({ records }) => records.map(placed)),
      problems: news.flatMap(({ input, problems = [] }) => problems.map((error) => ({ input, error }))),
    };
  }

  return {
    ownership,
    read,
    async readOnce(nowUs) {
      const first = read(nowUs);
      const answers = inputs.flatMap((input) => input.answers?.() ?? []);
      if (answers.length === 0) return first;
      await Promise.race([Promise.all(answers), sleep(ANSWER_MS_MAX, undefined, { ref: false })]);
      const rest = read(nowUs);
      return {
        facts: [...first.facts, ...rest.facts],
        changes: [...first.changes, ...rest.changes],
        records: [...first.records, ...rest.records],
        problems: [...first.problems, ...rest.problems],
      };
    },
    adopt(stored, endsUs = new Map()) {
      const told = byKey(ownership.intervals());
      const rows = byKey([...stored].sort(byStanding));
      const byStart = Map.groupBy(rows.values(), ({ startUs, gpu }) => `${startUs} ${gpu}`);
      for (const row of rows.values())
        apply(ownership, row, toldEndUs(row, endsUs.get(row) ?? row.endUs, byStart));
      formerStandIns = stored.filter(isFormerStandIn);
      retireStandIns();
      const intervals = ownership.intervals();
      const changes = [
        ...emptiedOf(intervals, [...told.values(), ...stored]),
        ...changesOf(intervals, rows, told, isUnread),
      ];
      for (const key of rows.keys()) unread.delete(key);
      backlog.record(changes, labelledUntilUs, rememberedFromUs);
      for (const gpu of new Set(intervals.map((interval) => interval.gpu)))
        sets.note({ gpu, fromUs: rememberedFromUs, toUs: Infinity });
      return changes;
    },
    isUnread,
    labelledUntil(us) {
      labelledUntilUs = Math.max(labelledUntilUs, us);
    },
    doubt(gpus, { fromUs, toUs }) {
      // A window begins after its first moment.
      backlog.doubt(
        gpus.map((gpu) => ({ gpu, fromUs: fromUs - 1, toUs })),
        rememberedFromUs,
      );
    },
    get rememberedFromUs() {
      return rememberedFromUs;
    },
    takeOwnerSets: () => sets.take(),
    takeRelabels() {
      const windows = backlog.take();
      return {
        orders: windows.map(({ gpu, fromUs, toUs }) => ({
          gpu,
          stretches: ownership.labelsBetween(gpu, fromUs, toUs),
        })),
        giveBack: () => {
          backlog.add(windows);
        },
      };
    },
    takeOlder() {
      const windows = backlog.takeOlder();
      const facts = strayFacts.splice(0);
      if (windows.length + facts.length === 0) return undefined;
      const gpus = new Set([...windows, ...facts].map(({ gpu }) => gpu));
      const intervals = ownership.intervals().filter(({ gpu }) => gpus.has(gpu));
      const keys = intervals.filter(isUnread).map(keyOf);
      return { windows, facts, intervals, unread: keys, untilUs: labelledUntilUs };
    },
    get hasOlder() {
      return backlog.hasOlder || strayFacts.length > 0;
    },
    acknowledge(nowUs) {
      for (const input of inputs) input.acknowledge?.(nowUs);
      forgottenUs ??= nowUs;
      if (nowUs - forgottenUs <= FORGET_EVERY_US) return;
      forgottenUs = nowUs;
      rememberedFromUs = Math.max(rememberedFromUs, nowUs - REMEMBERED_US - FORGET_EVERY_US);
      ownership.forgetBefore(rememberedFromUs);
      unread = new Set(ownership.intervals().filter(isUnread).map(keyOf));
      sets.forget();
    },
  };
}

/** Where a stay that takes the device begins as this one ends, nobody has told more than that it began. */
function toldEndUs(
  { gpu, jobId, share, startUs }: Interval,
  endUs: number,
  rows: ReadonlyMap<string, readonly Interval[]>,
): number {
  const isNext = (next: Interval): boolean =>
    next.endUs > next.startUs && (next.jobId === jobId || next.share === 1 || share === 1);
  return endUs > startUs && rows.get(`${endUs} ${gpu}`)?.some(isNext) === true ? Infinity : endUs;
}

/** An unresolved device of versions that did not name its cluster: `unresolved:NODE:NAME`. */
function isFormerStandIn({ gpu, node, startUs, endUs }: Interval): boolean {
  return endUs > startUs && gpu.startsWith(`${UNRESOLVED_PREFIX}${node}:`);
}

/** Whether the same stay is told of `unresolved:CLUSTER/NODE:NAME`. */
function hasHeir({ gpu, jobId, startUs }: Interval, intervals: readonly Interval[]): boolean {
  const [prefix, ...place] = gpu.split(':');
  const isHeir = (name: string): boolean =>
    name.startsWith(`${prefix!}:`) && name.endsWith(`/${place.join(':')}`);
  return intervals.some((one) => one.jobId === jobId && one.startUs === startUs && isHeir(one.gpu));
}

function apply(ownership: Ownership, interval: Interval, endUs: number): OwnershipChange[] {
  const { startUs, cluster, node, gpu, jobId, run, share, source } = interval;
  const rest = { ...(cluster === undefined ? {} : { cluster }), node, gpu, jobId, run, share, source };
  const changes = ownership.apply({ ...rest, kind: 'start', atUs: startUs });
  if (endUs === Infinity) return changes;
  // It owns no time: its start was taken back, or it ended as it began.
  if (endUs === startUs) return [...changes, ...ownership.apply({ ...rest, kind: 'void', atUs: startUs })];
  return [...changes, ...ownership.apply({ ...rest, kind: 'end', atUs: endUs, ofStartUs: startUs })];
}

/**
 * Where the intervals differ from their rows, stored or, once an input has told them, on their way; those of unread ones are not. The samples may bear
 * what the stored row says all the same.
 */
function changesOf(
  intervals: readonly Interval[],
  stored: ReadonlyMap<string, Interval>,
  told: ReadonlyMap<string, Interval>,
  isUnread: (interval: Interval) => boolean,
): OwnershipChange[] {
  return intervals.flatMap((interval): OwnershipChange[] => {
    const key = keyOf(interval);
    const row = told.get(key) ?? stored.get(key);
    const previous = stored.get(key) ?? row;
    if (row === undefined || previous === undefined) return [];
    const isShareNew = !Object.is(previous.share, interval.share);
    const isRight = isSameRow(row, interval) && previous.endUs === interval.endUs && !isShareNew;
    if (isRight && (!isUnread(interval) || isSameRow(previous, interval))) return [];
    return [{ interval, previousEndUs: previous.endUs, ...(isShareNew ? { isShareNew } : {}) }];
  });
}

/** Whether the row of `gpu_ownership` is the same. */
export function isSameRow(a: Interval, b: Interval): boolean {
  const isSameTime = a.endUs === b.endUs && a.cluster === b.cluster;
  return isSameTime && Object.is(a.run, b.run) && Object.is(a.share, b.share) && a.source === b.source;
}

/** Of two stored rows of one start the one that stands comes last: it owns time, and bears no cluster. */
export function byStanding(a: Interval, b: Interval): number {
  const standingOf = ({ startUs, endUs, cluster }: Interval): number =>
    (endUs > startUs ? 2 : 0) + (cluster === undefined ? 1 : 0);
  return standingOf(a) - standingOf(b);
}

/**
 * A start keeps the row under which it was first stored. Rows of it under another cluster (the cluster was not known when the
 * first was written) are emptied, so that no time counts twice.
 */
function emptiedOf(intervals: readonly Interval[], rows: readonly Interval[]): OwnershipChange[] {
  const standing = byKey(intervals);
  const isAnother = (row: Interval): boolean => standing.get(keyOf(row))?.cluster !== row.cluster;
  return rows
    .filter((row) => row.endUs > row.startUs && isAnother(row))
    .map((row) => ({ interval: { ...row, endUs: row.startUs }, previousEndUs: row.startUs }));
}

/** Tells one start from others: the key of `gpu_ownership`, but for the cluster, of which a device has one. */
export function keyOf({ startUs, gpu, jobId }: Pick<Interval, 'startUs' | 'gpu' | 'jobId'>): string {
  return `${startUs} ${gpu} ${jobId}`;
}

function byKey(intervals: readonly Interval[]): Map<string, Interval> {
  return new Map(intervals.map((interval) => [keyOf(interval), interval]));
}
