import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deadLetterDirectory } from './dead-letter.ts';
import { onDisk } from './disk-error.ts';
import { realDisk } from './disk.ts';
import { readLedger } from './ledger-file.ts';
import { scanSegment } from './spool-record.ts';

/** What waits on disk for one table, as anybody may look at it while a collector writes. */
export interface SpoolSurvey {
  readonly table: string;
  readonly rows: number;
  readonly batches: number;
  readonly bytes: number;
  /** Epoch ms at which the oldest batch was written. */
  readonly oldestMs?: number;
  /** Segments that were set aside. */
  readonly damagedSegments: number;
  /** Bytes of rows that the server refuses. */
  readonly deadLetterBytes: number;
}

/** Tables that have something below the state directory. */
export function spooledTables(stateDir: string): string[] {
  const directory = join(stateDir, 'delivery');
  if (!existsSync(directory)) return [];
  return onDisk('the state directory', directory, () =>
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort(),
  );
}

export function surveySpool(stateDir: string, table: string): SpoolSurvey {
  const directory = join(stateDir, 'delivery', table, 'spool');
  const settled = readLedger(realDisk, join(stateDir, 'delivery', table, 'account'))?.spoolSettled ?? 0;
  return onDisk('the spool', directory, () => {
    let rows = 0;
    let batches = 0;
    let bytes = 0;
    let oldestMs = Infinity;
    for (const name of namesIn(directory, '.seg')) {
      // A segment may be settled and removed while we look.
      const content = readIfThere(join(directory, name));
      for (const record of scanSegment(content).records) {
        if (record.sequence <= settled) continue;
        rows += record.rows;
        batches += 1;
        bytes += record.bodyBytes;
        oldestMs = Math.min(oldestMs, record.writtenMs);
      }
    }
    const letters = deadLetterDirectory(stateDir);
    const deadLetterBytes = namesIn(letters, '')
      .filter((name) => name.startsWith(`${table}.jsonl`))
      .reduce((sum, name) => sum + (statSync(join(letters, name), { throwIfNoEntry: false })?.size ?? 0), 0);
    return {
      table,
      rows,
      batches,
      bytes,
      ...(oldestMs === Infinity ? {} : { oldestMs }),
      damagedSegments: namesIn(join(directory, 'damaged'), '.seg').length,
      deadLetterBytes,
    };
  });
}

function namesIn(directory: string, ending: string): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(ending)) : [];
}

function readIfThere(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}
