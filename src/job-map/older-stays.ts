import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { JobFact } from '../core/jobs/job-fact.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import type { OlderWindow, RelabelWindow } from '../core/jobs/relabel.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readStaysTouching } from '../questdb/reads/stored-ownership.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import { waitForVisible } from '../questdb/visible.ts';
import { byStanding, isSameRow, keyOf, openOwnership, type OlderNews } from './session.ts';

/** Whose devices these were in times that no session remembers: what is stored of them, and what was told since. */
export interface OlderStays {
  /** Knows the labels of the windows, and not of other times. */
  readonly ownership: Pick<Ownership, 'labelsBetween'>;
  /** Time whose samples may bear another label than it says. */
  readonly windows: readonly OlderWindow[];
  /** What was told for the first time, as it stands with what is stored. */
  readonly firstTold: readonly Interval[];
  /** Intervals whose row of `gpu_ownership` is not there, or not right. */
  readonly corrected: readonly Interval[];
  /** The sets that its labels use in this time, divided by what was told of shares. */
  readonly ownerSets: readonly OwnerSetRow[];
  /** What was left for the next time, since there are too many stays for one. */
  readonly rest: OlderNews | undefined;
}

export interface OlderStaysOptions {
  /** The rows are written after the samples: what is stored as it was told is in the labels already. */
  readonly areRowsLast: boolean;
  /** Default: `STAYS_MAX`. */
  readonly staysMax?: number;
}

/** Stays of one device that are read at once: their number goes into the time that this takes squared. */
const STAYS_MAX = 2_000;

/** What is looked at of one device: (fromUs, toUs], epoch µs, and no more than until `limitUs`. */
interface Reach {
  fromUs: number;
  toUs: number;
  limitUs: number;
}

/**
 * Reads the stays that touch what was told, and brings both together by the rules of every session. A stay that they shorten or
 * lengthen widens what is looked at.
 * @throws OperatingError when the store does not answer
 */
export async function readOlderStays(
  db: QuestDb,
  news: OlderNews,
  { areRowsLast, staysMax = STAYS_MAX }: OlderStaysOptions,
): Promise<OlderStays> {
  await waitForVisible(db, 'gpu_ownership');
  const reaches = reachesOf(news);
  for (;;) {
    const stored: Interval[] = [];
    for (const [gpu, reach] of reaches) {
      const stays = await readStaysTouching(db, gpu, reach, staysMax);
      if (stays.length === staysMax) reach.limitUs = Math.min(reach.limitUs, stays.at(-1)!.startUs);
      stored.push(...stays);
    }
    const { ownership, firstTold, corrected, changes, ownerSets } = broughtTogether(stored, news);
    const changed = [...changes, ...learntTime(news, firstTold)]
      .map((window) => clipped(window, news.untilUs))
      .filter(isTime);
    if (changed.some((window) => widens(reaches.get(window.gpu)!, window))) continue;
    const limitOf = ({ gpu }: { readonly gpu: string }): number => reaches.get(gpu)!.limitUs;
    const windows = apart(changed, areRowsLast ? [] : news.windows)
      .map((window) => clipped(window, limitOf(window)))
      .filter(isTime);
    const labels = windows.flatMap(({ gpu, fromUs, toUs }) => ownership.labelsBetween(gpu, fromUs, toUs));
    const usedSets = new Set(labels.map(({ label }) => label.ownerSet));
    return {
      ownership,
      firstTold: firstTold.filter((interval) => interval.startUs <= limitOf(interval)),
      corrected: corrected.filter((interval) => interval.startUs <= limitOf(interval)),
      windows,
      ownerSets: ownerSets.filter(({ ownerSet }) => usedSets.has(ownerSet)),
      rest: restOf(news, limitOf),
    };
  }
}

function reachesOf({ windows, facts, untilUs }: OlderNews): Map<string, Reach> {
  const reaches = new Map<string, Reach>();
  const add = (gpu: string, fromUs: number, toUs: number): void => {
    const reach = reaches.get(gpu) ?? { fromUs, toUs, limitUs: Infinity };
    reach.fromUs = Math.min(reach.fromUs, fromUs);
    reach.toUs = Math.min(Math.max(reach.toUs, toUs), untilUs);
    reaches.set(gpu, reach);
  };
  for (const { gpu, fromUs, toUs } of windows) add(gpu, fromUs, toUs);
  for (const { gpu, atUs, ofStartUs = atUs } of facts) add(gpu, ofStartUs, Math.max(ofStartUs, atUs));
  return reaches;
}

/** @returns whether there is more to look at than there was */
function widens(reach: Reach, { fromUs, toUs }: RelabelWindow): boolean {
  const before = { ...reach };
  reach.fromUs = Math.min(reach.fromUs, fromUs);
  reach.toUs = Math.max(reach.toUs, Math.min(toUs, reach.limitUs));
  return reach.fromUs < before.fromUs || reach.toUs > before.toUs;
}

