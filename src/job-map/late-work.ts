import { messageOf, OperatingError } from '../core/base/errors.ts';
import { HOUR_US } from '../core/base/hour.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { RelabelWindow } from '../core/jobs/relabel.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readOlderStays, type OlderStays } from './older-stays.ts';
import { planRelabelling, relabelPortion, type RelabelPlan } from './relabel-from-store.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import type { OlderNews } from './session.ts';

/** Brings what was told of times that nobody remembers into the samples, a portion after the other, the oldest first. */
export interface LateWork {
  /** Whether something was told that is not in the samples yet, or not in `gpu_ownership`. */
  readonly isPending: boolean;
  /**
   * Does a bounded part of it. Call it only when nothing of these tables is unacknowledged.
   * @returns false when the store did not do it; call again.
   */
  step(): Promise<boolean>;
  /** Does all of it. @returns false when the store did not. */
  finish(onProgress?: (words: string) => void): Promise<boolean>;
}

export interface LateWorkOptions {
  readonly db: QuestDb;
  /** Sample tables. */
  readonly tables: readonly string[];
  /** Where the news come from. */
  readonly session: { takeOlder(): OlderNews | undefined; readonly hasOlder: boolean };
  /** See `OlderStaysOptions`. */
  readonly areRowsLast: boolean;
  /** Stores the sets that labels are about to use, or puts them on their way. @returns false when the store did not take them */
  readonly storeSets: (sets: readonly OwnerSetRow[]) => Promise<boolean>;
  /** Hears what stands in the store, or will, before the samples follow. */
  readonly onRead?: (stays: Pick<OlderStays, 'firstTold' | 'corrected'>) => void;
  readonly onDone: (done: LateWorkDone) => void;
  readonly tell: Tell;
}

/** What is in the samples now. */
export interface LateWorkDone {
  /** Intervals whose row of `gpu_ownership` is to be written. */
  readonly corrected: readonly Interval[];
  /** Time whose labels are right now. */
  readonly windows: readonly RelabelWindow[];
  /** How many samples got another label. */
  readonly rows: number;
}

/** A step begins no further portion after so long: samples wait meanwhile. */
const STEP_MS_MAX = 500;

interface Work extends OlderStays, RelabelPlan {
  done: number;
  rows: number;
}

export function createLateWork(options: LateWorkOptions): LateWork {
  const { db, tables, session, areRowsLast, tell } = options;
  let work: Work | undefined;
  /** Was taken from the session, and is not planned yet. */
  let waiting: OlderNews | undefined;
  /** Why the store did not do it, as it was told last. */
  let held: string | undefined;
  /** Labels that were given by this process may not be in the rollup yet. */
  let isRollupSettled = true;

  /** @returns false when the store did not take the owner sets */
  async function begin(): Promise<boolean> {
    const news = joined(waiting, session.takeOlder());
    waiting = news;
    if (news === undefined) return true;
    const stays = await readOlderStays(db, news, { areRowsLast });
    const windows = isRollupSettled
      ? stays.windows
      : stays.windows.map((window) => ({ ...window, isFirstTold: false }));
    options.onRead?.(stays);
    const plan = await planRelabelling(db, tables, { ...stays, windows });
    if (stays.ownerSets.length > 0 && !(await options.storeSets(stays.ownerSets))) return false;
    work = { ...stays, windows, ...plan, done: 0, rows: 0 };
    waiting = stays.rest;
    return true;
  }

  function end({ rows, goneUs, corrected, windows }: Work): void {
    work = undefined;
    isRollupSettled &&= rows === 0;
    if (rows > 0) {
      const sentence = `${rows} samples got the label of a late fact`;
      tell({ level: 'info', code: 'relabel.done', sentence, data: { rows } });
    }
    if (goneUs > 0) {
      const deviceHours = goneUs / HOUR_US;
      const sentence = `late facts change the owner of ${deviceHours.toFixed(1)} GPU-hours whose samples are gone: their rollups keep the label`;
      tell({ level: 'warn', code: 'relabel.too_late', sentence, data: { deviceHours } });
    }
    options.onDone({ corrected, windows, rows });
  }

  /** @returns false when the store did not do it */
  async function portion(): Promise<boolean> {
    if (work === undefined) return await begin();
    const next = work.portions[work.done];
    if (next !== undefined) {
      work.rows += await relabelPortion(db, next, work.ownership);
      work.done += 1;
    }
    if (work.done === work.portions.length) end(work);
    return true;
  }

  const isPending = (): boolean => work !== undefined || waiting !== undefined || session.hasOlder;

  async function until(isEnough: () => boolean): Promise<boolean> {
    try {
      while (isPending()) {
        if (!(await portion())) return false;
        if (isEnough()) break;
      }
      held = undefined;
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const sentence = `late facts wait for the store: ${messageOf(thrown)}`;
      if (sentence !== held) tell({ level: 'warn', code: 'relabel.held', sentence });
      held = sentence;
      return false;
    }
  }

  return {
    get isPending() {
      return isPending();
    },
    async step() {
      const endMs = performance.now() + STEP_MS_MAX;
      const isBegun = work !== undefined;
      // What was put on its way by the beginning arrives before the samples.
      return await until(() => (!isBegun && work !== undefined) || performance.now() > endMs);
    },
    async finish(onProgress = () => undefined) {
      return await until(() => {
        if (work !== undefined && work.portions.length > 0) onProgress(wordsOf(work));
        return false;
      });
    },
  };
}

/** A session that has heard this, and nothing else. */
export function hearing(news: OlderNews): LateWorkOptions['session'] {
  let waiting: OlderNews | undefined = news;
  return {
    takeOlder() {
      const taken = waiting;
      waiting = undefined;
      return taken;
    },
    get hasOlder() {
      return waiting !== undefined;
    },
  };
}

function wordsOf({ portions, done, rows }: Work): string {
  const at = portions[Math.min(done, portions.length - 1)]?.fromUs ?? 0;
  const until = new Date(at / 1000).toISOString().slice(0, 16);
  return `labels of late facts: ${done} of ${portions.length} portions, up to ${until}, ${rows} samples`;
}

function joined(one: OlderNews | undefined, other: OlderNews | undefined): OlderNews | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    windows: [...one.windows, ...other.windows],
    facts: [...one.facts, ...other.facts],
    intervals: [...one.intervals, ...other.intervals],
    unread: [...one.unread, ...other.unread],
    untilUs: Math.max(one.untilUs, other.untilUs),
  };
}
