import { Command, InvalidArgumentError, Option } from 'commander';
import { OperatingError } from '../../core/base/errors.ts';
import { userFigures } from '../../figures/user/user.ts';
import { checkJobId } from '../../figures/job/find-job.ts';
import type { JobQueryOptions } from '../../figures/job/query.ts';
import { accountOf, type Account } from '../../figures/job/tasks.ts';
import { embeddedLooks } from '../../figures/job/timeline/embedded-looks.ts';
import { jobsFigures } from '../../figures/job/jobs.ts';
import { JOB_FILTERS, JOB_ORDERS, type JobFilter, type JobOrder } from '../../figures/job/jobs-figures.ts';
import { renderJobsReport } from '../../report/jobs-text.ts';
import { renderJobReport } from '../../report/job-text.ts';
import { isWide } from '../../report/text/heat-text.ts';
import { NO_DEVICES } from '../../report/text/wording.ts';
import { renderTasksReport } from '../../report/tasks-text.ts';
import { userJson } from '../../report/user/user-json.ts';
import { renderUserReport } from '../../report/user/user-text.ts';
import type { RenderOptions } from '../../report/text/report-text.ts';
import { jobCsv, jobsCsv, tasksCsv } from '../../report/csv.ts';
import { jobJson, jobsJson, tasksJson } from '../../report/json.ts';
import { reportFailure } from '../failure.ts';
import { jobOfPage, writeJobPage } from '../report/write-page.ts';
import { addConfigFlags } from '../config-flags.ts';
import { reportCosts } from '../report-costs.ts';
import { addCapacityCommand } from '../report/capacity.ts';
import { addForecastCommand } from '../report/forecast.ts';
import { addReliabilityCommand } from '../report/reliability.ts';
import { addQueueCommand } from '../report/queue.ts';
import {
  addCommonFlags,
  addWindowFlags,
  clusterArgument,
  wordArgument,
  type FormatFlags,
} from '../report/flags.ts';
import { addBillCommand } from '../report/bill/bill.ts';
import { addRightSizeCommand } from '../report/right-size.ts';
import { js1Of } from '../report/js1.ts';
import { pageLine } from '../report/page-line.ts';
import { parseTimeUs, reportWindow, type WindowFlags } from '../../figures/asked/report-window.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';

const EXAMPLES = `
Examples:
  gpuledger report job 4217
  gpuledger report jobs --user ada --since 7d
  gpuledger report user ada --since 7d
  gpuledger report capacity --since 7d --by account
  gpuledger report forecast --horizon 12w
  gpuledger report reliability --since 90d
  gpuledger report queue --since 7d
  gpuledger report bill --month 2026-10
  gpuledger report right-size --since 4w
`;

const JOB_EXAMPLES = `
Examples:
  gpuledger report job 4217              what job 4217 did with its GPUs; of an array, what each task did
  gpuledger report job 4217 4218 4220    one after the other; --json gives an array
  gpuledger report job 4217_3            task 3 of array 4217; '4217_[1-4]': four of them, with the sum
  gpuledger report job 4217+1            component 1 of a heterogeneous job
  gpuledger report job '123[4]'          task 4 of a PBS or LSF array, with or without its server
  gpuledger report job 4217 --cluster b  that of cluster b, where several bear the id
  gpuledger report job 4217 --submitted 2026-11-20T10:00:00Z
  gpuledger report job 4217 --run 0      its first run, before it was requeued
  gpuledger report job 4217 --html 4217.html   a page to look at: plots over time, each GPU
  gpuledger report job 4217 --js1        one line for Slurm's AdminComment, as jobstats writes it
  gpuledger report job 4217 --json       every figure in base units (docs/reports.md)
`;

const JOBS_EXAMPLES = `
Examples:
  gpuledger report jobs                                the last seven days, those first that wasted most
  gpuledger report jobs --user ada --since 30d --sort energy
  gpuledger report jobs --account physics --state failed
  gpuledger report jobs --name llm --partition gpu --json

Jobs that were there at some time of the window, each told whole. Times are UTC.
`;

const USER_EXAMPLES = `
Examples:
  gpuledger report user ada                            the jobs that ended in the last seven days, beside the seven before
  gpuledger report user ada --since 7d --to 2026-11-23
  gpuledger report user ada --cluster b --json

Short enough for a mail (docs/reports.md says how to send one every week). Times are UTC.
`;

interface JobFlags extends FormatFlags {
  readonly js1?: true;
  readonly html?: string;
  readonly run?: number;
  readonly cluster?: string;
  readonly submitted?: string;
  readonly all?: true;
}

/** What an id is answered with. */
interface Answer {
  readonly typed: string;
  readonly account: Account;
  /** Where it was asked for. */
  readonly js1?: string;
  /** Of its text: a line that says where a browser shows it, or nothing. */
  readonly page: string;
}

type JobsFlags = FormatFlags &
  WindowFlags &
  Readonly<Partial<Record<JobFilter, string>>> & { readonly sort: JobOrder; readonly all?: true };

