/**
 * Goal: a forecast is made from what was owned in whole weeks; a week that nobody saw is unknown; what waited counts where it is known;
 * and the report says so, whatever there is. Method: clusters of some GPUs made by hand in a real QuestDB, of which each week's
 * amounts are counted here, and the command as users have it.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { forecastOf } from '../../src/core/forecast/forecast.ts';
import type { ForecastFigures } from '../../src/figures/forecast/figures.ts';
import { forecastFigures } from '../../src/figures/forecast/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { forecastCsv, forecastJson } from '../../src/report/forecast/forecast-json.ts';
import { renderForecastReport } from '../../src/report/forecast/forecast-text.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

const HOUR = 3600e6;
const WEEK = 168 * HOUR;
/** A Monday, 20 weeks before the week in which it is asked. */
const FIRST = Date.UTC(2026, 0, 5) * 1000;
const WEEKS = 20;
const NOW = FIRST + WEEKS * WEEK + 50 * HOUR;
/** Each sample speaks for so long, and a week has 28 of them. */
const STEP = 6 * HOUR;

const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: STEP / 1000,
  fields: [findField(1002)!],
  capacityTicks: 100,
};

interface Fleet {
  readonly gpus: number;
  /** Its first week. */
  readonly from: number;
  /** Of the 28 samples of each GPU in a week so many are owned. */
  readonly owned: (week: number) => number;
  /** And so many are there. */
  readonly seen?: (week: number) => number;
}

const FLEETS: Readonly<Record<string, Fleet>> = {
  /** A sample of each GPU more each week: full in week 20. */
  rising: { gpus: 4, from: 0, owned: (week) => 8 + week },
  holed: {
    ...{ gpus: 2, from: 0, owned: () => 14 },
    seen: (week) => (week === 9 ? 0 : week === 12 ? 20 : week === 15 ? 24 : 28),
  },
  young: { gpus: 1, from: 15, owned: () => 10 },
  stepped: { gpus: 2, from: 0, owned: (week) => (week < 9 ? 6 + (week % 2) : 20 + (week % 2)) },
  fresh: { gpus: 2, from: 0, owned: (week) => (week < 14 ? 6 + (week % 2) : 20 + (week % 2)) },
};

/** Owned samples are the last ones of a week, so that those that nobody saw, at its end, are owned ones. */
function samplesOf(cluster: string, { gpus, from, owned, seen = () => 28 }: Fleet): Row[] {
  const rows: Row[] = [];
  for (let week = from; week <= WEEKS; week += 1)
    for (let gpu = 0; gpu < gpus; gpu += 1)
      for (let at = 0; at < seen(week); at += 1) {
        const ts = FIRST + week * WEEK + at * STEP + STEP / 2;
        if (ts > NOW) continue;
        const isOwned = at < owned(week);
        rows.push({
          ...{ ts, cluster, node: `${cluster}-n1`, gpu: `GPU-${cluster}-${gpu}`, dt_us: STEP },
          ...{
            owners: isOwned ? 1 : 0,
            sm_active_ratio: 0.5,
            ...(isOwned ? { job_id: `${cluster}-1` } : {}),
          },
        });
      }
  return rows;
}

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  for (const [cluster, fleet] of Object.entries(FLEETS))
    await insertRows(db, lane.table, samplesOf(cluster, fleet));
  await waitForRollups(db, [lane], NOW - 3 * STEP);
});

afterAll(async () => {
  await db.close();
  await server.stop();
});

async function figuresOf(cluster?: string, horizonWeeks = 12): Promise<ForecastFigures> {
  const asked = { fromUs: NOW - 52 * WEEK, toUs: NOW, horizonWeeks };
  return await forecastFigures(db, [lane], { ...asked, ...(cluster === undefined ? {} : { cluster }) });
}

const textOf = (figures: ForecastFigures, width = Infinity): string =>
  renderForecastReport(figures, { width, isColored: false });

