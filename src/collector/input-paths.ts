import type { Config } from '../config/config.ts';
import { JOURNAL_DIRECTORY } from '../ownership/open-inputs.ts';
import { isAnyInputNamed, type InputPaths } from '../ownership/schedulers.ts';

/** Directories that the user names are believed; without any, synthetic GPUs bring the jobs of their own scenario. */
export function inputPathsOf({ source, jobs }: Pick<Config, 'source' | 'jobs'>): InputPaths {
  return source === 'synthetic' || isAnyInputNamed(jobs) ? jobs : { ...jobs, journalDir: JOURNAL_DIRECTORY };
}
