import { Command, InvalidArgumentError, Option } from 'commander';
import { faultOfJobId } from '../../../schemas/map-file.ts';
import { messageOf } from '../../core/base/errors.ts';
import { writeJournalRecord, type JobNotice } from '../../ownership/journal/write.ts';
import { JOURNAL_DIRECTORY } from '../../ownership/open-inputs.ts';
import { configFrom } from '../config-flags.ts';
import { directoryArgument } from '../directory-argument.ts';
import { parseTimeUs } from '../../figures/asked/report-window.ts';

const EXAMPLES = `
Examples:
  gpuledger job start --job 4217 --devices 0,1 --user ada       from a prologue; indices as nvidia-smi -L counts them
  gpuledger job end --job 4217 --exit-code 0                    from the epilogue of the same job
  gpuledger job end --job 4217 --at 2026-11-21T09:00:00Z        later, where no epilogue ran
  gpuledger job start --job '123[4].server' --manager pbs --devices GPU-8c2d…,GPU-77aa…
  gpuledger job start --job tests --devices MIG-5f0e… --share 0.5

One record is left in the journal directory of this node, with the time of this call or of --at; the collector reads it within a
second. A device in CUDA_VISIBLE_DEVICES of a job is often renumbered: give UUIDs, or the node's own indices.
Hooks for Slurm need no gpuledger on the node: infra/slurm. Examples for PBS, LSF and Flux: infra/schedulers.
Exit codes: 0 fine; 64 usage; 75 the journal cannot be written; 77 you may not write there;
78 configuration
`;

export function command(): Command {
  const start = shared(new Command('start'), 'start')
    .description('Tell that a job begins to own devices of this node.')
    .addOption(
      new Option('--devices <list>', 'UUIDs, NVML indices, or index.instance of MIG, comma-separated')
        .makeOptionMandatory()
        .argParser(parseDevices),
    )
    .addOption(new Option('--share <part>', 'part of each device, above 0 up to 1').argParser(parseShare))
    .option('--user <name>', 'whose it is')
    .option('--account <name>', 'on whose account it runs')
    .option('--partition <name>', 'partition or queue')
    .option('--name <text>', 'name of the job');
  const end = shared(new Command('end'), 'end')
    .description('Tell that a job has ended on this node.')
    .addOption(new Option('--exit-code <n>', '0 to 255').argParser(parseExitCode))
    .addOption(
      new Option('--at <time>', 'when it had ended, where nobody told it then: ISO, in UTC').argParser(
        parseAt,
      ),
    );
  return new Command('job')
    .description('Tell gpuledger that a job begins or ends: for schedulers without hooks of their own here.')
    .addCommand(start)
    .addCommand(end)
    .addHelpText('after', EXAMPLES);
}

/** What the flags say beside the notice itself. */
interface Place {
  readonly job: string;
  readonly journal?: string;
  readonly node?: string;
  /** Only read where one of the two is not given. */
  readonly config?: string;
  /** Epoch µs. */
  readonly at?: number;
}

function shared(command: Command, event: JobNotice['event']): Command {
  return command
    .addOption(new Option('--job <id>', 'job id, free text').makeOptionMandatory().argParser(parseJobId))
    .addOption(new Option('--run <n>', 'how often the job was restarted before').argParser(parseRun))
    .addOption(
      new Option('--manager <name>', 'slurm, pbs, lsf, flux, …').default('shell').argParser(parseManager),
    )
    .addOption(
      new Option('--node <name>', 'node that the devices belong to (default: node, this host)').argParser(
        parseNode,
      ),
    )
    .addOption(
      new Option(
        '--journal <dir>',
        `journal directory (default: jobs.journal_dir, else ${JOURNAL_DIRECTORY})`,
      ).argParser(directoryArgument),
    )
    .option(
      '--config <file>',
      'configuration, for these two (default: GPULEDGER_CONFIG, /etc/gpuledger/gpuledger.yaml)',
    )
    .action(async ({ config, ...options }: Omit<JobNotice, 'event' | 'jobId' | 'atUs' | 'node'> & Place) => {
      const { job, at: atUs, ...rest } = { ...options, ...(await placeOf(options, config)) };
      const { journal, ...notice } = rest;
      writeJournalRecord(journal, { ...notice, event, jobId: job, ...(atUs === undefined ? {} : { atUs }) });
    });
}

/** Where the collector of this node looks for it, unless the flags say otherwise. */
async function placeOf(
  { journal, node }: Pick<Place, 'journal' | 'node'>,
  file: string | undefined,
): Promise<{ readonly journal: string; readonly node: string }> {
  if (journal !== undefined && node !== undefined) return { journal, node };
  const { config } = await configFrom(file === undefined ? {} : { config: file });
  return { journal: journal ?? config.jobs.journalDir ?? JOURNAL_DIRECTORY, node: node ?? config.node };
}

function parseJobId(text: string): string {
  const fault = text.trim() === '' ? 'expected a job id, found nothing' : faultOfJobId(text);
  if (fault !== undefined) throw new InvalidArgumentError(fault);
  return text;
}

const DEVICE = /^(\d{1,5}(\.\d{1,5})?|(GPU|MIG)-[^\s,]+)$/;

function parseDevices(text: string): string {
  const wrong = text.split(',').find((device) => !DEVICE.test(device));
  if (wrong === undefined) return text;
  throw new InvalidArgumentError(
    `expected indices and UUIDs as gpuledger devices shows them, as 0,1 or GPU-8c2d…, came ${JSON.stringify(wrong)}`,
  );
}

function parseNode(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected the name of a node, came nothing');
  return text;
}

function parseShare(text: string): string {
  const share = Number(text);
  if (!(share > 0 && share <= 1))
    throw new InvalidArgumentError('expected a part above 0 and up to 1, as 0.5');
  return text;
}

function parseExitCode(text: string): number {
  const code = Number(text);
  if (text === '' || !Number.isInteger(code) || code < 0 || code > 255)
    throw new InvalidArgumentError('expected 0 to 255');
  return code;
}

/** @returns epoch µs */
function parseAt(text: string): number {
  try {
    return parseTimeUs('--at', text);
  } catch (thrown) {
    throw new InvalidArgumentError(messageOf(thrown));
  }
}

function parseRun(text: string): string {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return text;
}

function parseManager(text: string): string {
  if (!/^[a-z0-9_-]{1,32}$/.test(text)) throw new InvalidArgumentError('expected a short name in lower case');
  return text;
}
