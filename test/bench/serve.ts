import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import type { Lane } from '../../src/core/fields/lane.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { readPageAssets } from '../../src/report/page/assets.ts';
import { renderJobPage } from '../../src/report/page/job-page.ts';
import { openBrowser } from '../pages/browser.ts';
import { fillStore, type FilledStore } from './filled-store.ts';
import { interleave, median, type Bench, type Measurement } from './measurement.ts';
import { END_US, JOB_ID, jobOnFirst, laneEvery } from './reports.ts';

const ROUNDS = 9;
const LARGE = { gpus: 512, days: 3, intervalMs: 60_000 } as const;
const FINE = { gpus: 16, hours: 2, intervalMs: 100 } as const;
/** What is zoomed into, seconds: 4,800 samples of sixteen devices. */
const ZOOM_SECONDS = 30;
const OPEN_MS_MAX = 1000;
const ANSWER_MS_MAX = 300;

const READERS = 50;
/** As two thousand devices make that are sampled ten times a second. */
const INGEST = { rowsPerSecond: 20_000, batchRows: 5_000, seconds: 10 } as const;
const INGEST_RATIO_MIN = 0.95;

function say(words: string): void {
  process.stderr.write(`  ${new Date().toISOString().slice(11, 19)} ${words}\n`);
}

/** `gpuledger serve` over a store, as users run it. */
interface Serving {
  readonly url: string;
  stop(): Promise<void>;
}

async function startServing({ server }: FilledStore, lane: Lane): Promise<Serving> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  const config = join(directory, 'gpuledger.yaml');
  const fields = lane.fields.map(({ id }) => id).join(', ');
  writeFileSync(
    config,
    `lanes:\n  - { name: ${lane.name}, interval: ${lane.intervalMs}ms, fields: [${fields}] }\n`,
  );
  const child = spawn(
    process.execPath,
    ['bin/gpuledger.js', 'serve', '--config', config, '--listen', '127.0.0.1:0'],
    { env: { ...process.env, QDB_CLIENT_CONF: server.conf }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const url = await firstUrl(child);
  return {
    url,
    stop: async () => {
      const gone = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await gone;
      rmSync(directory, { recursive: true });
    },
  };
}

async function firstUrl({ stderr }: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: stderr! })) {
    const [, url] = / at (http:\/\/\S+:\d+)\//.exec(line) ?? [];
    if (url !== undefined) return url;
    say(line);
  }
  throw new Error('gpuledger serve ended before it listened');
}

/** Milliseconds until the first byte of an answer, whose reader leaves then. */
async function firstByteMs(url: string): Promise<number> {
  const startMs = performance.now();
  return await new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (answer) => {
      answer.once('data', () => {
        resolve(performance.now() - startMs);
        request.destroy();
      });
      answer.on('error', () => undefined); // its own leaving
      if (answer.statusCode !== 200) reject(new Error(`${url}: ${answer.statusCode}`));
    });
    request.on('error', reject);
  });
}

/** Milliseconds until the last one. */
async function wholeMs(url: string): Promise<number> {
  const startMs = performance.now();
  const answer = await fetch(url);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return performance.now() - startMs;
}

const met = (name: string, times: { value: number; baseline: number }, msMax: number): Measurement => {
  say(`${name}: ${times.value.toFixed(0)} ms beside ${times.baseline.toFixed(0)} ms`);
  return {
    ...{ name, ...times, unit: 'ms' },
    goal: { text: `≤ ${msMax} ms`, isMet: times.value <= msMax },
  };
};

/** The same question asked of the store itself. */
function storeUrl({ server }: FilledStore, sql: string): string {
  const [, address] = /addr=([^;]+);/.exec(server.conf)!;
  return `http://${address}/exec?${new URLSearchParams({ query: sql }).toString()}`;
}