interface UserFlags extends WindowFlags {
  readonly json?: true;
  readonly cluster?: string;
}

export function command(): Command {
  const report = new Command('report')
    .description('What a job did with its GPUs; what the fleet did for whom.')
    .addHelpText('after', EXAMPLES);
  addCommonFlags(
    'report job',
    report
      .command('job')
      .description('The account of one job, or of several.')
      .argument('<id...>', 'a job, a task or an array, as the scheduler prints its id')
      .option('--cluster <name>', 'of several jobs with this id, that of this cluster', clusterArgument)
      .option(
        '--submitted <time>',
        'of several jobs with this id, the one submitted then, or begun (ISO, UTC)',
      )
      .option('--run <n>', 'which run of a requeued job (default: the newest)', parseRun)
      .option('--all', 'every GPU or task in the table, however many there are')
      .addOption(
        new Option(
          '--js1',
          "one line for Slurm's AdminComment that jobstats and reportseff read; of several ids with the id before it",
        ).conflicts(['json', 'csv']),
      )
      .addOption(
        new Option('--html <file>', 'a page in one file, with plots over time').conflicts([
          'json',
          'csv',
          'js1',
        ]),
      ),
  )
    .addHelpText('after', JOB_EXAMPLES)
    .action(async (jobIds: string[], flags: JobFlags) => {
      if (flags.html === undefined) await reportJob(jobIds, flags);
      else await reportJobPage(jobIds, flags, flags.html);
    });
  addCommonFlags('report jobs', addFilters(addWindowFlags(report.command('jobs'))))
    .description('A table of many jobs: what they had, what they did with it.')
    .option('--all', 'every job in the table, however many there are')
    .addHelpText('after', JOBS_EXAMPLES)
    .action(async (flags: JobsFlags) => {
      await reportJobs(flags);
    });
  addUserCommand(report);
  addCapacityCommand(report);
  addForecastCommand(report);
  addBillCommand(report);
  addReliabilityCommand(report);
  addQueueCommand(report);
  addRightSizeCommand(report);
  return report;
}

function addUserCommand(report: Command): void {
  addConfigFlags(
    addWindowFlags(report.command('user'))
      .description('What the jobs of a user did, in few words, beside the time before.')
      .argument('<name>', 'as the scheduler has it', wordArgument)
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .option('--json', 'all figures in base units, times in epoch microseconds'),
    'report user',
  )
    .addHelpText('after', USER_EXAMPLES)
    .action(async (user: string, flags: UserFlags) => {
      await reportUser(user, flags);
    });
}

function addFilters(command: Command): Command {
  return command
    .option('--user <name>', 'only those of this user', wordArgument)
    .option('--account <name>', 'only those of this account', wordArgument)
    .option('--partition <name>', 'only those of this partition', wordArgument)
    .option('--qos <name>', 'only those of this QOS', wordArgument)
    .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
    .option('--state <state>', 'only those in this state: COMPLETED, FAILED, RUNNING, …', wordArgument)
    .option('--name <text>', 'only those with this in their name', wordArgument)
    .addOption(
      new Option('--sort <by>', 'which come first')
        .choices([...JOB_ORDERS])
        .default('wasted' satisfies JobOrder),
    );
}

function parseRun(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a run is a whole number from 0 on');
  return Number(text);
}

/** A page is of one job. */
async function reportJobPage(jobIds: readonly string[], flags: JobFlags, path: string): Promise<void> {
  const [jobId, ...more] = new Set(jobIds);
  if (jobId === undefined || more.length > 0)
    throw new OperatingError(`--html: expected the id of one job, came ${more.length + 1}`, {
      code: 'page.tasks',
      exit: 'usage',
      hints: ['write a page for each'],
    });
  checkJobId(jobId.trim());
  const asked = askedRun(flags);
  const page = await withStore(flags, async (db, { lanes, idle, costs, findings }) => {
    const how = { ...asked, idleLimits: idle, costs: reportCosts({ costs }), findingLimits: findings };
    const figures = jobOfPage(await accountOf(db, lanes, jobId, { ...how, isDrawn: true }));
    return { figures, looks: await embeddedLooks(db, lanes, figures, how) };
  });
  process.stdout.write(writeJobPage(page.figures, page.looks, path));
}

