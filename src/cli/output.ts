import { EXIT_CODES } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import { reportFailure } from './failure.ts';
import { leave } from './leave.ts';

/** Commands that do something beside printing: it is done to its end, whoever reads of it. */
const WORKING: readonly string[] = [
  ...['demo', 'run', 'collect', 'drain', 'spool', 'job', 'jobs', 'profiling', 'schema', 'questdb'],
  'watch-idle',
  'doctor',
];

/** What became of what was printed. */
export interface Output {
  /** Waits until all of it is written or lost. @returns the exit code: the command's own, unless that is 0 and something is lost */
  settle(exitCode: number): Promise<number>;
}

/**
 * Watches standard output and standard error. A reader may stop reading (`gpuledger fields | head`): a command that only
 * prints is over then, and that is no failure. Where what is printed cannot be written, as on a full disk, that is told.
 * @param command its name
 */
export function watchOutput(command: string | undefined): Output {
  const isWorking = command !== undefined && WORKING.includes(command);
  let lost: number | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      if (!isWorking) void leave(lost ?? EXIT_CODES.ok);
      return;
    }
    if (lost !== undefined) return;
    lost = reportFailure(
      fileError('what was to be printed is lost', error, {
        code: 'output.lost',
        exit: 'temporary',
        where: 'standard output',
      }),
    );
    if (!isWorking) void leave(lost);
  });
  // Nobody can be told of it; what is at work goes on.
  process.stderr.on('error', () => undefined);
  return {
    async settle(exitCode) {
      // Nothing is written where nothing waits: a full disk refuses that, too.
      if (process.stdout.writableLength > 0)
        await new Promise((resolve) => process.stdout.write('', resolve));
      await new Promise((resolve) => setImmediate(resolve));
      return exitCode === EXIT_CODES.ok ? (lost ?? exitCode) : exitCode;
    },
  };
}
