import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createJsonList } from '../../schemas/json-list.ts';
import type { SlurmRow } from '../../schemas/slurm/jobs.ts';
import { createSacctReader, SACCT_COLUMNS } from '../../schemas/slurm/sacct.ts';
import { parseSqueueJob } from '../../schemas/slurm/squeue.ts';
import type { JobRecord } from '../../src/core/jobs/job-fact.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/slurm-replies');

export function readReply(name: string): string {
  return readFileSync(join(FIXTURES, name), 'utf8');
}

export function squeueRows(text: string): SlurmRow[] {
  return createJsonList('jobs').add(Buffer.from(text)).map(parseSqueueJob);
}

/** Rows between whose columns stands U+001F. */
export function sacctRows(text: string, columns: readonly string[] = SACCT_COLUMNS): SlurmRow[] {
  const reader = createSacctReader(columns, '\u001f');
  return [...reader.add(Buffer.from(text)), ...reader.end()];
}

export function recordsOf(rows: readonly SlurmRow[]): JobRecord[] {
  return rows.flatMap((row) => (row.kind === 'job' ? [row.record] : []));
}