/** Which of the runs and jobs that bear an id, looked at as of now. */
function askedRun({ run, cluster, submitted }: JobFlags): JobQueryOptions {
  return {
    nowUs: Date.now() * 1000,
    ...(run === undefined ? {} : { run }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(submitted === undefined ? {} : { submittedUs: parseTimeUs('--submitted', submitted) }),
  };
}

async function reportJob(jobIds: readonly string[], flags: JobFlags): Promise<void> {
  for (const jobId of jobIds) checkJobId(jobId.trim());
  const options = askedRun(flags);
  const wanted = [...new Set(jobIds)];
  const failures: OperatingError[] = [];
  const answers = await withStore(flags, async (db, { lanes, idle, costs, findings, serve }) => {
    const how = {
      ...options,
      ...{ idleLimits: idle, costs: reportCosts({ costs }), findingLimits: findings },
      // Nothing of what takes longer is in the line.
      isBrief: flags.js1 === true,
      isMapped: flags.json !== true && flags.csv !== true && isWide(terminalStyle().width),
    };
    const found: Answer[] = [];
    for (const typed of wanted)
      try {
        const account = await accountOf(db, lanes, typed, how);
        const page = pageLine(serve.url, account);
        found.push({ typed, account, page, ...(flags.js1 ? { js1: js1Of(typed, account) } : {}) });
      } catch (thrown) {
        if (wanted.length === 1 || !isAboutOneId(thrown)) throw thrown;
        failures.push(thrown);
      }
    return found;
  });
  const accounts = answers.map(({ account }) => account);
  const isOne = wanted.length === 1;
  process.stdout.write(flags.js1 ? js1Lines(answers, isOne) : accountsText(answers, { ...flags, isOne }));
  for (const account of accounts)
    if (flags.csv && account.of === 'job' && account.figures.devices.length === 0)
      process.stderr.write(`no rows of job ${account.figures.job.jobId}: ${NO_DEVICES}\n`);
  for (const failure of failures) process.exitCode = reportFailure(failure);
}

/** What is wrong with one of several ids is no reason to keep the others back. */
function isAboutOneId(thrown: unknown): thrown is OperatingError {
  return (
    thrown instanceof OperatingError && (thrown.exit === 'usage' || thrown.code === 'report.still_running')
  );
}

/** Of several ids each has its own before it. */
function js1Lines(answers: readonly Answer[], isOne: boolean): string {
  return answers.map(({ typed, js1 = '' }) => (isOne ? `${js1}\n` : `${typed}\t${js1}\n`)).join('');
}

/** One after the other; as JSON, of several ids, an array. */
function accountsText(answers: readonly Answer[], flags: JobFlags & { readonly isOne: boolean }): string {
  const style = { ...terminalStyle(), isWhole: flags.all === true };
  const isData = flags.json === true || flags.csv === true;
  const texts = answers.map(({ account, page }) => {
    const text = account.of === 'job' ? jobText(account, flags, style) : tasksText(account, flags, style);
    return isData ? text : text + page;
  });
  if (flags.isOne) return texts.join('');
  if (flags.json) return `[\n${texts.map((text) => text.trimEnd()).join(',\n')}\n]\n`;
  if (!flags.csv) return texts.join('\n');
  if (new Set(answers.map(({ account }) => account.of)).size > 1)
    throw new OperatingError(
      'expected ids of jobs, or of arrays and heterogeneous jobs, came both with --csv',
      {
        code: 'report.mixed_csv',
        exit: 'usage',
        hints: ['rows of tasks have other columns: ask for them by themselves'],
      },
    );
  return texts.map((text, at) => (at === 0 ? text : text.slice(text.indexOf('\n') + 1))).join('');
}

function jobText(
  { figures }: Extract<Account, { of: 'job' }>,
  flags: FormatFlags,
  style: RenderOptions,
): string {
  if (flags.json) return jobJson(figures);
  return flags.csv ? jobCsv(figures) : renderJobReport(figures, style);
}

function tasksText(
  { figures }: Extract<Account, { of: 'tasks' }>,
  flags: FormatFlags,
  style: RenderOptions,
): string {
  if (flags.json) return tasksJson(figures);
  return flags.csv ? tasksCsv(figures) : renderTasksReport(figures, style);
}

async function reportJobs(flags: JobsFlags): Promise<void> {
  const nowUs = Date.now() * 1000;
  const filters = Object.fromEntries(
    JOB_FILTERS.flatMap((key) => (flags[key] === undefined ? [] : [[key, flags[key]]])),
  );
  const options = { ...reportWindow(flags, nowUs), filters, order: flags.sort, nowUs };
  const figures = await withStore(
    flags,
    async (db, { lanes, idle, costs }) =>
      await jobsFigures(db, lanes, { ...options, idleLimits: idle, costs: reportCosts({ costs }) }),
  );
  if (flags.json) process.stdout.write(jobsJson(figures));
  else if (flags.csv) process.stdout.write(jobsCsv(figures));
  else process.stdout.write(renderJobsReport(figures, { ...terminalStyle(), isWhole: flags.all === true }));
}

async function reportUser(user: string, flags: UserFlags): Promise<void> {
  const nowUs = Date.now() * 1000;
  const { cluster } = flags;
  const asked = { ...reportWindow(flags, nowUs), user, nowUs, ...(cluster === undefined ? {} : { cluster }) };
  const figures = await withStore(
    flags,
    async (db, { lanes, idle, costs }) =>
      await userFigures(db, lanes, { ...asked, idleLimits: idle, costs: reportCosts({ costs }) }),
  );
  process.stdout.write(flags.json ? userJson(figures) : renderUserReport(figures, terminalStyle()));
}
