import { isDeepStrictEqual } from 'node:util';
import { askFleetPage, fleetPageHtml } from '../../src/fleet-page/page.ts';
import { addsUp, askYear, toldAnswer, trueAnswers, YEAR_QUESTIONS } from '../year/check-year.ts';
import type { QueueFigures } from '../../src/figures/queue/figures.ts';
import { askQueue, toldQueue } from '../year/check-queue.ts';
import { fillYear, yearLane } from '../year/fill-year.ts';
import { endUsOf, type Year } from '../year/plan.ts';
import { trueQueue } from '../year/queue-truth.ts';
import { startBenchServer, type BenchServer } from './bench-server.ts';
import { median, type Bench, type Measurement } from './measurement.ts';

/** How long the year is, as a part of a real one: for trying the bench itself. */
const PART = Number(process.env['GPULEDGER_BENCH_YEAR_PART'] ?? 1);
const DAYS = Math.max(60, Math.round(365 * PART));
const YEAR: Year = { gpus: 1000, days: DAYS, startUs: Date.UTC(2025, 0, 1) * 1000 };
/** A week of it. */
const QUEUE_HOURS = [1005, 1173] as const;
const ROUNDS = 3;
const TABLE_SECONDS_MAX = 1;
const PAGE_SECONDS_MAX = 3;

function say(words: string): void {
  process.stderr.write(`  ${new Date().toISOString().slice(11, 19)} ${words}\n`);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

/** Turn by turn with a plain sum of the same days; once warmed up. */
async function measured(
  name: string,
  secondsMax: number,
  { db }: BenchServer,
  work: () => Promise<unknown>,
): Promise<Measurement> {
  const plain = async (): Promise<unknown> => await db.exec('SELECT gpu, sum(dt_us) FROM gpu_profiling_1d');
  const firstSeconds = await seconds(work);
  const [values, baselines]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    values.push(await seconds(work));
    baselines.push(await seconds(plain));
  }
  const [value, baseline] = [median(values), median(baselines)];
  say(
    `${name}: first ${firstSeconds.toFixed(2)} s, then ${value.toFixed(2)} s beside ${baseline.toFixed(3)} s`,
  );
  const goal = { text: `≤ ${secondsMax} s`, isMet: value <= secondsMax };
  return { name, value, unit: 's', baseline, goal };
}

async function measure(): Promise<readonly Measurement[]> {
  const server = await startBenchServer(600_000);
  try {
    say(`${YEAR.gpus} GPUs, ${YEAR.days} days`);
    await fillYear(server.db, YEAR, say);
    say('counting the truth hour by hour');
    const truths = trueAnswers(YEAR, YEAR_QUESTIONS);
    const found: Measurement[] = [];
    for (const [at, question] of YEAR_QUESTIONS.entries()) {
      const figures = await askYear(server.db, YEAR, question);
      const name = [...question.names, ...(question.every === undefined ? [] : [question.every])].join('_');
      if (!addsUp(figures) || !isDeepStrictEqual(toldAnswer(figures), truths[at]))
        throw new Error(`by ${name}: not what the plan says`);
      found.push(
        await measured(
          `year_by_${name}`,
          TABLE_SECONDS_MAX,
          server,
          async () => await askYear(server.db, YEAR, question),
        ),
      );
    }
    const [fromHour, toHour] = QUEUE_HOURS;
    const queue = async (): Promise<QueueFigures> => await askQueue(server.db, YEAR, fromHour, toHour);
    if (!isDeepStrictEqual(toldQueue(await queue()), trueQueue(YEAR, fromHour, toHour)))
      throw new Error('the queue of a week: not what the plan says');
    found.push(await measured('year_queue_of_week', TABLE_SECONDS_MAX, server, queue));
    const window = { fromUs: YEAR.startUs, toUs: endUsOf(YEAR) };
    // Whole, with forecast, failures, queue, sizes and nodes.
    const page = async (): Promise<string> =>
      fleetPageHtml(await askFleetPage(server.db, { lanes: [yearLane] }, { ...window, by: 'account' }));
    return [...found, await measured('year_page', PAGE_SECONDS_MAX, server, page)];
  } finally {
    await server.close();
  }
}

/** A planner's year of four clusters and three models, of which every figure is held against its plan. */
export const yearBench: Bench = {
  name: 'year',
  about:
    'report capacity over a year of 1,000 GPUs and some 400,000 jobs, and report queue of a week of it, beside the sum of its days by GPU',
  measure,
};
