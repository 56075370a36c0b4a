import type { BigIntStats } from 'node:fs';
import { OperatingError } from '../core/base/errors.ts';
import { statOf } from './bounded-read.ts';
import type { ProblemLog } from './problem-log.ts';

const ROOT_UID = 0n;
const WRITABLE_BY_ALL = 0o002n;
const SUBJECT = 'strangers';

/**
 * Whose files of a directory count. Where everybody may write, only those of root and of our own user do: a job's user
 * could give the GPUs of others away.
 */
export function createStrangerCheck(directory: string, problems: ProblemLog): StrangerCheck {
  const ownUid = BigInt(process.geteuid?.() ?? 0);
  return {
    isStranger(stat) {
      if (stat === undefined) return false;
      if (stat.uid === ROOT_UID || stat.uid === ownUid) return false;
      const mode = statOf(directory)?.mode ?? 0n;
      if ((mode & WRITABLE_BY_ALL) === 0n) return false;
      problems.record(SUBJECT, strangersFile(directory, stat.uid));
      return true;
    },
  };
}

interface StrangerCheck {
  /** Whether this file does not count; told once. */
  readonly isStranger: (stat: BigIntStats | undefined) => boolean;
}

function strangersFile(directory: string, uid: bigint): OperatingError {
  return new OperatingError(
    `everybody may write into this directory, so only files of root and of our own user count: one of user ${uid} is left out`,
    {
      code: 'jobs.strangers_file',
      exit: 'config',
      where: directory,
      hints: ['let only the hooks write there: infra/slurm/gpuledger-tmpfiles.conf has the modes'],
    },
  );
}
