import { quoteName, quoteText } from '../../../../schemas/tables.ts';
import type { Sharing } from '../../../core/jobs/device-parts.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists, quoteTime } from '../../sql-text.ts';

/** A job's part of a device in the time of one owner set, in [0, 1], and how it was found. */
interface SetPart {
  readonly part: number;
  readonly sharing: Sharing;
  readonly isScaled: boolean;
}

/**
 * Which rows of samples and rollups are a job's: those with its id and no owner set, whole, and those of the owner sets that it
 * is a member of, by its part.
 */
export interface JobLabel {
  readonly jobId: string;
  /** By owner set. */
  readonly sets: ReadonlyMap<string, SetPart>;
  /** It is a member of these owner sets, and nobody recorded with which part. */
  readonly unknownParts: ReadonlySet<string>;
}

/** When and on which devices a run of a job was. Epoch µs. */
interface RunTime {
  readonly startUs: number;
  readonly endUs: number;
  readonly intervals: readonly { readonly gpu: string }[];
}

/** The label of one run of a job. @throws what `ask` throws */
export async function readLabel(
  db: Asked,
  jobId: string,
  { startUs, endUs, intervals }: RunTime,
): Promise<JobLabel> {
  const sets = new Map<string, SetPart>();
  const unknownParts = new Set<string>();
  // Tables of an older version have none: then nothing is labelled with a set.
  const tables = await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'gpu_owner_sets'");
  if (tables.length === 0) return { jobId, sets, unknownParts };
  for (const some of quotedLists(new Set(intervals.map(({ gpu }) => gpu)))) {
    // A set begins with the newest of its members' stays, so within one of the job's own.
    const rows = await ask(
      db,
      `SELECT owner_set, part, sharing, scaled FROM gpu_owner_sets WHERE job_id = ${quoteText(jobId)} AND gpu IN (${some})` +
        ` AND ts >= ${quoteTime(startUs)} AND ts < ${quoteTime(endUs)}`,
    );
    for (const row of rows) {
      const [set, part] = [row.text('owner_set') ?? '', row.number('part')];
      if (part === undefined) unknownParts.add(set);
      else
        sets.set(set, {
          part,
          sharing: row.text('sharing') as Sharing,
          isScaled: row.number('scaled') === 1,
        });
    }
  }
  return { jobId, sets, unknownParts };
}

/** Condition of a row `s` that may be the job's. @param columns of the table: a histogram has only one of the two */
export function labelledSql(label: JobLabel, columns: ReadonlySet<string>): string {
  const own = ownSql(label);
  if (columns.has('owners')) return `(${own} OR s.owners > 1)`;
  return label.sets.size === 0 ? own : `(${own} OR s.owner_set IS NOT NULL)`;
}

function ownSql({ jobId }: JobLabel): string {
  return `s.job_id = ${quoteText(jobId)}`;
}

/** What tells apart in an answer whose rows are whose, and by which part. @param columns of the table */
export function labelKeysSql(label: JobLabel, columns: ReadonlySet<string>): string {
  const set = columns.has('owner_set') ? `s.${quoteName('owner_set')}` : 'cast(null AS LONG)';
  const isShared = columns.has('owners') ? 'CASE WHEN s.owners > 1 THEN 1 ELSE 0 END' : '0';
  return `${set} AS owner_set, ${isShared} AS is_shared, CASE WHEN ${ownSql(label)} THEN 1 ELSE 0 END AS is_own`;
}

/**
 * `undivided`: several jobs owned the device, of before samples were labelled with owner sets. `unparted`: it is the job's, and nobody
 * recorded by which part.
 */
type Whose = SetPart | 'undivided' | 'unparted' | undefined;

const WHOLE: SetPart = { part: 1, sharing: 'whole', isScaled: false };

/** The job's part of a row with the keys of `labelKeysSql`; undefined where it has none. */
export function whoseIs({ sets, unknownParts }: JobLabel, row: Cells): Whose {
  const ownerSet = row.text('owner_set');
  if (ownerSet === undefined) return row.number('is_shared') === 1 ? 'undivided' : WHOLE;
  const part = sets.get(ownerSet);
  if (part !== undefined) return part;
  // With its id alone it owned the device alone, though not all of it.
  return row.number('is_own') === 1 || unknownParts.has(ownerSet) ? 'unparted' : undefined;
}

/** The same of rows that count; undefined where the row is not the job's, or nobody knows how much of it. */
export function partIn(label: JobLabel, row: Cells): number | undefined {
  const whose = whoseIs(label, row);
  return typeof whose === 'object' ? whose.part : undefined;
}
