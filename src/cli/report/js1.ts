import { OperatingError } from '../../core/base/errors.ts';
import { jobCommand } from '../../figures/job/job-command.ts';
import type { Account } from '../../figures/job/tasks.ts';
import { js1Line } from '../../report/slurm/admin-comment.ts';

/** Tasks that a hint names. */
const HINTED_MAX = 3;

/**
 * The summary of a job for Slurm's AdminComment.
 * @param typed id, as it was typed
 * @throws OperatingError `report.still_running` (exit `temporary`), `report.many_tasks` (exit `usage`)
 */
export function js1Of(typed: string, account: Account): string {
  if (account.of === 'tasks') {
    const { family, tasks } = account.figures;
    const some = tasks.slice(0, HINTED_MAX).map(({ command }) => `${command} --js1`);
    throw new OperatingError(
      `--js1: expected a job or a task, came "${typed}", ${family === 'array' ? 'an array' : 'a heterogeneous job'} of which each part has its own`,
      { code: 'report.many_tasks', exit: 'usage', hints: some },
    );
  }
  if (account.figures.isOpen)
    throw new OperatingError(`--js1: expected a job that has ended, came "${typed}", which still runs`, {
      code: 'report.still_running',
      exit: 'temporary',
      hints: ['what is written at the end of a job is of all of it', `now: ${jobCommand(typed, {})}`],
    });
  return js1Line(account.figures);
}
