import { formatDuration } from '../../schemas/duration.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Notice, Tell } from '../core/base/notice.ts';
import type { Sink } from '../core/wire/sink.ts';
import type { QuestDb } from './http.ts';

/**
 * Tells an outage of the store by one line, and its end by another. Whatever waits because of it says so to those who debug
 * only: three lanes and six small tables would say it at every flush.
 */
export interface Outage {
  /** For everybody who waits for the store. */
  readonly tell: Tell;
  /** The store, or the way to it, failed. @param isTold by a line of its own */
  away(reason: string, isTold?: true): void;
  /** The store took something. */
  back(): void;
  /** A sink that notes what becomes of what it sends. */
  noted(sink: Sink): Sink;
  /** A store that notes questions to which no answer came. */
  watched(db: QuestDb): QuestDb;
}

/** What is told of rows that wait. */
const WAITING: readonly Notice['code'][] = [
  ...(['delivery.held', 'small_table.held', 'relabel.held', 'job_figures.held'] as const),
];
/** The server gave no sign of life. */
const SILENCES: readonly string[] = ['questdb.unreachable', 'questdb.timeout', 'questdb.unavailable'];

/** @param nowMs of a clock that only moves forward */
export function createOutage(told: Tell, nowMs: () => number): Outage {
  let since: number | undefined;
  let failures = 0;
  /** Tables whose rows began to wait without a line of their own. */
  const quiet = new Set<unknown>();

  const away = (reason: string, isTold?: true): void => {
    failures += 1;
    if (since !== undefined) return;
    since = nowMs();
    if (isTold) return;
    told({
      level: 'warn',
      code: 'store.away',
      sentence: `the store takes nothing: ${reason}; rows wait until it does (gpuledger status shows where)`,
    });
  };
  const back = (): void => {
    if (since === undefined) return;
    const lasted = Math.max(1000, Math.round((nowMs() - since) / 1000) * 1000);
    const sentence = `the store takes rows again, after ${formatDuration(lasted)} and ${failures} failed tries: what waits goes there`;
    since = undefined;
    told({ level: 'info', code: 'store.back', sentence, data: { failures, seconds: lasted / 1000 } });
    failures = 0;
  };
  return {
    tell(notice) {
      const table = notice.data?.['table'];
      const isWaiting = since !== undefined && WAITING.includes(notice.code);
      if (isWaiting) quiet.add(table);
      const isOver = notice.code === 'delivery.resumed' && quiet.delete(table);
      told(isWaiting || isOver ? { ...notice, level: 'debug' } : notice);
    },
    away,
    back,
    noted: (sink) => ({
      async send(batch) {
        const fate = await sink.send(batch);
        if (fate.unsent === undefined) back();
        else if (fate.unsent.cause === 'store') away(fate.unsent.reason);
        return fate;
      },
    }),
    watched: (db) => ({
      ...db,
      async exec(sql, options) {
        try {
          return await db.exec(sql, options);
        } catch (thrown) {
          if (thrown instanceof OperatingError && SILENCES.includes(thrown.code)) away(thrown.message);
          throw thrown;
        }
      },
    }),
  };
}