describe('the history', () => {
  test('is what was owned, seen and there in each whole week, from the first one on', async () => {
    const { weeks, devices, basis } = await figuresOf('rising');
    expect({ devices, basis }).toEqual({ devices: 4, basis: 'owned' });
    // The first sample is of three hours after the week's begin, so nobody knows of all of it.
    const counted = Array.from({ length: WEEKS - 1 }, (_, at) => {
      const ownedUs = 4 * FLEETS['rising']!.owned(at + 1) * STEP;
      return {
        startUs: FIRST + (at + 1) * WEEK,
        ownedUs,
        sampledUs: 4 * WEEK,
        knownUs: 4 * WEEK,
        demandUs: ownedUs,
      };
    });
    expect(weeks.map(({ unmetUs: _, ...week }) => week)).toEqual(counted);
    expect(new Set(weeks.map(({ unmetUs }) => unmetUs))).toEqual(new Set([undefined]));
  });

  test('of a week of which too little was seen is unknown, and of one with small holes what was seen stands for all', async () => {
    const { weeks, forecast } = await figuresOf('holed');
    const byWeek = new Map(weeks.map((week) => [Math.round((week.startUs - FIRST) / WEEK), week]));
    expect(byWeek.get(9)).toMatchObject({ sampledUs: 0, ownedUs: 0, demandUs: undefined });
    expect(byWeek.get(12)?.demandUs).toBeUndefined();
    expect(byWeek.get(15)?.ownedUs).toBe(2 * 14 * STEP);
    expect(byWeek.get(15)?.demandUs).toBeCloseTo((2 * 14 * STEP * 28) / 24, 3);
    expect(forecast.weeksUsed).toBe(WEEKS - 1 - 2);
    // Neither hole makes less of what comes.
    for (const { low } of forecast.weeks) expect(low).toBeGreaterThan(0.7 * 2 * 14 * STEP);
  });

  test('of all clusters is the sum of theirs', async () => {
    const all = await figuresOf();
    const own = await Promise.all(Object.keys(FLEETS).map(async (cluster) => await figuresOf(cluster)));
    const ownedIn = ({ weeks }: ForecastFigures, startUs: number): number =>
      weeks.find((week) => week.startUs === startUs)?.ownedUs ?? 0;
    for (const { startUs, ownedUs } of all.weeks.filter(({ startUs }) => startUs > FIRST + 15 * WEEK))
      expect(ownedUs).toBe(own.reduce((sum, one) => sum + ownedIn(one, startUs), 0));
  });
});

describe('the forecast', () => {
  test('is that of the counted history, and short when it passes what there is', async () => {
    const { forecast, shortage, capacityUs } = await figuresOf('rising');
    const history = Array.from({ length: WEEKS - 1 }, (_, at) => 4 * FLEETS['rising']!.owned(at + 1) * STEP);
    expect(forecast).toEqual(forecastOf(history, 12));
    expect(capacityUs).toBe(4 * WEEK);
    // 28 samples of a week are all of it; from the week after that on it takes more GPUs than there are.
    for (const week of Object.values(shortage!)) expect([19, 20]).toContain(week);
  });

  test('is from after a step, and not at all where that is too young', async () => {
    const stepped = await figuresOf('stepped');
    expect(stepped.forecast).toMatchObject({ step: { week: 8 }, weeksUsed: 11, refusal: undefined });
    const fresh = await figuresOf('fresh');
    expect(fresh.forecast).toMatchObject({ step: { week: 13 }, weeksUsed: 6, refusal: 'few_since_step' });
    expect(fresh.shortage).toBeUndefined();
  });

  test('looks no further ahead than was asked', async () => {
    expect((await figuresOf('rising', 3)).forecast.weeks).toHaveLength(3);
  });
});

describe('what waited', () => {
  const queued = (cluster: string, week: number, hours: number): Row[] => {
    const row = { ts: FIRST + week * WEEK + 100 * HOUR, cluster, partition: 'gpu', dt_us: hours * HOUR };
    return [
      { ...row, jobs: 0, gpus: 0, reason: '' },
      { ...row, dt_us: 10 * HOUR, jobs: 3, gpus: 2, reason: 'Resources' },
      { ...row, dt_us: 5 * HOUR, jobs: 1, gpus: 4, reason: 'Priority' },
      { ...row, dt_us: 50 * HOUR, jobs: 9, gpus: 8, reason: 'Dependency' },
      // An answer that was cut short: nothing tells that it is whole.
      { ...row, ts: row.ts - HOUR, dt_us: 50 * HOUR, jobs: 9, gpus: 8, reason: 'Resources' },
    ];
  };

  test('counts where the queue was asked for most of as many weeks as it takes, and else none of it', async () => {
    const weeks = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
    await insertRows(
      db,
      'queue_1m',
      weeks.flatMap((week) => queued('rising', week, week === 14 ? 100 : 168)),
    );
    await insertRows(
      db,
      'queue_1m',
      weeks.slice(4).flatMap((week) => queued('stepped', week, 168)),
    );
    const rising = await figuresOf('rising');
    expect(rising.basis).toBe('owned_and_unmet');
    expect(rising.weeks.map(({ startUs }) => (startUs - FIRST) / WEEK)).toEqual(weeks);
    for (const { startUs, ownedUs, unmetUs, demandUs } of rising.weeks) {
      // 3 jobs × 2 GPUs × 10 h and 1 × 4 × 5 h; what waits for another job is no demand.
      const waited = startUs === FIRST + 14 * WEEK ? undefined : 80 * HOUR;
      expect([unmetUs, demandUs]).toEqual([waited, waited === undefined ? undefined : ownedUs + waited]);
    }
    expect(rising.forecast.weeksUsed).toBe(9);
    expect(textOf(rising)).toContain('Demand is what jobs owned and what waited for GPUs meanwhile');
    const stepped = await figuresOf('stepped');
    expect(stepped.basis).toBe('owned');
    expect(stepped.weeks).toHaveLength(WEEKS - 1);
  });
});

