import { Command, InvalidArgumentError, Option } from 'commander';
import { formatDuration, parseDurationMs } from '../../../schemas/duration.ts';
import { EXIT_CODES, OperatingError } from '../../core/base/errors.ts';
import { IDLE_AFTER_MS_MAX, IDLE_AFTER_MS_MIN } from '../../core/fields/limits.ts';
import type { IdleWatchFigures } from '../../figures/idle/figures.ts';
import { idleWatch } from '../../figures/idle/idle-watch.ts';
import type { Asked } from '../../figures/query-cells.ts';
import { createIdleWatch, idleAfterMs } from '../../idle-watch/watch.ts';
import { idleWatchJson } from '../../report/idle-watch-json.ts';
import { renderIdleWatch } from '../../report/idle-watch-text.ts';
import { addConfigFlags } from '../config-flags.ts';
import { createLog } from '../log.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore, type StoreConfig } from '../with-store.ts';

const EXAMPLES = `
Examples:
  gpuledger watch-idle                          running jobs whose GPUs have all idled for 15 minutes or longer
  gpuledger watch-idle --after 1h --user ada    those of one user, of an hour or longer
  gpuledger watch-idle --json                   for a script (docs/reports.md)
  gpuledger watch-idle --tell                   tells of each once, and again every hour: for cron on one host (docs/idle-watch.md)

It never cancels anything. Idle time is told as far as it was seen: where samples are missing, a job is not seen.

Exit codes: 0 told, also where no job idles; 64 usage; 69 the store has no such table; 75 no QuestDB, a question that takes too
            long, a receiver that does not answer, another one that tells: try again later; 78 the configuration is wrong
`;

interface WatchFlags {
  readonly after?: number;
  readonly user?: string;
  readonly json?: true;
  readonly tell?: true;
}

export function command(): Command {
  const watch = new Command('watch-idle')
    .description('Running jobs whose GPUs idle.')
    .option(
      '--after <duration>',
      'how long they must have idled (default: idle_watch.warn_after, else 15m)',
      parseAfter,
    )
    .option('--user <name>', 'only those of this user', parseName)
    .option('--json', 'all figures, times and durations in microseconds')
    .addOption(
      new Option(
        '--tell',
        'tell by log, webhook and command (idle_watch of the configuration), and remember of whom was told',
      ).conflicts('user'),
    )
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
  const figures = await withStore(
    flags,
    async (db, config) =>
      flags.tell === true ? await lookAndTell(db, config, flags) : await look(db, config, flags),
    // Whom to tell is the site's.
    flags.tell === true ? 'service' : 'reader',
  );
  process.stdout.write(flags.json ? idleWatchJson(figures) : renderIdleWatch(figures, terminalStyle()));
}

async function look(db: Asked, config: StoreConfig, { after, user }: WatchFlags): Promise<IdleWatchFigures> {
  return await idleWatch(db, config.lanes, {
    nowUs: Date.now() * 1000,
    afterUs: (after ?? idleAfterMs(config)) * 1000,
    idleLimits: config.idle,
    ...(user === undefined ? {} : { user }),
  });
}

/** What has not reached everybody is tried again by the next one: the exit code says that there is something. */
async function lookAndTell(db: Asked, config: StoreConfig, { after }: WatchFlags): Promise<IdleWatchFigures> {
  const { lanes, idle, idleWatch: told, stateDir, log } = config;
  const own = after === undefined ? {} : { afterMs: after };
  const settings = { lanes, idle, idleWatch: told, stateDir, by: 'command', ...own } as const;
  const watch = createIdleWatch(db, settings, createLog(log.format, log.level));
  try {
    const { figures, pending } = await watch.look();
    if (pending > 0) process.exitCode = EXIT_CODES.temporary;
    return figures;
  } finally {
    await watch.close();
  }
}