/** The page of a large job as a file: from the address to drawn charts. */
async function measureOpening(store: FilledStore, lane: Lane, browser: Browser): Promise<Measurement> {
  const account = await accountOf(store.server.db, [lane], JOB_ID, {
    nowUs: Date.now() * 1000,
    isDrawn: true,
  });
  if (account.of !== 'job') throw new Error('expected a job');
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  const [path, empty] = [join(directory, 'job.html'), join(directory, 'empty.html')];
  const page = renderJobPage(account.figures, { assets: readPageAssets(), version: 'bench' });
  writeFileSync(path, page);
  writeFileSync(empty, '<!doctype html><title>empty</title>');
  say(`page of ${LARGE.gpus} GPUs: ${Math.round(page.length / 1000)} kB`);
  const openMs = async (file: string): Promise<number> => {
    const tab = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const startMs = performance.now();
    await tab.goto(`file://${file}`, { waitUntil: 'load' });
    const tookMs = performance.now() - startMs;
    await tab.close();
    return tookMs;
  };
  try {
    await openMs(path);
    const times = await interleave(
      ROUNDS,
      async () => await openMs(path),
      async () => await openMs(empty),
    );
    return met('serve_page_open', times, OPEN_MS_MAX);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measureLarge(browser: Browser): Promise<Measurement[]> {
  const { gpus, days, intervalMs } = LARGE;
  const lane = laneEvery(intervalMs);
  const startUs = END_US - days * 86_400e6;
  say(`${gpus} GPUs, ${days} days, a sample a minute`);
  const { jobIdSql, jobs } = jobOnFirst(gpus, gpus, startUs);
  const store = await fillStore({ lane, gpus, startUs, ticks: days * 1440, jobIdSql }, jobs, say);
  const serving = await startServing(store, lane);
  try {
    const opening = await measureOpening(store, lane, browser);
    const page = `${serving.url}/job/${JOB_ID}`;
    const plain = storeUrl(store, `SELECT sum(dt_us) FROM ${lane.table} WHERE job_id = '${JOB_ID}'`);
    await firstByteMs(page);
    const first = await interleave(
      ROUNDS,
      async () => await firstByteMs(page),
      async () => await firstByteMs(plain),
    );
    return [
      opening,
      met('serve_job_first_byte', first, ANSWER_MS_MAX),
      { name: 'serve_job_whole', value: await wholeMs(page), unit: 'ms', baseline: await wholeMs(plain) },
    ];
  } finally {
    await serving.stop();
    await store.close();
  }
}

async function measureFine(): Promise<Measurement[]> {
  const { gpus, hours, intervalMs } = FINE;
  const lane = laneEvery(intervalMs);
  const startUs = END_US - hours * 3600e6;
  say(`${gpus} GPUs, ${hours} hours, ten samples a second`);
  const { jobIdSql, jobs } = jobOnFirst(gpus, gpus, startUs);
  const ticks = (hours * 3600e3) / intervalMs;
  const store = await fillStore({ lane, gpus, startUs, ticks, jobIdSql }, jobs, say);
  const serving = await startServing(store, lane);
  try {
    let turn = 0;
    const span = (): { fromUs: number; toUs: number } => {
      turn += 1;
      const fromUs = startUs + ((turn * 7919) % (hours * 3600 - ZOOM_SECONDS)) * 1e6;
      return { fromUs, toUs: fromUs + ZOOM_SECONDS * 1e6 };
    };
    const zoomUrl = (): string => {
      const { fromUs, toUs } = span();
      return `${serving.url}/api/v1/jobs/${JOB_ID}/window?from=${fromUs}&to=${toUs}`;
    };
    const columns = lane.fields.map(({ column }) => column).join(', ');
    const plainUrl = (): string => {
      const { fromUs, toUs } = span();
      return storeUrl(
        store,
        `SELECT ts, gpu, ${columns} FROM ${lane.table} WHERE job_id = '${JOB_ID}' AND ts > ${quoteTime(fromUs)} AND ts <= ${quoteTime(toUs)}`,
      );
    };
    await wholeMs(zoomUrl());
    const zoom = await interleave(
      ROUNDS,
      async () => await wholeMs(zoomUrl()),
      async () => await wholeMs(plainUrl()),
    );
    return [met('serve_zoom', zoom, ANSWER_MS_MAX), ...(await measureReaders(store, serving, zoomUrl))];
  } finally {
    await serving.stop();
    await store.close();
  }
}

/** How fast rows are taken that come at an even pace. */
interface Ingested {
  readonly rowsPerSecond: number;
  readonly ackMs: number;
}

async function ingest({ server: { db } }: FilledStore, lane: Lane): Promise<Ingested> {
  const { rowsPerSecond, batchRows, seconds } = INGEST;
  const everyMs = (1000 * batchRows) / rowsPerSecond;
  const column = lane.fields[0]!.column;
  const acks: number[] = [];
  const startMs = performance.now();
  for (let batch = 0; batch < (seconds * 1000) / everyMs; batch += 1) {
    const wallUs = Math.floor(Date.now() * 1000);
    const lines = Array.from(
      { length: batchRows },
      (_, row) => `${lane.table},node=n1,gpu=GPU-${row} ${column}=0.5,dt_us=100000i ${wallUs + row}000\n`,
    );
    const body = Buffer.from(lines.join(''));
    const sentMs = performance.now();
    const { unsent } = await db.send({ table: lane.table, body, rows: batchRows });
    if (unsent !== undefined) throw new Error(unsent.reason);
    acks.push(performance.now() - sentMs);
    await sleep(Math.max(0, startMs + (batch + 1) * everyMs - performance.now()));
  }
  const rows = acks.length * batchRows;
  return { rowsPerSecond: (rows * 1000) / (performance.now() - startMs), ackMs: median(acks) };
}

interface Answers {
  whole: number;
  /** Given up after two minutes, or turned away: what the bounds are for. */
  cut: number;
}

/** Each asks again as soon as it is answered: pages, and parts of them closely. */
async function readOn(
  serving: Serving,
  zoomUrl: () => string,
  answers: Answers,
  isOver: () => boolean,
): Promise<void> {
  for (let turn = 0; !isOver(); turn += 1) {
    try {
      const answer = await fetch(turn % 5 === 0 ? `${serving.url}/job/${JOB_ID}` : zoomUrl());
      await answer.arrayBuffer();
      answers[answer.ok ? 'whole' : 'cut'] += 1;
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown; // fetch tells so that an answer ended before its end
      answers.cut += 1;
    }
  }
}

async function measureReaders(
  store: FilledStore,
  serving: Serving,
  zoomUrl: () => string,
): Promise<Measurement[]> {
  const lane = { ...laneEvery(100), name: 'ingested', table: 'gpu_ingested' };
  await applySchema(store.server.db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  say('rows that come at an even pace, alone and beside readers');
  await ingest(store, lane);
  const [alone, beside]: [Ingested[], Ingested[]] = [[], []];
  const answers: Answers = { whole: 0, cut: 0 };
  for (let round = 0; round < 3; round += 1) {
    alone.push(await ingest(store, lane));
    let isOver = false;
    const readers = Array.from({ length: READERS }, async () => {
      await readOn(serving, zoomUrl, answers, () => isOver);
    });
    beside.push(await ingest(store, lane));
    isOver = true;
    await Promise.all(readers);
  }
  say(`${READERS} readers had ${answers.whole} answers, and ${answers.cut} that were turned away or cut off`);
  const of = (key: keyof Ingested): { value: number; baseline: number } => ({
    value: median(beside.map((one) => one[key])),
    baseline: median(alone.map((one) => one[key])),
  });
  const rate = of('rowsPerSecond');
  return [
    {
      ...{ name: 'serve_ingest_beside_readers', ...rate, unit: 'rows/s' },
      goal: {
        text: `ratio ≥ ${INGEST_RATIO_MIN}`,
        isMet: rate.value / rate.baseline >= INGEST_RATIO_MIN,
      },
    },
    { name: 'serve_ingest_ack_beside_readers', ...of('ackMs'), unit: 'ms' },
  ];
}

async function measure(): Promise<Measurement[]> {
  const browser = await openBrowser();
  try {
    return [...(await measureLarge(browser)), ...(await measureFine())];
  } finally {
    await browser.close();
  }
}

export const serveBench: Bench = {
  name: 'serve',
  about: `pages of ${LARGE.gpus} GPUs and samples of ${FINE.gpus}, beside the store's own answers; rows taken beside ${READERS} readers, and alone`,
  measure,
};
