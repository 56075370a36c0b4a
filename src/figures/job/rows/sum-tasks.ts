import { quoteName } from '../../../../schemas/tables.ts';
import { withinSql, type Segment } from '../../levels.ts';
import { inPortions } from '../../portions.ts';
import { bestOfDevice } from '../../quantity.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists } from '../../sql-text.ts';
import type { JobRun, JobWindow } from '../facts.ts';
import { partIn, readLabels, setKeysSql, type JobLabel } from './job-rows.ts';
import { addRow, emptySums, idleOfDevice, jobPicks, type JobSource, type SampleSums } from './scan.ts';
import { placesOfAll } from './summed-job.ts';

/** A run that had its devices alone under its id: whatever bears its label there is its. */
export interface OneRun {
  readonly run: JobRun;
  readonly window: JobWindow;
}

/** The sums of each device of a run. */
export type DeviceSums = ReadonlyMap<string, SampleSums>;

/** A run with its label, and what has been added up of it. */
interface Tallied {
  readonly label: JobLabel;
  readonly devices: Map<string, SampleSums>;
}

/**
 * The sums of many runs by as few questions as will do: about the rows of all of them at once.
 * @param runs none of them has `foreign` stays
 * @throws what `ask` throws
 */
export async function sumTasks<Run extends OneRun>(
  db: Asked,
  sources: readonly JobSource[],
  runs: readonly Run[],
): Promise<ReadonlyMap<Run, DeviceSums>> {
  if (runs.length === 0) return new Map();
  const tallied = new Map<Run, Tallied>();
  const byDevice = new Map<string, Tallied>();
  const bySet = new Map<string, Tallied[]>();
  for (const [one, label] of await readLabels(db, runs)) {
    const of: Tallied = { label, devices: new Map() };
    tallied.set(one, of);
    for (const { gpu } of one.window.intervals) byDevice.set(keyOf(label.jobId, gpu), of);
    for (const set of label.sets.keys()) bySet.set(set, [...(bySet.get(set) ?? []), of]);
  }
  const stays = runs.flatMap(({ window }) => window.intervals);
  const placesIn = await placesOfAll(db, sources, stays);
  for (const [index, source] of sources.entries()) {
    const wanted = { jobIds: new Set(runs.map(({ run }) => run.jobId)), sets: [...bySet.keys()] };
    for (const segment of await inPortions(db, placesIn(source)))
      for (const row of await labelledRows(db, source, segment, wanted)) {
        const [gpu, jobId, set] = [row.text('gpu') ?? '', row.text('job_id'), row.text('owner_set')];
        const alone = jobId === undefined ? undefined : byDevice.get(keyOf(jobId, gpu));
        // Two tasks may share a device.
        const owners =
          jobId === undefined ? (bySet.get(set ?? '') ?? []) : alone === undefined ? [] : [alone];
        for (const { label, devices } of owners) {
          const part = partIn(label, row);
          if (part === undefined) continue;
          const sums = devices.get(gpu) ?? emptySums();
          devices.set(gpu, sums);
          addRow(sums, row, source, { part, isPrimary: index === 0 });
        }
      }
  }
  for (const { devices } of tallied.values())
    for (const [gpu, device] of devices)
      Object.assign(device, bestOfDevice(device), idleOfDevice(device, sources[0]!.idle.of(gpu)));
  return new Map([...tallied].map(([one, { devices }]) => [one, devices]));
}

function keyOf(jobId: string, gpu: string): string {
  return `${gpu} ${jobId}`;
}

/** Sets that are named in one question. */
const SETS_MAX = 500;

async function labelledRows(
  db: Asked,
  source: JobSource,
  segment: Segment,
  { jobIds, sets }: { readonly jobIds: ReadonlySet<string>; readonly sets: readonly string[] },
): Promise<Cells[]> {
  const { table, columns } = segment;
  const conditions = quotedLists(jobIds).map((some) => `s.job_id IN (${some})`);
  for (let from = 0; from < sets.length && columns.has('owner_set'); from += SETS_MAX)
    conditions.push(`s.job_id IS NULL AND s.owner_set IN (${sets.slice(from, from + SETS_MAX).join(', ')})`);
  const head = `SELECT s.gpu AS gpu, s.job_id AS job_id, ${[setKeysSql(columns), '1 AS is_own', ...jobPicks(source, segment)].join(', ')}`;
  const rows: Cells[][] = [];
  for (const condition of conditions)
    rows.push(
      await ask(db, `${head} FROM ${quoteName(table)} s WHERE ${withinSql(segment)} AND ${condition}`),
    );
  return rows.flat();
}
