import type { JobRecord } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Interval } from '../core/jobs/interval.ts';
import { OUTBOX_ROWS_MAX } from '../core/fields/limits.ts';
import type { WaitingRows } from '../disk/outbox-file.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import type {
  CollectorStat,
  EventRow,
  HostJobRow,
  InventoryRow,
  SharedUseRow,
  SmallTables,
} from '../questdb/rows/small-tables.ts';

/**
 * The rows of the small tables on their way to the store. Each list is bounded; a list that is full gives up its oldest
 * row and counts it. Rows leave when the store has acknowledged them.
 */
export interface Outbox {
  inventory(rows: readonly InventoryRow[]): void;
  readonly ownerSets: (rows: readonly OwnerSetRow[]) => void;
  ownership(rows: readonly Interval[]): void;
  readonly sharedUse: (rows: readonly SharedUseRow[]) => void;
  jobs(rows: readonly JobRecord[]): void;
  events(rows: readonly EventRow[]): void;
  stats(rows: readonly CollectorStat[]): void;
  readonly hostJobs: (rows: readonly HostJobRow[]) => void;
  /** Writes what waits. @returns false when the store did not take all of it. */
  flush(): Promise<boolean>;
  readonly waitingRows: number;
  readonly droppedRows: number;
  /** What waits, by table, to be kept for the next life. */
  snapshot(): WaitingRows;
  /** Puts what a former life left before everything else. */
  restore(rows: WaitingRows): void;
}

interface Queue<T extends object> {
  readonly name: string;
  readonly waiting: T[];
  write(rows: readonly T[]): Promise<boolean>;
}

export function createOutbox(tables: SmallTables, tell: Tell): Outbox {
  let droppedRows = 0;
  const queue = <T extends object>(name: string, write: Queue<T>['write']): Queue<T> => ({
    name,
    waiting: [],
    write,
  });
  const inventory = queue<InventoryRow>('gpu_inventory', (rows) => tables.writeInventory(rows));
  const ownerSets = queue<OwnerSetRow>('gpu_owner_sets', (rows) => tables.writeOwnerSets(rows));
  const ownership = queue<Interval>('gpu_ownership', (rows) => tables.writeOwnership(rows));
  const sharedUse = queue<SharedUseRow>('gpu_shared_use', (rows) => tables.writeSharedUse(rows));
  const jobs = queue<JobRecord>('jobs', (rows) => tables.writeJobs(rows));
  const events = queue<EventRow>('gpu_events', (rows) => tables.writeEvents(rows));
  const stats = queue<CollectorStat>('collector_stats', (rows) => tables.writeCollectorStats(rows));

  const hostJobs = queue<HostJobRow>('host_jobs', (rows) => tables.writeHostJobs(rows));

  const queues = [inventory, ownerSets, ownership, sharedUse, jobs, events, stats, hostJobs];

  function add<T extends object>(target: Queue<T>, rows: readonly T[]): void {
    target.waiting.push(...rows);
    const excess = target.waiting.length - OUTBOX_ROWS_MAX;
    if (excess <= 0) return;
    target.waiting.splice(0, excess);
    if (droppedRows === 0) {
      tell({
        level: 'warn',
        code: 'outbox.dropped',
        sentence: `${target.name}: too many rows wait; the oldest are given up`,
      });
    }
    droppedRows += excess;
  }

  async function flushQueue<T extends object>(target: Queue<T>): Promise<boolean> {
    const rows = target.waiting.slice();
    if (rows.length === 0) return true;
    if (!(await target.write(rows))) return false;
    // Rows that came meanwhile stand behind these; an overflow meanwhile has already taken some from the front.
    const written = new Set<T>(rows);
    let count = 0;
    while (count < target.waiting.length && written.has(target.waiting[count]!)) count += 1;
    target.waiting.splice(0, count);
    return true;
  }

  return {
    inventory: (rows) => {
      add(inventory, rows);
    },
    ownerSets: (rows) => {
      add(ownerSets, rows);
    },
    ownership: (rows) => {
      add(ownership, rows);
    },
    sharedUse: (rows) => {
      add(sharedUse, rows);
    },
    jobs: (rows) => {
      add(jobs, rows);
    },
    events: (rows) => {
      add(events, rows);
    },
    stats: (rows) => {
      add(stats, rows);
    },
    hostJobs: (rows) => {
      add(hostJobs, rows);
    },
    async flush() {
      const taken = [
        await flushQueue(inventory),
        // First, so that stored ownership says that the sets of its owners are stored.
        await flushQueue(ownerSets),
        await flushQueue(ownership),
        await flushQueue(sharedUse),
        await flushQueue(jobs),
        await flushQueue(events),
        await flushQueue(stats),
        await flushQueue(hostJobs),
      ];
      return taken.every(Boolean);
    },
    get waitingRows() {
      return queues.reduce((sum, each) => sum + each.waiting.length, 0);
    },
    get droppedRows() {
      return droppedRows;
    },
    snapshot: () => Object.fromEntries(queues.map(({ name, waiting }) => [name, waiting])),
    restore: (rows) => {
      // The rows were written by this very code: `saveWaitingRows` guards them with a checksum.
      for (const { name, waiting } of queues) (waiting as unknown[]).unshift(...(rows[name] ?? []));
    },
  };
}
