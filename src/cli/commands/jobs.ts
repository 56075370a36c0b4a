import { Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../../schemas/duration.ts';
import type { Config } from '../../config/config.ts';
import { messageOf, OperatingError, sentenceOf } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import { JOURNAL_DIRECTORY } from '../../ownership/open-inputs.ts';
import { readLateJobs } from '../../ownership/schedulers.ts';
import { isRefusal, pushJournal, type PushOptions, type PushOutcome } from '../../job-map/push-journal.ts';
import { openQuestDb, type QuestDb } from '../../questdb/http.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import { tellOpenStays } from '../../job-map/open-stays.ts';
import { pollClusterOnce } from '../../job-map/cluster-polling.ts';
import { syncJobs, type SyncOutcome } from '../../job-map/sync-jobs.ts';
import type { LateReply } from '../../ownership/scheduler.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { createLog } from '../log.ts';
import { requireDirectory } from '../require-directory.ts';
import { startMaybeBriefStep } from '../progress.ts';
import { pollText, syncFailure, syncJson, syncText } from '../sync-text.ts';

const EXAMPLES = `
Examples:
  gpuledger jobs push                                 write this node's job journal to QuestDB, once
  gpuledger jobs push --journal /var/spool/gpuledger  … another journal, as the controller's
  gpuledger jobs sync --since 2d                      name, QOS, state and exit code from squeue and sacct

push is for nodes where no collector runs all the time (their samples are drained from elsewhere) and for the controller;
infra/systemd holds a path unit that calls it. sync knows no devices: whose GPU it was comes from the hooks. It says which jobs
have ended and still own GPUs, and the command that ends them: gpuledger job end --at. It also asks sinfo and squeue once how
the nodes are and who waits for GPUs (docs/polling.md); scheduler.poll of the configuration lets run do that.
Both may run as often as you like: the same rows are written again. What one command of Slurm says is written also when the
other one fails.
Exit codes: 0 fine; 64 usage; 65 Slurm says what cannot be understood, or records were refused, since they are cut off or not
as expected, or since several clusters have a node of this name and nothing tells which (set cluster:); 69 no Slurm here; 75 QuestDB or a command of Slurm does
not answer, or fails; 78 configuration
`;

/** How far back accounting is asked where nobody says. */
const SYNC_SINCE_MS = parseDurationMs('2d');

export function command(): Command {
  const push = new Command('push')
    .description('Write the intervals and jobs of a journal to QuestDB.')
    .option('--journal <dir>', `journal directory (default: jobs.journal_dir, else ${JOURNAL_DIRECTORY})`)
    .option('--json', 'print JSON')
    .action(async (options: Record<string, unknown>) => {
      const journal = options['journal'];
      if (typeof journal === 'string') requireJournal(journal);
      await withStore(options, async (config, db, tell) => {
        const directory =
          typeof journal === 'string' ? journal : (config.jobs.journalDir ?? JOURNAL_DIRECTORY);
        const tables = config.lanes.map((lane) => lane.table);
        const { node, cluster } = config;
        const { deviceMap } = config.jobs;
        const map = deviceMap === undefined ? {} : { deviceMap };
        const outcome = await pushWithProgress(db, {
          ...{ node, cluster, directory, tables, lanes: config.lanes, ...map, tell },
        });
        const failure = outcome.isAllWritten ? outcome.problems.find(isRefusal) : unsent(db);
        for (const problem of outcome.problems.filter((one) => one !== failure))
          tell({ level: 'warn', code: problem.code, sentence: sentenceOf(problem) });
        process.stdout.write(pushText(outcome, directory, options['json'] === true));
        if (failure !== undefined) throw failure;
      });
    });
  const sync = new Command('sync')
    .description('Complete the jobs table from squeue and sacct, and note how the nodes are and who waits.')
    .option('--since <duration>', 'how far back to ask sacct: 12h, 7d (default: 2d)', durationArgument)
    .option('--json', 'print JSON')
    .action(async (options: Record<string, unknown>) => {
      await withStore(options, async (config, db, tell) => {
        const replies = await readLateJobs(
          (Date.now() - Number(options['since'] ?? SYNC_SINCE_MS)) * 1000,
          tell,
        );
        const outcomes: SyncOutcome[] = [];
        for (const reply of replies) {
          const outcome = await syncWithProgress(db, reply, tell);
          outcomes.push(outcome);
          if (outcome.unsentRows > 0) break;
        }
        const polls = (await pollClusterOnce(db, config, tell)) ?? [];
        const isJson = options['json'] === true;
        process.stdout.write(isJson ? syncJson(outcomes, polls) : syncText(outcomes) + pollText(polls));
        if (outcomes.some(({ unsentRows }) => unsentRows > 0)) throw unsent(db);
        const failure = syncFailure(outcomes, polls, tell);
        await tellOpenStays(db, Date.now() * 1000, tell);
        if (failure !== undefined) throw failure;
      });
    });
  return new Command('jobs')
    .description('Bring jobs to QuestDB from where no collector runs.')
    .addCommand(addConfigFlags(push, 'jobs push'))
    .addCommand(addConfigFlags(sync, 'jobs sync'))
    .addHelpText('after', EXAMPLES);
}

async function withStore(
  options: Record<string, unknown>,
  work: (config: Config, db: QuestDb, tell: Tell) => Promise<void>,
): Promise<void> {
  const { config } = await configFrom(options);
  const tell = createLog(config.log.format, config.log.level);
  const { clientConf, requestTimeoutMs } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs });
  try {
    await db.checkServer();
    await applySchema(db, config.lanes, config.retention);
    await work(config, db, tell);
  } finally {
    await db.close();
  }
}

