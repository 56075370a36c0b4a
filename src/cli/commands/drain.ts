import { Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../../schemas/duration.ts';
import { EXIT_CODES, messageOf, OperatingError } from '../../core/base/errors.ts';
import { fileError } from '../../core/base/file-fault.ts';
import { requireDeadline } from '../../drain/check-request.ts';
import { parseEngineList, parseEngineTask, withoutRepeats, type EngineTask } from '../../drain/engines.ts';
import type { DrainSummary } from '../../drain/drain.ts';
import { createWarmSlots, startSlot, type WarmSlots } from '../../drain/slot.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { drainText } from '../drain-text.ts';
import { createLog } from '../log.ts';
import { requireDirectory } from '../require-directory.ts';
import { requireLibrary } from '../require-library.ts';
import { formatCount } from '../../report/text/format-quantity.ts';
import { VERSION } from '../../config/package-version.ts';
import { readNamedFile } from '../../disk/named-file.ts';

const EXAMPLES = `
Examples:
  gpuledger drain                                        the host engine of this node, localhost:5555
  gpuledger drain -r unix:///run/nvidia-dcgm/engine.sock
  gpuledger drain -r gpu1:5555 -r gpu2:5555 --deadline 50s
  gpuledger drain --engines engines.txt --json           one engine a line: [NODE=]host[:port]
  gpuledger drain --dry-run                              what would be fetched

The engines keep what they sample for --keep, QuestDB knows what it has: nothing is kept here but rows that QuestDB refuses
(STATE_DIR/dead-letter). Two drains at once, or one that was killed, do no harm. Run it at least every half of --keep.

Exit codes: 0 every engine was drained; 65 QuestDB refused rows, which are kept as dead letters; 69 an engine has no GPU, or
            there is no libdcgm; 75 QuestDB or an engine did not answer (the others were drained); 78 configuration
`;

export function command(): Command {
  const drain = addConfigFlags(new Command('drain'), 'drain')
    .description('Fetch what host engines kept since the last time, write it, exit.')
    .option('--engines <file>', 'engines, one a line: [NODE=]host[:port] or [NODE=]unix:///path')
    .option('--keep <duration>', 'how long engines are to keep their samples (default: 10m)', duration)
    .option(
      '--since <duration>',
      'of a device without any row: how far back (default: all that is kept)',
      duration,
    )
    .option('--window <duration>', 'look back no further than this, whatever is stored', duration)
    .option('--deadline <duration>', 'end after this, whatever engines do (default: 50s)', duration)
    .option('--concurrency <count>', 'engines that are asked at the same time', count)
    .option('--journal <dir>', 'job journals of other nodes: one folder per node')
    .option('--dry-run', 'fetch, and write nothing')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', EXAMPLES)
    .action(drainAndPrint);
  // One engine of a resident collector, any number of them here.
  const engines = drain.options.find(({ long }) => long === '--remote-engine');
  if (engines !== undefined) {
    engines.description =
      'an engine: [NODE=]host[:port] or unix:///path (repeatable; default: localhost:5555)';
    engines.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
  }
  return drain;
}

async function drainAndPrint(options: Record<string, unknown>): Promise<void> {
  // The first process that asks an engine loads while this one does.
  const warm = createWarmSlots(0, [startSlot()]);
  try {
    await drainWith(warm, options);
  } finally {
    warm.close();
  }
}

async function drainWith(warm: WarmSlots, options: Record<string, unknown>): Promise<void> {
  const { config, warnings } = await configFrom(options);
  // First what the person at the keyboard can mend.
  const engines = withoutRepeats(enginesOf(options, config.node));
  if (typeof options['deadline'] === 'number') requireDeadline(options['deadline']);
  if (typeof options['journal'] === 'string')
    requireDirectory(options['journal'], [
      'it holds one folder per node, each with the journal of its hooks',
    ]);
  await requireLibrary({ source: 'dcgm', dcgm: config.dcgm, nvml: config.nvml });
  const [{ openQuestDb }, { drainAsAsked }] = await Promise.all([
    import('../../questdb/http.ts'),
    import('../../drain/request.ts'),
  ]);
  const tell = createLog(config.log.format, config.log.level);
  for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
  const number = (name: string): number | undefined =>
    typeof options[name] === 'number' ? options[name] : undefined;
  const journals = options['journal'];
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
  });
  try {
    const draining = async (): Promise<DrainSummary> =>
      await drainAsAsked(
        config,
        {
          engines,
          keepMs: number('keep'),
          sinceMs: number('since'),
          windowMs: number('window'),
          deadlineMs: number('deadline'),
          concurrency: number('concurrency'),
          isDryRun: options['dryRun'] === true,
          journals: typeof journals === 'string' ? journals : undefined,
        },
        { db, version: VERSION, tell, warm },
      );
    const summary = await shown(`draining ${formatCount(Math.max(1, engines.length), 'engine')}`, draining);
    process.stdout.write(options['json'] === true ? `${JSON.stringify(summary)}\n` : drainText(summary));
    process.exitCode = EXIT_CODES[summary.exit];
  } finally {
    await db.close();
  }
}

/** A timer has no terminal, and loads nothing that draws on one. */
async function shown(text: string, work: () => Promise<DrainSummary>): Promise<DrainSummary> {
  if (!process.stderr.isTTY) return await work();
  const { whileShown } = await import('../progress.ts');
  return await whileShown(text, work);
}

/** @throws OperatingError (exit 78) */
function enginesOf(options: Record<string, unknown>, localNode: string): EngineTask[] {
  const named = Array.isArray(options['remoteEngine']) ? (options['remoteEngine'] as string[]) : [];
  const tasks = named.map((text) => parseEngineTask(text, localNode));
  const file = options['engines'];
  return typeof file === 'string' ? [...tasks, ...parseEngineList(readList(file), file, localNode)] : tasks;
}

/** A line for each engine: some ten thousand. */
const LIST_BYTES_MAX = 1024 * 1024;

function readList(file: string): string {
  const detail = {
    code: 'drain.engines_unreadable',
    exit: 'config',
    where: `--engines ${JSON.stringify(file)}`,
  } as const;
  let bytes: Buffer | undefined;
  try {
    bytes = readNamedFile(file, LIST_BYTES_MAX);
  } catch (thrown) {
    throw fileError('the list of engines cannot be read', thrown, detail);
  }
  if (bytes !== undefined) return bytes.toString('utf8');
  throw new OperatingError(
    `the list of engines cannot be read: expected at most ${LIST_BYTES_MAX / 1024} KiB, found more`,
    { ...detail, hints: ['expected one engine a line: is this another file?'] },
  );
}

/** @throws InvalidArgumentError, which the command line answers with usage (64). */
function duration(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (thrown) {
    throw new InvalidArgumentError(messageOf(thrown));
  }
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('expected a whole number from 1 on');
}
