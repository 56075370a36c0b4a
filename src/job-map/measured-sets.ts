import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { ownerSetsOf, useQuestionOf } from '../core/jobs/device-parts.ts';
import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { REMEMBERED_US } from '../core/jobs/relabel.ts';
import { readOwnerSets } from '../questdb/reads/owner-sets.ts';
import { readSharedUse } from '../questdb/reads/shared-use.ts';
import { readOwnedSince } from '../questdb/reads/stored-ownership.ts';
import type { QuestDb } from '../questdb/http.ts';
import { encodeOwnerSets, type OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import { waitForVisible } from '../questdb/visible.ts';

/**
 * Brings what was measured of shared devices into the parts of their owner sets. Everything is read from the store, so that it
 * does not matter who measured, and who learnt of the owners.
 */
export interface MeasuredSets {
  /** The owners of this device after `sinceUs` (epoch µs), or what was seen of them, may have become others. */
  readonly note: (gpu: string, sinceUs: number) => void;
  /** The same of all devices of these changes that are shared. */
  noteChanges(ownership: Pick<Ownership, 'labelsBetween'>, changes: readonly OwnershipChange[]): void;
  /**
   * To be called when all that was noted is in the store. What cannot be done now stays noted.
   * @returns whether nothing stays noted
   */
  settle(): Promise<boolean>;
}

interface MeasuredSetsOptions {
  readonly db: QuestDb;
  /** Devices of this node: a former life may have ended before it had settled what it measured. */
  readonly gpus: readonly string[];
  /** Beginning of this life, epoch µs. */
  readonly startUs: number;
  readonly tell: Tell;
}

/** Rows of one request, as for the other small tables. */
const REQUEST_ROWS_MAX = 1_000;

export function createMeasuredSets({ db, gpus, startUs, tell }: MeasuredSetsOptions): MeasuredSets {
  let noted = new Map(gpus.map((gpu) => [gpu, startUs - REMEMBERED_US]));

  function note(gpu: string, sinceUs: number): void {
    noted.set(gpu, Math.min(sinceUs, noted.get(gpu) ?? Infinity));
  }

  async function write(rows: readonly OwnerSetRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += REQUEST_ROWS_MAX) {
      const some = rows.slice(from, from + REQUEST_ROWS_MAX);
      const batch = { table: 'gpu_owner_sets', body: encodeOwnerSets(some), rows: some.length };
      const { unsent } = await db.send(batch);
      if (unsent !== undefined) throw unsent.error;
    }
  }

  return {
    note,
    noteChanges(ownership, changes) {
      for (const { interval, previousEndUs } of changes) {
        const { gpu, startUs: fromUs, endUs } = interval;
        const labels = ownership.labelsBetween(gpu, fromUs, Math.max(endUs, previousEndUs ?? endUs));
        if (labels.some(({ label }) => label.ownerSet !== null)) note(gpu, fromUs);
      }
    },
    async settle() {
      const due = noted;
      if (due.size === 0) return true;
      noted = new Map();
      try {
        for (const table of ['gpu_ownership', 'gpu_shared_use', 'gpu_owner_sets'])
          await waitForVisible(db, table);
        await write(await changedRows(db, due));
        return true;
      } catch (thrown) {
        for (const [gpu, sinceUs] of due) note(gpu, sinceUs);
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `the measured parts of owner sets wait for the store: ${messageOf(thrown)}`;
        tell({ level: 'warn', code: 'small_table.held', sentence });
        return false;
      }
    },
  };
}

/** Rows of the sets that owned these devices since then, where the store has other parts. */
async function changedRows(db: QuestDb, sinceUs: ReadonlyMap<string, number>): Promise<OwnerSetRow[]> {
  const recent = await readStays(db, sinceUs);
  const untold = untoldSets(recent, [], sinceUs);
  // What was seen of a set counts from its beginning on, and somebody may have come between.
  const whole = new Map<string, number>();
  for (const { gpu, startUs } of untold) whole.set(gpu, Math.min(startUs, whole.get(gpu) ?? Infinity));
  if (whole.size === 0) return [];
  const stays = await readStays(db, whole);
  const question = useQuestionOf(stays);
  const uses = question === undefined ? [] : await readSharedUse(db, question);
  const rows = untoldSets(stays, uses, sinceUs);
  const stored = new Map((await readOwnerSets(db, rows)).map((row) => [keyOf(row), row]));
  return rows
    .map((row) => ({ ...row, ...clusterOf(row, stays, stored.get(keyOf(row))) }))
    .filter((row) => !isSame(row, stored.get(keyOf(row))));
}

async function readStays(db: QuestDb, sinceUs: ReadonlyMap<string, number>): Promise<Interval[]> {
  return await readOwnedSince(db, [...sinceUs.keys()], Math.min(...sinceUs.values()));
}

/** The sets after that time with two members or more whose shares nobody told: only those are divided by what was seen. */
function untoldSets(
  stays: readonly Interval[],
  uses: Parameters<typeof ownerSetsOf>[1],
  sinceUs: ReadonlyMap<string, number>,
): OwnerSetRow[] {
  const sets = [...Map.groupBy(stays, ({ gpu }) => gpu)].flatMap(([gpu, own]) =>
    ownerSetsOf(own, uses, sinceUs.get(gpu) ?? Infinity),
  );
  return [...Map.groupBy(sets, ({ ownerSet }) => ownerSet).values()]
    .filter((members) => members.filter(({ share }) => Number.isNaN(share)).length > 1)
    .flat();
}

function keyOf({ ownerSet, jobId }: OwnerSetRow): string {
  return `${ownerSet} ${jobId}`;
}

function isSame(row: OwnerSetRow, stored: OwnerSetRow | undefined): boolean {
  return (
    stored !== undefined &&
    row.part === stored.part &&
    row.sharing === stored.sharing &&
    row.isScaled === stored.isScaled
  );
}

/** A stay that began before anybody knew the cluster has none. */
function clusterOf(
  { gpu }: OwnerSetRow,
  stays: readonly Interval[],
  stored: OwnerSetRow | undefined,
): { readonly cluster?: string } {
  const cluster = stored?.cluster ?? stays.find((stay) => stay.gpu === gpu && stay.cluster)?.cluster;
  return cluster === undefined ? {} : { cluster };
}
