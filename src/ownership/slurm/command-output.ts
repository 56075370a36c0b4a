import { spawn } from 'node:child_process';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { codeOf } from '../bounded-read.ts';

/** A controller under load answers late; nothing waits for us meanwhile. */
const SILENCE_MS_MAX = 60_000;
/** The last words of a command say why it failed. */
const COMPLAINT_CHARACTERS_MAX = 4_096;
/** Settings of the user's own shell that would ask another cluster, leave jobs out, or change their form. */
const OWN_SETTINGS = /^(SQUEUE|SACCT|SCONTROL|SINFO)_|^SLURM_(CLUSTERS|TIME_FORMAT|BITSTR_LEN|JSON|YAML)$/;
/** How a version before `--json` refuses it, and how one does that was built or installed without the plugin. */
const NO_JSON =
  /(unrecognized|invalid|unknown) option|\bplugin\b.*\b(serializer|application)\/json\b|\bJSON plugin\b|data_init\(\) failed/i;
/** A site without accounting has sacct all the same. */
const NO_ACCOUNTING = /accounting storage is disabled/i;

/**
 * What a command of Slurm prints, piece by piece, as fast as it is read.
 * @throws OperatingError `slurm.missing` (69) where there is no such command, or none of use; `slurm.failed` (75) where it
 * fails, keeps silent for a minute or is broken off, which may be after it has printed something
 */
export async function* readCommand(
  command: string,
  parameters: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(command, parameters, { env: ownEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS_MAX);
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<string | Error | null>();
  child.once('error', end);
  child.once('close', (status, signal) => {
    end(status === 0 ? null : `it ended ${signal === null ? `with ${status}` : `by ${signal}`}`);
  });
  let reason: Error | undefined;
  const giveUp = (why: string): void => {
    reason ??= new Error(why);
    child.stdout.destroy(reason);
    // Its output may have ended already, and whoever it started may hold the rest open.
    end(reason);
  };
  const breakOff = (): void => {
    giveUp('it was broken off');
  };
  signal?.addEventListener('abort', breakOff);
  if (signal?.aborted === true) breakOff();
  const watch = (): NodeJS.Timeout =>
    setTimeout(giveUp, SILENCE_MS_MAX, `it said nothing for ${SILENCE_MS_MAX / 1000} s`);
  let watchdog = watch();
  try {
    for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) {
      clearTimeout(watchdog);
      yield chunk;
      watchdog = watch();
    }
    const failure = await ended;
    if (failure !== null) throw failureOf(command, failure, complaint);
  } catch (thrown) {
    throw reason !== undefined && thrown === reason ? failureOf(command, reason, complaint) : thrown;
  } finally {
    clearTimeout(watchdog);
    signal?.removeEventListener('abort', breakOff);
    // Nobody reads on: a command that still prints would wait for ever.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    child.stderr.destroy();
  }
}

/** Whether a command of Slurm complains that it cannot speak JSON. */
export function hasNoJson(complaint: string): boolean {
  return NO_JSON.test(complaint);
}

/**
 * In which every command of Slurm is asked, of the local cluster alone. Times in epoch seconds, whatever the zone; sacct reads
 * --starttime in the zone of its environment.
 */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !OWN_SETTINGS.test(name));
  // The list of an array's tasks is cut otherwise.
  const whole = { SLURM_TIME_FORMAT: '%s', SLURM_BITSTR_LEN: '0' };
  return { ...Object.fromEntries(others), ...whole, TZ: 'UTC', LC_ALL: 'C' };
}

function failureOf(command: string, failure: string | Error, complaint: string): OperatingError {
  const isMissing = codeOf(failure) === 'ENOENT';
  const said = complaint.trim().split('\n').at(-1) ?? '';
  const reason = isMissing ? 'there is no such command' : said === '' ? messageOf(failure) : said;
  const isOfUse = !isMissing && !NO_ACCOUNTING.test(complaint) && !hasNoJson(complaint);
  return new OperatingError(`expected an answer of ${command}, but: ${reason}`, {
    code: isOfUse ? 'slurm.failed' : 'slurm.missing',
    exit: isOfUse ? 'temporary' : 'unavailable',
    hints: [
      isMissing
        ? "run it where Slurm's commands are, with its slurm.conf"
        : 'sacct needs slurmdbd, squeue needs its JSON plugin; one of the two is enough',
    ],
    ...(typeof failure === 'string' ? {} : { cause: failure }),
  });
}
