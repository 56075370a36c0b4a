import { readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatJournalRecord } from '../../schemas/journal-record.ts';

/** Tells a job of this node's devices, as a hook would have done so long ago. */
export function writeJournalStart(
  directory: string,
  { job, devices }: { readonly job: string; readonly devices: string },
  agoS: number,
): void {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const uptimeS = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) - agoS;
  const record = { event: 'start', manager: 'shell', job, boot_id: bootId, devices };
  // The name comes last: a collector reads what has it.
  const path = join(directory, `${job}.start.1`);
  writeFileSync(path, formatJournalRecord({ ...record, uptime: uptimeS.toFixed(2) }));
  const atS = Date.now() / 1000 - agoS;
  utimesSync(path, atS, atS);
  renameSync(path, `${path}.job`);
}
