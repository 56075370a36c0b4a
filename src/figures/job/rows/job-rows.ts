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
  const label = emptyLabel(jobId);
  if (!(await hasOwnerSets(db))) return label;
  for (const some of quotedLists(new Set(intervals.map(({ gpu }) => gpu)))) {
    // A set begins with the newest of its members' stays, so within one of the job's own.
    const rows = await ask(
      db,
      `SELECT owner_set, part, sharing, scaled FROM gpu_owner_sets WHERE job_id = ${quoteText(jobId)} AND gpu IN (${some})` +
        ` AND ts >= ${quoteTime(startUs)} AND ts < ${quoteTime(endUs)}`,
    );
    for (const row of rows) addPart(label, row);
  }
  return label;
}

/** Tables of an older version have none: then nothing is labelled with a set. */
async function hasOwnerSets(db: Asked): Promise<boolean> {
  return (await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'gpu_owner_sets'")).length > 0;
}

/** A label that is being read. */
interface ReadLabel extends JobLabel {
  readonly sets: Map<string, SetPart>;
  readonly unknownParts: Set<string>;
}

function emptyLabel(jobId: string): ReadLabel {
  return { jobId, sets: new Map(), unknownParts: new Set() };
}

/** @param row of `gpu_owner_sets` */
function addPart({ sets, unknownParts }: ReadLabel, row: Cells): void {
  const [set, part] = [row.text('owner_set') ?? '', row.number('part')];
  if (part === undefined) unknownParts.add(set);
  else sets.set(set, { part, sharing: row.text('sharing') as Sharing, isScaled: row.number('scaled') === 1 });
}

/** The labels of many runs, as `readLabel` reads one. @throws what `ask` throws */
export async function readLabels<
  Run extends { readonly run: { readonly jobId: string }; readonly window: RunTime },
>(db: Asked, runs: readonly Run[]): Promise<ReadonlyMap<Run, JobLabel>> {
  const labels = new Map(runs.map((one) => [one, emptyLabel(one.run.jobId)]));
  if (!(await hasOwnerSets(db))) return labels;
  const startUs = runs.reduce((us, { window }) => Math.min(us, window.startUs), Infinity);
  const endUs = runs.reduce((us, { window }) => Math.max(us, window.endUs), -Infinity);
  const within = `FROM gpu_owner_sets WHERE ts >= ${quoteTime(startUs)} AND ts < ${quoteTime(endUs)}`;
  if ((await ask(db, `SELECT owner_set ${within} LIMIT 1`)).length === 0) return labels;
  const runsOf = Map.groupBy(runs, ({ run }) => run.jobId);
  for (const some of quotedLists(runsOf.keys())) {
    const rows = await ask(
      db,
      `SELECT job_id, gpu, cast(ts AS LONG) AS start_us, owner_set, part, sharing, scaled ${within} AND job_id IN (${some})`,
    );
    for (const row of rows)
      for (const one of runsOf.get(row.text('job_id') ?? '') ?? []) {
        const [{ window }, setUs] = [one, row.number('start_us')!];
        const isOwn = window.intervals.some(({ gpu }) => gpu === row.text('gpu'));
        if (isOwn && setUs >= window.startUs && setUs < window.endUs) addPart(labels.get(one)!, row);
      }
  }
  return labels;
}

/** Condition of a row `s` that may be the job's. @param columns of the table: a histogram has only one of the two */
export function labelledSql(label: JobLabel, columns: ReadonlySet<string>): string {
  const own = ownSql(label);
  if (columns.has('owners')) return `(${own} OR s.owners > 1)`;
  return label.sets.size === 0 ? own : `(${own} OR s.owner_set IS NOT NULL)`;
}

/** Condition of a row `s` that is the job's and nobody else's. @param columns of the table */
export function wholeSql(label: JobLabel, columns: ReadonlySet<string>): string {
  const conditions = [
    ownSql(label),
    ...(columns.has('owner_set') ? ['s.owner_set IS NULL'] : []),
    ...(columns.has('owners') ? ['(s.owners <= 1 OR s.owners IS NULL)'] : []),
  ];
  return conditions.join(' AND ');
}

function ownSql({ jobId }: JobLabel): string {
  return `s.job_id = ${quoteText(jobId)}`;
}

/** What tells apart in an answer whose rows are whose, and by which part. @param columns of the table */
export function labelKeysSql(label: JobLabel, columns: ReadonlySet<string>): string {
  return `${setKeysSql(columns)}, CASE WHEN ${ownSql(label)} THEN 1 ELSE 0 END AS is_own`;
}

/** Those of them that are not of one label. */
export function setKeysSql(columns: ReadonlySet<string>): string {
  const set = columns.has('owner_set') ? `s.${quoteName('owner_set')}` : 'cast(null AS LONG)';
  const isShared = columns.has('owners') ? 'CASE WHEN s.owners > 1 THEN 1 ELSE 0 END' : '0';
  return `${set} AS owner_set, ${isShared} AS is_shared`;
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
