import { join } from 'node:path';
import { Command } from 'commander';
import { parseDurationMs } from '../../../schemas/duration.ts';
import type { Status } from '../../../schemas/status.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { requireVisible } from '../../disk/state-dir.ts';
import { lockOwner } from '../../disk/state-lock.ts';
import { readStatus, statusPath } from '../../disk/status-file.ts';
import {
  pauseDirectoryOf,
  readPauseRequests,
  requestPause,
  withdrawPause,
  type PauseRequest,
} from '../../source/profiling-pause.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';

const EXAMPLES = `
Examples:
  gpuledger profiling pause --for 10m            the collector of this node leaves the counters alone for ten minutes
  gpuledger profiling pause --name "$SLURM_JOB_ID"   from within a job, before its own profiler starts
  gpuledger profiling resume --name "$SLURM_JOB_ID"
  gpuledger profiling status                     who asked, and whether the source refused
  gpuledger profiling resume -r localhost        give a host engine its counters back, whoever paused it

A job may ask if the directory <state-dir>/profiling-pause is writable for it (mode 1777; docs/install.md). The time is recorded as paused.
Exit codes: 0 done; 64 usage; 69 no collector hears it, or the engine refuses; 75 the engine does not answer; 77 you may not ask; 78 configuration
`;

export function command(): Command {
  const profiling = new Command('profiling')
    .description('Pause and resume the sampling of profiling counters, so that a profiler can have them.')
    .addHelpText('after', EXAMPLES);
  profiling.addCommand(pauseCommand());
  profiling.addCommand(resumeCommand());
  profiling.addCommand(statusCommand());
  return profiling;
}

function pauseCommand(): Command {
  const pause = new Command('pause')
    .description('Ask the collector of this node to leave the counters alone.')
    .option('--for <duration>', 'how long; without it until resume')
    .option('--name <name>', 'name of the request', 'operator')
    .action(async (options: { for?: string; name: string }) => {
      const { config } = await configFrom(options, 'onlooker');
      const untilUs = options.for === undefined ? Infinity : (Date.now() + durationOf(options.for)) * 1000;
      const by = process.env.SLURM_JOB_ID === undefined ? options.name : `job ${process.env.SLURM_JOB_ID}`;
      const directory = pauseDirectoryOf(config.stateDir);
      // First, so that the collector takes the blanks of the engine for a pause from the beginning on.
      requestPause(directory, { name: options.name, untilUs, by });
      if (config.dcgm.engine !== 'embedded') await pauseEngine(config.dcgm, directory, options.name);
      const until = options.for === undefined ? 'until resumed' : `for ${options.for}`;
      const what = config.dcgm.engine === 'embedded' ? 'pause of profiling requested' : 'profiling paused';
      process.stdout.write(`${what} ${until}, by "${options.name}"\n`);
      if (config.dcgm.engine === 'embedded') await requireHearer(config.stateDir);
    });
  return addConfigFlags(pause, 'profiling pause');
}

/**
 * A job's user may ask, and mostly not see who hears it.
 * @throws OperatingError `profiling.unheard` where no collector of this state directory runs; the request stands
 */
async function requireHearer(stateDir: string): Promise<void> {
  try {
    if ((await lockOwner(join(stateDir, 'delivery'))) !== undefined) return;
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.exit !== 'permission') throw thrown;
    process.stderr.write(
      'gpuledger: whether a collector hears it cannot be told: only its group may see that\n',
    );
    return;
  }
  throw new OperatingError('no collector runs with this state directory: nobody hears the request', {
    code: 'profiling.unheard',
    exit: 'unavailable',
    where: stateDir,
    hints: [
      'the request stands: a collector that starts before its end heeds it',
      'name the state directory of the collector: --state-dir, GPULEDGER_STATE_DIR',
    ],
  });
}

