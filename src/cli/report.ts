import { Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../store/config-file.ts';
import { openQuestDb } from '../store/questdb-http.ts';
import { jobFigures } from '../report/job-query.ts';
import { renderJobReport } from '../report/job-report.ts';
import type { Asked } from '../report/query-cells.ts';
import type { Lane } from '../core/lane.ts';

const EXAMPLES = `
Examples:
  gpuledger report job 4217              what job 4217 did with its GPUs
  gpuledger report job 4217 --run 0      its first run, before it was requeued
  gpuledger report job 4217 --json       every figure in base units (docs/reports.md)
`;

interface Store {
  readonly db: Asked;
  readonly lanes: readonly Lane[];
}

interface JobOptions {
  readonly run?: number;
  readonly all?: true;
  readonly json?: true;
  readonly csv?: true;
  readonly config?: string;
}

export function command(): Command {
  const report = new Command('report')
    .description('What a job did with its GPUs; what the fleet did.')
    .addHelpText('after', EXAMPLES);
  report
    .command('job')
    .description('the account of one job')
    .argument('<id>', "the job's id, as the scheduler prints it")
    .option('--run <n>', 'which run of a requeued job (default: the newest)', parseRun)
    .option('--all', 'every GPU in the table')
    .option('--json', 'all figures, base units, epoch microseconds')
    .option('--csv', 'one row per GPU')
    .option('--config <file>', 'configuration file')
    .action(async (jobId: string, options: JobOptions) => {
      await withStore(options, async ({ db, lanes }) => {
        const figures = await jobFigures(db, lanes, jobId, {
          nowUs: Date.now() * 1000,
          ...(options.run === undefined ? {} : { run: options.run }),
        });
        process.stdout.write(renderJobReport(figures, { ...terminal(), isWhole: options.all === true }));
      });
    });
  return report;
}

function parseRun(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('a run is a whole number from 0');
  return Number(text);
}

function terminal(): { width: number; isColored: boolean } {
  return {
    width: process.stdout.columns || 100,
    isColored: process.stdout.isTTY && process.stdout.hasColors(),
  };
}

async function withStore(
  options: { readonly config?: string },
  work: (store: Store) => Promise<void>,
): Promise<void> {
  const { config } = await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    env: process.env,
    flags: {},
  });
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
  });
  try {
    await work({ db, lanes: config.lanes });
  } finally {
    await db.close();
  }
}
