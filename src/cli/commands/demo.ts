import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { OperatingError } from '../../core/base/errors.ts';
import { HOUR_US } from '../../core/base/hour.ts';
import { PLAY_BATCH_ROWS } from '../../core/fields/limits.ts';
import { defaultLanes } from '../../core/fields/lane.ts';
import { createScenario } from '../../core/synthetic/create-scenario.ts';
import type { ScenarioOptions } from '../../core/synthetic/scenario.ts';
import { playScenario } from '../../collector/play.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { endProcess } from '../../server/process.ts';
import { startServer, type RunningServer } from '../../server/server.ts';
import { readLiveState } from '../../server/state.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../questdb/visible.ts';
import { ownStateDir } from '../../disk/state-dir.ts';
import { createJobFiguresWriter } from '../../job-map/job-figures.ts';
import { emptyDemoDirectory } from '../demo-directory.ts';
import { demoReports } from '../demo-reports.ts';
import { writeCapacityPage, writeJobPage } from '../report/write-page.ts';
import { directoryArgument } from '../directory-argument.ts';
import { createLog } from '../log.ts';
import { startStep } from '../progress.ts';
import { stopSignal } from '../stop-signal.ts';
import { terminalStyle } from '../terminal.ts';

/** Rollups are computed some seconds after a period's end: the demo's last hour has to be over for a while. */
const PAST_US = 120_000_000;

/** The defaults of the configuration, as QuestDB writes them. */
const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '3 YEARS', rollup1d: '' };

const EXAMPLES = `
Examples:
  gpuledger demo                 play, report, stop the server, leave the data
  gpuledger demo --keep          leave the server running: look around in its console
  gpuledger demo --serve         look at its pages in a browser, until Ctrl-C
  gpuledger demo --seed 7        other jobs' noise, other devices

The GPUs are synthetic; everything else (ring, labels, encoder, QuestDB, rollups, reports) is what a node runs.
`;

interface DemoOptions {
  readonly keep?: true;
  readonly serve?: true;
  readonly seed: number;
  readonly data?: string;
}

export function command(): Command {
  return new Command('demo')
    .description('Play six hours of a synthetic cluster into a real QuestDB and report them.')
    .option('--keep', 'leave the QuestDB server running')
    .option('--serve', 'serve its pages until told to stop')
    .option('--seed <n>', 'which synthetic cluster', parseSeed, 1)
    .option('--data <dir>', 'where the demo keeps its database; it is wiped first', directoryArgument)
    .addHelpText('after', EXAMPLES)
    .action(async (options: DemoOptions) => {
      await demo(options);
    });
}

function parseSeed(text: string): number {
  if (!/^\d{1,9}$/.test(text))
    throw new InvalidArgumentError('a seed is a whole number of at most nine digits');
  return Number(text);
}

