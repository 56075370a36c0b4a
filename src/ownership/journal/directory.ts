import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OperatingError } from '../../core/base/errors.ts';
import {
  JOURNAL_RECORD_BYTES_MAX,
  JOURNAL_SUFFIX,
  parseJournalRecord,
  type JournalRecord,
} from '../../../schemas/journal-record.ts';
import { codeOf, linkStatOf, mtimeUs, readBounded, RESTLESS_US_MAX, statOf } from '../bounded-read.ts';
import type { ProblemLog } from '../problem-log.ts';
import { createStrangerCheck } from '../strangers.ts';

/** A record as it lies in the directory. */
export interface JournalFile {
  readonly name: string;
  /** Change time of the file, epoch µs: when the hook wrote it. */
  readonly writtenUs: number;
  readonly record: JournalRecord;
}

export interface JournalDir {
  /**
   * Records that were not there, or not readable, at the last call, in the order of their times.
   * @param nowUs wall clock, by which a directory that has not changed for a while need not be listed again.
   */
  readNew(nowUs: number): JournalFile[];
  /** Removes a record that is no longer needed. */
  remove(name: string): void;
  /** Removes what writers that were killed have left behind. */
  removeLeftovers(beforeUs: number): void;
}

const LEFTOVER_SUFFIX = '.tmp';

/** Reads each record of a journal directory once. Problems go to `problems`, once per episode. */
export function openJournalDir(directory: string, problems: ProblemLog): JournalDir {
  const seen = new Set<string>();
  const strangers = createStrangerCheck(directory, problems);
  let isReadOnly = false;
  /** Change time of the directory when it was listed and all in it was read; names can have come since only if it moved. */
  let settledNs: bigint | undefined;
  /** Names that have to be looked at again. */
  const unread = new Set<string>();

  function readOne(name: string): JournalFile | undefined {
    const path = join(directory, name);
    const found = readBounded(path, JOURNAL_RECORD_BYTES_MAX);
    if ('stat' in found && strangers.isStranger(found.stat)) return undefined;
    switch (found.kind) {
      case 'gone':
        return undefined;
      case 'busy':
        // A record never changes once it is there; whatever this is, look again later.
        seen.delete(name);
        unread.add(name);
        return undefined;
      case 'refused':
        seen.delete(name);
        unread.add(name);
        problems.record(name, badRecord(path, `expected a readable record, found ${found.reason}`));
        return undefined;
      case 'too-large':
        problems.record(
          name,
          badRecord(path, `expected at most ${JOURNAL_RECORD_BYTES_MAX} bytes, found ${found.stat.size}`),
        );
        return undefined;
      case 'not-a-file':
        problems.record(name, badRecord(path, 'expected a regular file, found something else'));
        return undefined;
      case 'content': {
        const reading = parseJournalRecord(found.content);
        if ('record' in reading) return { name, writtenUs: mtimeUs(found.stat), record: reading.record };
        problems.record(name, badRecord(path, reading.fault));
        return undefined;
      }
    }
  }

  function removeFile(name: string): void {
    if (isReadOnly) return;
    try {
      rmSync(join(directory, name), { force: true });
    } catch (error) {
      const reason = codeOf(error);
      if (reason === undefined) throw error;
      isReadOnly = true;
      problems.record('remove', cannotRemove(directory, reason));
    }
  }

  return {
    readNew(nowUs) {
      const stat = statOf(directory);
      if (stat !== undefined && stat.mtimeNs === settledNs) return [];
      unread.clear();
      settledNs = undefined;
      const names = listNames(directory);
      if (names instanceof OperatingError) {
        problems.record('', names);
        return [];
      }
      problems.clear('');
      const present = new Set(names);
      for (const name of seen) if (!present.has(name)) seen.delete(name);
      const files: JournalFile[] = [];
      for (const name of names) {
        if (!name.endsWith(JOURNAL_SUFFIX) || name.startsWith('.') || seen.has(name)) continue;
        seen.add(name);
        const file = readOne(name);
        if (file !== undefined) files.push(file);
      }
      const isAtRest = stat !== undefined && Math.abs(nowUs - mtimeUs(stat)) > RESTLESS_US_MAX;
      if (isAtRest && unread.size === 0) settledNs = stat.mtimeNs;
      return files.sort((a, b) => a.writtenUs - b.writtenUs);
    },

    remove(name) {
      removeFile(name);
    },

    removeLeftovers(beforeUs) {
      const names = listNames(directory);
      if (names instanceof OperatingError) return;
      for (const name of names) {
        if (!name.startsWith('.') || !name.endsWith(LEFTOVER_SUFFIX)) continue;
        const stat = linkStatOf(join(directory, name));
        if (stat?.isFile() === true && mtimeUs(stat) < beforeUs) removeFile(name);
      }
    },
  };
}

function listNames(directory: string): string[] | OperatingError {
  try {
    return readdirSync(directory);
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    const isMissing = reason === 'ENOENT';
    return new OperatingError(
      isMissing
        ? 'expected the job journal, but there is no such directory (yet): no job has begun since boot, or no hook is installed'
        : `expected the job journal, but it cannot be listed (${reason})`,
      {
        code: isMissing ? 'journal.missing' : 'journal.unreadable',
        exit: 'unavailable',
        where: directory,
        hints: [
          isMissing
            ? 'see infra/slurm/README.md for the hooks'
            : 'let the collector own it: chown gpuledger:gpuledger, chmod 3770',
        ],
        cause: error,
      },
    );
  }
}

function badRecord(path: string, message: string): OperatingError {
  return new OperatingError(message, {
    code: 'journal.bad_record',
    exit: 'data',
    where: path,
    hints: ['it is left where it is and counts for nothing; docs/journal-format.md describes a record'],
  });
}

function cannotRemove(directory: string, reason: string): OperatingError {
  return new OperatingError(
    `expected to remove closed job records older than a day, but may not (${reason})`,
    {
      code: 'journal.cannot_remove',
      exit: 'config',
      where: directory,
      hints: [
        'let the collector own it: chown gpuledger:gpuledger, chmod 3770',
        'or remove them by systemd-tmpfiles',
      ],
    },
  );
}
