import { Command, InvalidArgumentError } from 'commander';
import { formatDuration, parseDurationMs } from '../../../schemas/duration.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { IDLE_AFTER_MS_DEFAULT, IDLE_AFTER_MS_MAX, IDLE_AFTER_MS_MIN } from '../../core/fields/limits.ts';
import { idleWatch } from '../../figures/idle/idle-watch.ts';
import { idleWatchJson } from '../../report/idle-watch-json.ts';
import { renderIdleWatch } from '../../report/idle-watch-text.ts';
import { addConfigFlags } from '../config-flags.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';

const EXAMPLES = `
Examples:
  gpuledger watch-idle                          running jobs whose GPUs have all idled for 15 minutes or longer
  gpuledger watch-idle --after 1h --user ada    those of one user, of an hour or longer
  gpuledger watch-idle --json                   for a script (docs/reports.md)

It never cancels anything. Idle time is told as far as it was seen: where samples are missing, a job is not seen.

Exit codes: 0 told, also where no job idles; 64 usage; 69 the store has no such table; 75 no QuestDB, or the question
            takes too long, try again later; 78 the configuration is wrong
`;

interface WatchFlags {
  readonly after?: number;
  readonly user?: string;
  readonly json?: true;
}

export function command(): Command {
  const watch = new Command('watch-idle')
    .description('Running jobs whose GPUs idle.')
    .option('--after <duration>', 'how long they must have idled (default: 15m)', parseAfter)
    .option('--user <name>', 'only jobs of this user', parseName)
    .option('--json', 'all figures, times and durations in microseconds')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: WatchFlags) => {
      await watchIdle(flags);
    });
  return addConfigFlags(watch, 'watch-idle');
}

function parseAfter(text: string): number {
  let ms: number;
  try {
    ms = parseDurationMs(text);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    throw new InvalidArgumentError(thrown.message);
  }
  if (ms >= IDLE_AFTER_MS_MIN && ms <= IDLE_AFTER_MS_MAX) return ms;
  throw new InvalidArgumentError(
    `expected ${formatDuration(IDLE_AFTER_MS_MIN)} to ${formatDuration(IDLE_AFTER_MS_MAX)}, came ${text}`,
  );
}

function parseName(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected a name, came nothing');
  return text;
}

async function watchIdle(flags: WatchFlags): Promise<void> {
  const { after = IDLE_AFTER_MS_DEFAULT, user, json } = flags;
  const figures = await withStore(
    flags,
    async (db, { lanes, idle }) =>
      await idleWatch(db, lanes, {
        nowUs: Date.now() * 1000,
        afterUs: after * 1000,
        idleLimits: idle,
        ...(user === undefined ? {} : { user }),
      }),
  );
  process.stdout.write(json ? idleWatchJson(figures) : renderIdleWatch(figures, terminalStyle()));
}