function broughtTogether(
  stored: readonly Interval[],
  news: OlderNews,
): {
  readonly ownership: Ownership;
  readonly firstTold: readonly Interval[];
  readonly corrected: readonly Interval[];
  readonly changes: readonly RelabelWindow[];
  readonly ownerSets: readonly OwnerSetRow[];
} {
  const ownership = new Ownership();
  const stray = { name: 'stray', read: () => ({ facts: news.facts, records: [] }) };
  const session = openOwnership({ inputs: [stray], ownership, labelledUntilUs: -Infinity });
  const told: OwnershipChange[] = [...session.adopt(stored), ...session.adopt(news.intervals)];
  told.push(...session.read(0).changes);
  const rows = new Map(stored.toSorted(byStanding).map((row) => [keyOf(row), row]));
  const now = ownership.intervals();
  const standing = new Set(now.map(rowKeyOf));
  const unread = new Set(news.unread);
  // Rows of a start under another cluster than the one that stands.
  const emptied = told.map(({ interval }) => interval).filter((one) => !standing.has(rowKeyOf(one)));
  const changed = now.filter((interval) => {
    const row = rows.get(keyOf(interval));
    return row === undefined || !isSameRow(row, interval);
  });
  return {
    ownership,
    firstTold: now.filter((interval) => unread.has(keyOf(interval))),
    corrected: [...emptied, ...changed],
    changes: changed.map((interval) => changedTime(rows.get(keyOf(interval)), interval)),
    ownerSets: session.takeOwnerSets(),
  };
}

/** Time in which the labels that the row gave are not those of the interval. */
function changedTime(row: Interval | undefined, { gpu, startUs, endUs, share }: Interval): RelabelWindow {
  if (row === undefined || !Object.is(row.share, share))
    return { gpu, fromUs: startUs, toUs: Math.max(endUs, row?.endUs ?? endUs) };
  return { gpu, fromUs: Math.min(row.endUs, endUs), toUs: Math.max(row.endUs, endUs) };
}

/** Time whose samples were labelled by somebody who had not read what the store has of a stay. */
function learntTime({ intervals }: OlderNews, firstTold: readonly Interval[]): RelabelWindow[] {
  const told = new Map(intervals.map((interval) => [keyOf(interval), interval]));
  return firstTold.map((stay) => changedTime(told.get(keyOf(stay)), stay)).filter(isTime);
}

/** Each time of a device once: what was changed by a fact is not looked up as what may have been told before. */
function apart(changed: readonly RelabelWindow[], told: readonly OlderWindow[]): OlderWindow[] {
  const certain = joined([...changed, ...told.filter(({ isFirstTold }) => !isFirstTold)]);
  const firstTold = joined(told.filter(({ isFirstTold }) => isFirstTold)).flatMap((window) =>
    without(
      window,
      certain.filter(({ gpu }) => gpu === window.gpu),
    ),
  );
  return [
    ...certain.map((window) => ({ ...window, isFirstTold: false })),
    ...firstTold.map((window) => ({ ...window, isFirstTold: true })),
  ];
}

/** Windows that overlap or touch as one; by device ascending. */
function joined(windows: readonly RelabelWindow[]): RelabelWindow[] {
  return [...Map.groupBy(windows, ({ gpu }) => gpu)].flatMap(([gpu, own]) => {
    const all: RelabelWindow[] = [];
    for (const { fromUs, toUs } of own.toSorted((a, b) => a.fromUs - b.fromUs)) {
      const last = all.at(-1);
      if (last === undefined || fromUs > last.toUs) all.push({ gpu, fromUs, toUs });
      else all[all.length - 1] = { ...last, toUs: Math.max(last.toUs, toUs) };
    }
    return all;
  });
}

/** @param others of the same device, apart and ascending */
function without({ gpu, fromUs, toUs }: RelabelWindow, others: readonly RelabelWindow[]): RelabelWindow[] {
  const left: RelabelWindow[] = [];
  let atUs = fromUs;
  for (const other of others) {
    left.push({ gpu, fromUs: atUs, toUs: Math.min(other.fromUs, toUs) });
    atUs = Math.max(atUs, other.toUs);
  }
  return [...left, { gpu, fromUs: atUs, toUs }].filter(isTime);
}

function restOf(news: OlderNews, limitOf: (of: { readonly gpu: string }) => number): OlderNews | undefined {
  const windows = news.windows
    .map((window) => ({ ...window, fromUs: Math.max(window.fromUs, limitOf(window)) }))
    .filter(isTime);
  const facts = news.facts.filter((fact: JobFact) => fact.atUs > limitOf(fact));
  return windows.length + facts.length === 0 ? undefined : { ...news, windows, facts };
}

function clipped<T extends RelabelWindow>(window: T, untilUs: number): T {
  return { ...window, toUs: Math.min(window.toUs, untilUs) };
}

function isTime({ fromUs, toUs }: RelabelWindow): boolean {
  return fromUs < toUs;
}

function rowKeyOf(interval: Interval): string {
  return `${keyOf(interval)} ${interval.cluster ?? ''}`;
}
