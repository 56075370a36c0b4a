import PQueue from 'p-queue';
import type { Table } from '../../schemas/tables.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Sink } from '../core/wire/sink.ts';
import type { LaneDisk } from '../delivery/delivery-place.ts';
import { fanOut } from '../delivery/fan-out.ts';
import { keepOutbox } from '../delivery/outbox-keeper.ts';
import { createOutbox, type Outbox } from '../delivery/outbox.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly, type DeadLetters } from '../disk/dead-letter.ts';
import { createStoreGate } from '../questdb/gate.ts';
import type { QuestDb } from '../questdb/http.ts';
import { withKnownSets } from '../questdb/rows/known-sets.ts';
import { withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { withPlacedEvents } from '../questdb/rows/placed-events.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';
import type { Outage } from '../questdb/outage.ts';
import type { RowSpan } from '../questdb/table-guard.ts';
import { watchTables } from '../questdb/table-watch.ts';
import { watchSuspension, type SuspensionWatch } from '../questdb/suspension.ts';

export interface StoreSideOptions {
  readonly db: QuestDb;
  /** Makes the store ready (tables, rollups). Tried before each flush until it has succeeded once. */
  readonly prepareStore: () => Promise<void>;
  /** What that makes: nothing is sent while one of them is another one. Absent: it is not looked at. */
  readonly storeTables?: readonly Table[];
  /** See `StoreGateOptions`. */
  readonly confirm?: 'acknowledged' | 'visible';
  /** Where what the store does not take is kept; in memory only without it. */
  readonly disk?: LaneDisk;
  /** Receives the rows that the server refuses; default: they are only told. */
  readonly deadLetters?: DeadLetters;
  /** See `StoreGateOptions`. */
  readonly onSentAgain?: (span: RowSpan) => void;
  /** Get every batch of samples as well; see `fanOut`. */
  readonly furtherSinks?: readonly Sink[];
  /** See `StoreGateOptions`. */
  readonly outage?: Outage;
  readonly tell: Tell;
}

/** The store as a collector sees it: where samples go, and where the rows of the small tables wait. */
export interface StoreSide {
  /** For labelled samples. */
  readonly samples: Sink;
  readonly outbox: Outbox;
  readonly suspension: Pick<SuspensionWatch, 'reasonOf'>;
  /** Looks whether the store keeps rows back. @returns whether its tables are still those that rows are made for */
  watch(): Promise<boolean>;
  /** Makes the store ready unless it is. @returns whether rows may be sent */
  open(): Promise<boolean>;
  /** Writes what waits in the outbox; what does not go is kept on disk now and then. @returns whether all went */
  flushOutbox(isReady: boolean): Promise<boolean>;
  /** Sends nothing more. */
  readonly stop: () => void;
  /** Keeps on disk what waits in the outbox, and, for a person, what the store has taken into tables that are not there. */
  finish(): void;
}

/** @param tables of the samples */
export function openStoreSide(options: StoreSideOptions, tables: readonly string[]): StoreSide {
  const {
    tell,
    disk,
    confirm,
    deadLetters = toldOnly(tell),
    furtherSinks = [],
    onSentAgain,
    outage,
  } = options;
  const db = outage?.watched(options.db) ?? options.db;
  const gate = createStoreGate({
    db,
    prepare: options.prepareStore,
    ...(options.storeTables === undefined ? {} : { tables: watchTables(db, options.storeTables) }),
    ...(confirm === undefined ? {} : { confirm }),
    ...(onSentAgain === undefined ? {} : { onSentAgain }),
    ...(outage === undefined ? {} : { outage }),
    tell,
  });
  const smallTables = createSmallTables(withBisect(gate.once, deadLetters, tell), tell);
  const merged = withMergedJobs(db, withKnownSets(db, smallTables, tell), tell);
  const outbox = createOutbox(withPlacedEvents(db, merged, tell), tell);
  const keeper = keepOutbox(outbox, disk, tell);
  const queue = new PQueue({ concurrency: 1 });
  const suspension = watchSuspension(db, tables, tell);
  const samples = withBisect(gate.patient, deadLetters, tell);
  return {
    samples: furtherSinks.length === 0 ? samples : fanOut(samples, furtherSinks),
    outbox,
    suspension,
    async watch() {
      await suspension.look();
      return await gate.look();
    },
    open: gate.open,
    async flushOutbox(isReady) {
      const isTaken = isReady && (await queue.add(() => outbox.flush()));
      keeper.afterFlush(isTaken);
      return isTaken;
    },
    stop: gate.close,
    finish: () => {
      keeper.finish();
      const reason = 'it had taken them into a table that is not there any more';
      for (const { table, rows, body } of gate.astray()) deadLetters.add(table, rows, body, reason);
    },
  };
}
