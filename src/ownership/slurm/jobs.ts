import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import { createJsonList } from '../../../schemas/json-list.ts';
import { createSacctReader, sacctColumnsOf } from '../../../schemas/slurm/sacct.ts';
import { parseSqueueJob } from '../../../schemas/slurm/squeue.ts';
import type { LateReply, LateRow } from '../scheduler.ts';
import { readCommand } from './command-output.ts';

/** The list of columns of any version has some 4 KiB. */
const HELP_CHARACTERS_MAX = 65_536;
/** Warnings of one reply that are told. */
const WARNINGS_TOLD_MAX = 5;

/**
 * What Slurm itself knows of its jobs: name, account, QOS, state, exit code. First what `squeue` shows (running and just
 * ended), then, where there is accounting, what `sacct` has since `sinceUs` (epoch µs).
 */
export function readSlurmJobs(sinceUs: number, tell: Tell): LateReply[] {
  return [
    { from: 'squeue', rows: readSqueue(tell) },
    { from: 'sacct', rows: readSacct(sinceUs) },
  ];
}

async function* readSqueue(tell: Tell): AsyncGenerator<readonly LateRow[]> {
  const list = createJsonList('jobs');
  // Jobs in hidden partitions, and those that have just ended.
  for await (const chunk of readCommand('squeue', ['--all', '--states=all', '--json'])) {
    const jobs = understood('squeue', () => list.add(chunk));
    if (jobs.length > 0) yield jobs.map(parseSqueueJob);
  }
  const { warnings, errors } = understood('squeue', () => remarks.parse(list.end()));
  for (const warning of warnings.slice(0, WARNINGS_TOLD_MAX))
    tell({ level: 'warn', code: 'slurm.warning', sentence: `squeue warns: ${warning}` });
  if (errors.length > 0) {
    throw new OperatingError(`expected an answer of squeue, but: ${errors[0]!}`, {
      code: 'slurm.failed',
      exit: 'temporary',
    });
  }
}

const remark = z
  .union([
    z.string(),
    z
      .object({ description: z.string().nullish(), error: z.string().nullish() })
      .transform(({ description, error }) => [error, description].filter(Boolean).join(': ')),
  ])
  .catch('something that cannot be understood');
const remarkList = z
  .array(remark)
  .nullish()
  .transform((list) => list ?? []);
/** What every version says beside the jobs. */
const remarks = z.object({ warnings: remarkList, errors: remarkList });

async function* readSacct(sinceUs: number): AsyncGenerator<readonly LateRow[]> {
  let help = '';
  for await (const chunk of readCommand('sacct', ['--helpformat']))
    help = (help + Buffer.from(chunk).toString()).slice(0, HELP_CHARACTERS_MAX);
  const columns = sacctColumnsOf(help);
  // No user can put into a job's name today what is only chosen now.
  const delimiter = `\u001f${randomBytes(3).toString('hex')}`;
  const since = new Date(sinceUs / 1000).toISOString().slice(0, 19);
  const reader = createSacctReader(columns, delimiter);
  const form = ['--allusers', '--allocations', '--noheader', '--parsable2', '--duplicates'];
  const chosen = [`--delimiter=${delimiter}`, '--starttime', since, '--format', columns.join(',')];
  for await (const chunk of readCommand('sacct', [...form, ...chosen])) {
    const rows = reader.add(chunk);
    if (rows.length > 0) yield rows;
  }
  const rest = reader.end();
  if (rest.length === 0) return;
  yield rest;
  throw cannotUnderstand('sacct', 'its last row is cut off');
}

/** @throws OperatingError `slurm.reply` (65) in the place of whatever else */
function understood<T>(command: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw cannotUnderstand(command, messageOf(thrown), thrown);
  }
}

function cannotUnderstand(command: string, why: string, cause?: unknown): OperatingError {
  return new OperatingError(`expected a whole reply of ${command}, but: ${why}`, {
    code: 'slurm.reply',
    exit: 'data',
    hints: [
      `what came before was taken; see what it says: ${command} ${command === 'squeue' ? '--json' : ''}`.trim(),
    ],
    cause,
  });
}
