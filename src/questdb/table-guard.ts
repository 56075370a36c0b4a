import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { extentOf } from '../core/wire/ilp-rows.ts';
import { untaken, type Batch, type Fate, type Sink } from '../core/wire/sink.ts';
import type { QuestDb } from './http.ts';
import { countSeen } from './seen-rows.ts';
import type { TableChange, TableWatch } from './table-watch.ts';

/** Time of rows, epoch µs. */
export interface RowSpan {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * A sink that believes the store only while its tables are the ones that rows were made for. A server takes rows of a table
 * that was dropped and made again on the connections of before, and they are nowhere; so what was taken since the last look
 * is kept, and sent once more when the tables have changed meanwhile.
 */
export interface TableGuard extends Sink {
  /** @returns why nothing may be sent; undefined when the tables are as they were */
  look(): Promise<OperatingError | undefined>;
  /**
   * To be called when the tables fit again: sends what may be nowhere.
   * @returns the time of these rows; undefined when there were none
   * @throws OperatingError when the store does not take them; they are kept
   */
  sendAgain(signal: AbortSignal): Promise<RowSpan | undefined>;
  /** What the store has taken, and what is nowhere, since its table has become another one. */
  astray(): readonly Batch[];
}

export interface TableGuardOptions {
  readonly db: QuestDb;
  readonly tables: TableWatch;
  readonly signal: AbortSignal;
  /** Hears, once, that the tables are others: nothing may be sent until they fit. */
  readonly onChanged: (error: OperatingError) => void;
  readonly tell: Tell;
}

/** Beyond that the tables are looked at, whatever the time is: half a minute of 64 GPUs at 100 ms. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

export function createTableGuard({ db, tables, signal, onChanged, tell }: TableGuardOptions): TableGuard {
  /** Taken by the store since the tables were last seen as they were. */
  let kept: Batch[] = [];
  let keptBytes = 0;
  /** The store was away: another server may have come back. */
  let isDoubtful = false;
  let changed: TableChange | undefined;

  const look = async (): Promise<OperatingError | undefined> => {
    const before = kept.length;
    try {
      changed = await tables.look();
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      return thrown;
    }
    isDoubtful = false;
    if (changed === undefined) {
      // What was taken while the question was on its way may have come after the answer.
      kept = kept.slice(before);
      keptBytes = bytesOf(kept);
      return undefined;
    }
    db.renewConnections();
    const error = changedTables(changed, db.where);
    onChanged(error);
    return error;
  };

  const keep = (batch: Batch): void => {
    kept.push({ ...batch, body: new Uint8Array(batch.body) });
    keptBytes += batch.body.byteLength;
  };

  return {
    look,
    astray: () => kept.filter(({ table }) => changed?.tables.has(table)),
    async send(batch): Promise<Fate> {
      const doubt = isDoubtful || keptBytes > KEPT_BYTES_MAX ? await look() : undefined;
      if (doubt !== undefined) return untaken(batch, whyOf(doubt));
      const fate = await db.send(batch, signal);
      if (fate.unsent === undefined) keep(batch);
      if (fate.unsent?.cause === 'store') isDoubtful = true;
      if (fate.unsent?.cause !== 'rows') return fate;
      // Rows are to blame only while the tables are those that they were made for.
      const change = await look();
      return change === undefined ? fate : { ...fate, unsent: { ...fate.unsent, ...whyOf(change) } };
    },
    async sendAgain() {
      if (kept.length === 0) {
        changed = undefined;
        return undefined;
      }
      const span = spanOf(kept);
      const rows = kept.reduce((sum, batch) => sum + batch.rows, 0);
      for (const batch of kept) {
        const { unsent } = await db.send(batch, signal);
        // Rows of another shape than the table has now will not fit later either.
        if (unsent !== undefined && unsent.cause !== 'rows') throw unsent.error;
      }
      // A proxy may have gone on by a connection of before.
      for (const batch of kept) {
        const seen = await countSeen(db, batch, signal);
        if (seen === 0) throw stillNowhere(batch, db.where);
      }
      kept = [];
      keptBytes = 0;
      changed = undefined;
      const sentence = `${rows} rows were sent once more: the store had taken them into tables that are not there any more`;
      tell({ level: 'info', code: 'store.sent_again', sentence, data: { rows } });
      return span;
    },
  };
}

/** Why rows wait; a table that does not fit is not a store that is away. */
export function whyOf(error: OperatingError): {
  readonly cause: 'store' | 'table';
  readonly reason: string;
  readonly error: OperatingError;
} {
  const isOfTables = error.code.startsWith('schema.') || error.code === 'store.tables_changed';
  return { cause: isOfTables ? 'table' : 'store', reason: error.message, error };
}

function changedTables({ sentence }: TableChange, where: string): OperatingError {
  return new OperatingError(`${sentence}: rows wait until the tables fit them again`, {
    code: 'store.tables_changed',
    exit: 'config',
    where,
  });
}

function stillNowhere({ table, rows }: Batch, where: string): OperatingError {
  return new OperatingError(
    `${rows} rows for ${table} were acknowledged once more, and queries find none of them`,
    {
      code: 'store.not_visible',
      exit: 'temporary',
      where,
      hints: ['a proxy that keeps its connections to the server has to make new ones: restart it'],
    },
  );
}

function bytesOf(batches: readonly Batch[]): number {
  return batches.reduce((sum, { body }) => sum + body.byteLength, 0);
}

function spanOf(batches: readonly Batch[]): RowSpan {
  const extents = batches.map(({ body }) => extentOf(body));
  return {
    fromUs: Math.min(...extents.map(({ fromUs }) => fromUs)),
    toUs: Math.max(...extents.map(({ toUs }) => toUs)),
  };
}