function resumeCommand(): Command {
  const resume = new Command('resume')
    .description('Take a request back.')
    .option('--name <name>', 'name of the request', 'operator')
    .action(async (options: { name: string }) => {
      const { config } = await configFrom(options, 'onlooker');
      const directory = pauseDirectoryOf(config.stateDir);
      requireVisible(directory);
      const wasThere = withdrawPause(directory, options.name);
      const left = readPauseRequests(directory, Date.now() * 1000);
      const others =
        left.length === 0 ? '' : `; still asked by ${left.map(({ name }) => `"${name}"`).join(', ')}`;
      process.stdout.write(
        wasThere
          ? `request "${options.name}" taken back${others}\n`
          : `no request "${options.name}"${others}\n`,
      );
      if (config.dcgm.engine !== 'embedded' && left.length === 0) await callEngine(config.dcgm, 'profResume');
    });
  return addConfigFlags(resume, 'profiling resume');
}

function statusCommand(): Command {
  const status = new Command('status')
    .description('Who asked for a pause, until when, and whether the source refused one.')
    .option('--json', 'print JSON')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'onlooker');
      requireVisible(config.stateDir);
      const requests = readPauseRequests(pauseDirectoryOf(config.stateDir), Date.now() * 1000);
      const refusal = readStatus(statusPath(config.stateDir))?.pauseRefusal;
      process.stdout.write(
        options['json'] === true ? statusJson(requests, refusal) : statusText(requests, refusal),
      );
    });
  return addConfigFlags(status, 'profiling status');
}

function statusText(requests: readonly PauseRequest[], refusal: Status['pauseRefusal']): string {
  const lines = requests.map(({ name, by, untilUs }) => {
    const until = Number.isFinite(untilUs) ? `until ${isoOf(untilUs / 1000)}` : 'until resumed';
    return `"${name}" by ${by}, ${until}`;
  });
  if (lines.length === 0) lines.push('profiling is not paused');
  if (refusal !== undefined) lines.push(`refused at ${isoOf(refusal.atMs)}: ${refusal.text}`);
  return `${lines.join('\n')}\n`;
}

/** A request that holds until it is taken back has `untilUs` null. */
function statusJson(requests: readonly PauseRequest[], refusal: Status['pauseRefusal']): string {
  const asked = requests.map(({ untilUs, ...rest }) => ({
    ...rest,
    untilUs: Number.isFinite(untilUs) ? untilUs : null,
  }));
  const refused = refusal === undefined ? null : { tsUs: refusal.atMs * 1000, text: refusal.text };
  return `${JSON.stringify({ requests: asked, refused }, undefined, 2)}\n`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

interface Engine {
  readonly engine: string;
  readonly library?: string;
}

/** @throws OperatingError when the engine does not pause. A refusal withdraws the request; from an engine that is away it stands. */
async function pauseEngine(dcgm: Engine, directory: string, name: string): Promise<void> {
  try {
    await callEngine(dcgm, 'profPause');
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    const { message, code, exit, hints, where = dcgm.engine } = thrown;
    if (exit === 'temporary') {
      const stands = 'the request stands: the collector of this node pauses the engine once it answers';
      throw new OperatingError(message, { code, exit, where, hints: [...hints, stands], cause: thrown });
    }
    withdrawPause(directory, name);
    throw new OperatingError(`nothing is paused, the request is withdrawn: ${message}`, {
      code: 'profiling.pause_refused',
      exit,
      where,
      hints: [
        ...hints,
        'an engine pauses by its closed profiling module alone; without it stop the collector, or take the profiling fields out of its lanes',
      ],
      cause: thrown,
    });
  }
}

async function callEngine(dcgm: Engine, call: 'profPause' | 'profResume'): Promise<void> {
  const { callEngineInWorker } = await import('../../sampler/sampler.ts');
  await callEngineInWorker({ ...dcgm, call });
  process.stdout.write(`engine ${dcgm.engine}: ${call === 'profPause' ? 'paused' : 'not paused'}\n`);
}

/** @throws OperatingError (exit 64) */
function durationOf(text: string): number {
  try {
    const ms = parseDurationMs(text);
    if (ms > 0) return ms;
  } catch (cause) {
    if (!(cause instanceof OperatingError)) throw cause;
  }
  throw new OperatingError(`--for "${text}": expected a duration like 90s or 10m`, {
    code: 'usage.duration',
    exit: 'usage',
  });
}