function pushText(outcome: PushOutcome, directory: string, isJson: boolean): string {
  const { intervals, openIntervals, jobRows, relabelledRows, refusedRecords, problems } = outcome;
  if (isJson) {
    const told = problems.map(({ code, message, where, hints }) => ({ code, message, where, hints }));
    const counts = { intervals, openIntervals, jobRows, relabelledRows, refusedRecords };
    return `${JSON.stringify({ ...counts, problems: told })}\n`;
  }
  if (intervals + jobRows + refusedRecords + problems.length === 0)
    return `nothing to write: ${directory} holds no record\n`;
  const still = openIntervals === 0 ? '' : ` (${openIntervals} still open)`;
  const refused =
    refusedRecords === 0 ? '' : `; ${refusedRecords} ${refusedRecords === 1 ? 'record' : 'records'} refused`;
  return `${intervals} intervals${still} and ${jobRows} rows of jobs written; ${relabelledRows} samples labelled again${refused}\n`;
}

/** What somebody names must be there: only where the hooks leave their records may they not have begun yet. */
function requireJournal(directory: string): void {
  requireDirectory(directory, [`where the hooks of this node leave their records: ${JOURNAL_DIRECTORY}`]);
}

function unsent(db: QuestDb): OperatingError {
  return new OperatingError('QuestDB did not take everything', {
    code: 'jobs.unsent',
    exit: 'temporary',
    where: db.where,
    hints: ['run the same command again: what was written is written once'],
  });
}

async function pushWithProgress(db: QuestDb, options: PushOptions): Promise<PushOutcome> {
  const step = startMaybeBriefStep('reading the journal');
  try {
    const outcome = await pushJournal(db, {
      ...options,
      onProgress: (words) => {
        step.update(words);
      },
    });
    if (outcome.isAllWritten) step.done('the journal is written');
    else step.fail('the journal is not all written');
    return outcome;
  } catch (thrown) {
    step.fail('the journal is not written');
    throw thrown;
  }
}

async function syncWithProgress(db: QuestDb, reply: LateReply, tell: Tell): Promise<SyncOutcome> {
  const step = startMaybeBriefStep(`asking ${reply.from}`);
  try {
    const outcome = await syncJobs(db, reply, tell, ({ readRows, writtenRows }) => {
      step.update(
        `${reply.from}: ${readRows.toLocaleString('en-US')} rows read, ${writtenRows.toLocaleString('en-US')} written`,
      );
    });
    step.done(`${reply.from} read`);
    return outcome;
  } catch (thrown) {
    step.fail(`${reply.from} was not read to its end`);
    throw thrown;
  }
}

/** @throws InvalidArgumentError, which the command line answers with usage (64). */
function durationArgument(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (thrown) {
    throw new InvalidArgumentError(messageOf(thrown));
  }
}