async function demo(options: DemoOptions): Promise<void> {
  const isKept = options.keep === true;
  const dataDir = options.data ?? join(ownStateDir(), 'demo');
  const endUs = Math.floor((Date.now() * 1000 - PAST_US) / HOUR_US) * HOUR_US;
  const scenario = createScenario({
    kind: 'demo',
    seed: options.seed,
    nodes: 2,
    gpusPerNode: 8,
    startUs: endUs - 6 * HOUR_US,
  });
  const jobCount = new Set(scenario.jobsBetween(scenario.startUs, endUs).map((job) => job.jobId)).size;
  const endText = `${new Date(endUs / 1000).toISOString().slice(11, 16)} UTC`;
  say(
    `${bold('gpuledger demo')} · synthetic GPUs: 2 nodes x 8 H200, ${jobCount} jobs, six hours until ${endText}\n`,
  );
  await freeDataDirectory(dataDir);
  const server = await startDemoServer(dataDir, isKept);
  try {
    const gpus = scenario.devices.map(({ uuid }) => uuid);
    await fill(server, scenario.options, gpus, endUs);
    const db = await openQuestDb(server.clientConf, { requestTimeoutMs: 60_000 });
    try {
      const style = terminalStyle();
      const window = { fromUs: scenario.startUs, toUs: endUs };
      const { text, jobs, capacity } = await demoReports(db, defaultLanes, window, style);
      say(`\n${text}\n`);
      for (const { figures, looks } of jobs) {
        const path = join(dataDir, `job-${figures.job.jobId}.html`);
        process.stdout.write(writeJobPage(figures, looks, path));
      }
      process.stdout.write(writeCapacityPage({ figures: capacity }, join(dataDir, 'fleet.html')));
    } finally {
      await db.close();
    }
    if (options.serve === true) await serveUntilStopped(server, dataDir);
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
  say(`\nLook around: ${lookAround(server, dataDir, isKept)}`);
  say('On real GPUs: npx gpuledger run --help');
  if (!isKept) await server.stop();
}

/** From here on a signal is no longer the end of all, but of the pages. */
async function serveUntilStopped({ clientConf, httpUrl }: RunningServer, dataDir: string): Promise<void> {
  const stopped = stopSignal();
  const { openDemoPages } = await import('../serve/demo-pages.ts');
  const { url, close } = await openDemoPages(dataDir, clientConf);
  say(`\nIts pages: ${bold(url)}, such as ${url}job/4217\nIts store: ${httpUrl}\nCtrl-C stops both.`);
  await stopped;
  await close();
}

/** Ends a server that an earlier `--keep` left, then wipes. A demo that is under way is not disturbed. */
async function freeDataDirectory(dataDir: string): Promise<void> {
  const live = await readLiveState(dataDir);
  if (live?.life === 'private') {
    throw new OperatingError(
      `another demo is running on this data directory (its server has pid ${live.pid})`,
      {
        code: 'demo.running',
        exit: 'temporary',
        where: dataDir,
        hints: ['wait for it, or name another directory: --data DIR'],
      },
    );
  }
  if (live !== undefined) await endProcess(live.pid, live.processStartTicks);
  await emptyDemoDirectory(dataDir);
}

async function startDemoServer(dataDir: string, isKept: boolean): Promise<RunningServer> {
  const step = startStep('starting QuestDB');
  try {
    const server = await startServer({
      dataDir,
      life: isKept ? 'background' : 'private',
      onProgress: (message) => {
        step.update(message);
      },
    });
    step.done(
      `QuestDB ${server.version} (Java ${server.javaMajor}) on ${new URL(server.httpUrl).host}, data in ${dataDir}`,
    );
    return server;
  } catch (thrown) {
    step.fail('QuestDB did not start');
    throw thrown;
  }
}

/** Tables, samples, rollups, figures of ended jobs: each a step with its seconds. */
async function fill(
  server: RunningServer,
  scenario: ScenarioOptions,
  gpus: readonly string[],
  endUs: number,
): Promise<void> {
  const db = await openQuestDb(server.clientConf, { requestTimeoutMs: 60_000 });
  try {
    const schema = startStep('creating tables and rollups');
    await applySchema(db, defaultLanes, RETENTION);
    schema.done('tables and rollups');
    const samples = startStep('sampling');
    const startMs = performance.now();
    const lanes = await playScenario({
      scenario,
      endUs,
      lanes: defaultLanes,
      batchRows: PLAY_BATCH_ROWS,
      db,
      tell: createLog('human', 'warn'),
      onProgress: (rows) => {
        samples.update(`${rows.toLocaleString('en-US')} samples written`);
      },
    });
    for (const { table } of lanes) await waitForVisible(db, table);
    const rows = lanes.reduce((sum, lane) => sum + lane.acknowledgedRows, 0);
    const perSecond = Math.round(rows / (performance.now() - startMs));
    samples.done(
      `${rows.toLocaleString('en-US')} samples: sampled, labelled, written, visible`,
      `${perSecond} k/s`,
    );
    const rollups = startStep('waiting for the rollups');
    await waitForRollups(db, defaultLanes, endUs);
    rollups.done('rollups level with the samples');
    const figures = startStep('adding up the ended jobs');
    const tell = createLog('human', 'warn');
    await createJobFiguresWriter({ db, lanes: defaultLanes, gpus, nowUs: () => endUs, tell }).settle(endUs);
    figures.done('figures of the ended jobs, which outlive the samples');
  } finally {
    await db.close();
  }
}

function lookAround(server: RunningServer, dataDir: string, isKept: boolean): string {
  return isKept
    ? `${server.httpUrl}   (stop it: npx gpuledger questdb stop --data ${dataDir})`
    : `npx gpuledger questdb start --data ${dataDir}   (then open the console it prints)`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout });
}
