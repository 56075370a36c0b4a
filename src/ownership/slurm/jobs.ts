import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import {
  parseSacct,
  parseSqueue,
  SACCT_COLUMNS,
  SACCT_DELIMITER,
  type SlurmJob,
} from '../../../schemas/slurm-jobs.ts';
import { codeOf } from '../bounded-read.ts';

const run = promisify(execFile);
/** A controller under load answers late; nothing waits for us meanwhile. */
const SLURM_TIMEOUT_MS = 60_000;
/** A large site's queue of a day has some hundred MB as JSON. */
const SLURM_BYTES_MAX = 1 << 30;

interface SlurmAnswer {
  readonly from: 'sacct' | 'squeue';
  readonly jobs: readonly SlurmJob[];
}

/**
 * What the scheduler itself knows of its jobs: name, account, QOS, state, exit code. First what `squeue` shows (running
 * and just ended), then, where there is accounting, what `sacct` has since `sinceUs` (epoch µs).
 * @throws OperatingError `slurm.missing` (69) where neither command is there, `slurm.failed` (75) where neither answers
 */
export async function readSlurmJobs(sinceUs: number): Promise<SlurmAnswer[]> {
  const since = new Date(sinceUs / 1000).toISOString().slice(0, 19);
  const answers = await Promise.all([
    ask('squeue', ['--json'], parseSqueue),
    ask(
      'sacct',
      [
        ...[
          '--allusers',
          '--allocations',
          '--noheader',
          '--parsable2',
          '--duplicates',
          `--delimiter=${SACCT_DELIMITER}`,
        ],
        ...['--starttime', since, '--format', SACCT_COLUMNS.join(',')],
      ],
      parseSacct,
    ),
  ]);
  const good = answers.filter((answer): answer is SlurmAnswer => !(answer instanceof OperatingError));
  if (good.length > 0) return good;
  const failures = answers.filter((answer) => answer instanceof OperatingError);
  throw failures.find((failure) => failure.code === 'slurm.failed') ?? failures[0]!;
}

async function ask(
  command: SlurmAnswer['from'],
  parameters: readonly string[],
  parse: (text: string) => SlurmJob[],
): Promise<SlurmAnswer | OperatingError> {
  try {
    const { stdout } = await run(command, parameters, {
      timeout: SLURM_TIMEOUT_MS,
      maxBuffer: SLURM_BYTES_MAX,
      // Times in epoch seconds, whatever the zone; sacct reads --starttime in the zone of its environment.
      env: { ...process.env, SLURM_TIME_FORMAT: '%s', TZ: 'UTC', LC_ALL: 'C' },
    });
    return { from: command, jobs: parse(stdout) };
  } catch (error) {
    const isMissing = codeOf(error) === 'ENOENT';
    const reason = isMissing
      ? 'there is no such command'
      : (messageOf(error).split('\n').at(-2) ?? messageOf(error));
    return new OperatingError(`expected an answer of ${command}, but: ${reason}`, {
      code: isMissing ? 'slurm.missing' : 'slurm.failed',
      exit: isMissing ? 'unavailable' : 'temporary',
      hints: [
        isMissing
          ? "run it where Slurm's commands are, with its slurm.conf"
          : 'sacct needs slurmdbd, squeue needs its JSON plugin; one of the two is enough',
      ],
      cause: error,
    });
  }
}
