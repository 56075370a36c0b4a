import { randomBytes } from 'node:crypto';
import { OperatingError } from '../../core/base/errors.ts';
import type { RefusedRow, Told, ToldNode, WaitingJobs } from '../../core/jobs/cluster-load.ts';
import { createNodeGatherer, SINFO_COLUMNS } from '../../../schemas/slurm/nodes.ts';
import { createRecordReader } from '../../../schemas/slurm/records.ts';
import { SQUEUE_COLUMNS, waitingJobsOf } from '../../../schemas/slurm/waiting.ts';
import { readCommand } from './command-output.ts';

/** More rows that are refused are counted only. */
const REFUSED_MAX = 10_000;

/**
 * The nodes of this cluster that have GPUs, by `sinfo`. As text: its JSON is another one in each version, and needs a plugin.
 * @throws OperatingError `slurm.missing` (69), `slurm.failed` (75), `slurm.reply` (65): a part of an answer is none
 */
export async function readSlurmNodes(signal?: AbortSignal): Promise<Told<ToldNode>> {
  const nodes = createNodeGatherer();
  const parameters = ['--all', '--local', '--noheader', '--Node'];
  const refused = await readTable('sinfo', parameters, SINFO_COLUMNS, (cells) => nodes.add(cells), signal);
  return { rows: nodes.nodes(), refused };
}

/**
 * The jobs that wait and ask for GPUs, by `squeue`.
 * @throws OperatingError as `readSlurmNodes`
 */
export async function readSlurmQueue(signal?: AbortSignal): Promise<Told<WaitingJobs>> {
  const rows: WaitingJobs[] = [];
  const parameters = ['--all', '--local', '--noheader', '--states=PENDING'];
  const add = (cells: readonly string[]): RefusedRow | undefined => {
    const row = waitingJobsOf(cells);
    if (row !== undefined && 'expected' in row) return row;
    if (row !== undefined) rows.push(row);
    return undefined;
  };
  const refused = await readTable('squeue', parameters, SQUEUE_COLUMNS, add, signal);
  return { rows, refused };
}

/** @returns the rows that were refused */
async function readTable(
  command: 'sinfo' | 'squeue',
  parameters: readonly string[],
  columns: readonly string[],
  add: (cells: readonly string[]) => RefusedRow | undefined,
  signal: AbortSignal | undefined,
): Promise<RefusedRow[]> {
  // No user can put into a name today what is only chosen now.
  const chosen = randomBytes(3).toString('hex');
  const marks = { cell: `\u001f${chosen}`, row: `\u001e${chosen}` };
  const refused: RefusedRow[] = [];
  let understoodRows = 0;
  const refuse = (row: RefusedRow): void => {
    if (refused.length < REFUSED_MAX) refused.push(row);
  };
  const reader = createRecordReader(
    columns,
    marks,
    (cells) => {
      const refusal = add(cells);
      if (refusal === undefined) understoodRows += 1;
      else refuse(refusal);
    },
    refuse,
  );
  const form = columns
    .map((column, at) => `${column}:${at === columns.length - 1 ? marks.row : marks.cell}`)
    .join(',');
  for await (const chunk of readCommand(command, [...parameters, '-O', form], signal)) reader.add(chunk);
  if (!reader.end()) throw noAnswer(command, 'its last row is cut off');
  // A version that does not know a column leaves it out of all rows.
  if (understoodRows === 0 && refused.length > 0)
    throw noAnswer(command, `of all rows ${refused[0]!.expected}, found ${refused[0]!.found}`);
  return refused;
}

function noAnswer(command: string, why: string): OperatingError {
  return new OperatingError(`expected a whole reply of ${command}, but: ${why}`, {
    code: 'slurm.reply',
    exit: 'data',
  });
}
