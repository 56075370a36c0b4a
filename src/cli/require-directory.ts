import { readdirSync } from 'node:fs';
import { OperatingError } from '../core/base/errors.ts';
import { fileFaultOf } from '../core/base/file-fault.ts';

/** What somebody names with --journal must be there. @throws OperatingError `jobs.journal` (exit `usage`) */
export function requireDirectory(directory: string, hints: readonly string[]): void {
  const refuse = (why: string, cause?: unknown): never => {
    throw new OperatingError(`--journal: expected a directory that can be listed, ${why}`, {
      code: 'jobs.journal',
      exit: 'usage',
      hints,
      ...(directory.trim() === '' ? {} : { where: directory }),
      cause,
    });
  };
  if (directory.trim() === '') refuse('came nothing');
  try {
    readdirSync(directory);
  } catch (thrown) {
    const fault = fileFaultOf(thrown);
    if (fault === undefined) throw thrown;
    refuse(`but: ${fault.reason}`, thrown);
  }
}