describe('the report', () => {
  const validate = new Ajv2020({ strict: true }).compile(
    JSON.parse(readFileSync('infra/schemas/report-forecast.schema.json', 'utf8')) as object,
  );

  test.each(Object.keys(FLEETS))(
    'of %s fits its schema, and no line is wider than a terminal',
    async (cluster) => {
      const figures = await figuresOf(cluster);
      expect(validate(JSON.parse(forecastJson(figures))), JSON.stringify(validate.errors)).toBe(true);
      const rows = forecastCsv(figures).trimEnd().split('\n');
      expect(rows).toHaveLength(1 + figures.weeks.length + figures.forecast.weeks.length);
      for (const width of [60, 80, 100])
        expect(
          textOf(figures, width)
            .split('\n')
            .filter((line) => line.length > width),
        ).toEqual([]);
    },
  );

  test('says first when there will be too few, or why nobody can say', async () => {
    const flowing = async (cluster: string): Promise<string> =>
      textOf(await figuresOf(cluster)).replaceAll(/\s+/g, ' ');
    expect(await flowing('rising')).toContain(
      '4 GPUs Expected to be short of GPUs from 2026-05-25 on; by the upper bound of the interval from 2026-05-25 on, by the lower one from 2026-05-25 on. ',
    );
    expect(await flowing('holed')).toContain(
      '2 GPUs Not expected to be short of GPUs within 12 weeks, nor by the upper bound of the interval. ',
    );
    expect(await flowing('holed')).toContain(
      'Of 2 weeks too little is known: unknown, which no method takes',
    );
    expect(await flowing('young')).toContain(
      '1 GPU No forecast: it takes 8 whole weeks of which demand is known, and there are 4. There will be enough on 2026-06-22, if the next 4 are seen. ',
    );
    expect(await flowing('fresh')).toContain('there are 6 since demand stepped in 2026-W16.');
    expect(await flowing('stepped')).toMatch(
      /Demand stepped from 78 GPU-hours to 246\.0 GPU-hours a week in 2026-W11: /,
    );
  });
});

describe('the command', () => {
  const forecast = async (...args: string[]): Promise<Ended> =>
    await runCommand(['report', 'forecast', '--to', '2026-05-27', ...args], {
      env: { QDB_CLIENT_CONF: server.conf },
    });

  test('prints the same', async () => {
    const { exitCode, stdout } = await forecast('--cluster', 'stepped', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(forecastJson(await figuresOf('stepped'))));
    const text = await forecast('--cluster', 'stepped');
    expect(text.stdout).toBe(textOf(await figuresOf('stepped')));
  });

  test.each([
    [['--horizon', '13w'], 64, 'expected 1w to 12w'],
    [['--horizon', '4'], 64, 'expected 1w to 12w'],
    [['--cluster', 'nowhere'], 64, 'no cluster "nowhere"'],
    [['--json', '--csv'], 64, 'cannot be used with'],
  ])('%j is refused', async (args, code, said) => {
    const { exitCode, stdout, stderr } = await forecast(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' });
    expect(stderr).toContain(said);
  });

  test('of a time without any samples has no weeks, and says so', async () => {
    const { exitCode, stdout } = await forecast('--to', '2020-01-01');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('No forecast: no whole week of this time was seen.');
  });
});
