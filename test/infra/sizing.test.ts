/**
 * Goal: docs/sizing.md says what the tables take. Method: a real QuestDB says which columns each table has, and what a closed day
 * takes on its disk; all tables of the page are computed again from these, the lanes and the page's own factors.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT } from '../helpers/run-process.ts';

const page = readFileSync(join(ROOT, 'docs/sizing.md'), 'utf8');
const BYTES: Readonly<Record<string, number>> = { TIMESTAMP: 8, LONG: 8, DOUBLE: 8, SYMBOL: 4, VARCHAR: 16 };
const GPUS_OF_NODE = 8;
const DAY_S = 86_400;

let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 120_000 });
  await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

async function bytesOf(table: string): Promise<number> {
  const { rows } = await db.exec(`SELECT type FROM table_columns('${table}')`);
  expect(rows.length).toBeGreaterThan(0);
  return rows.reduce((sum, [type]) => sum + BYTES[String(type)]!, 0);
}

/** Cells of the row of the page that begins with these words. */
function cells(begin: string): string[] {
  const line = page.split('\n').find((one) => one.startsWith(`| ${begin} |`));
  expect(line, begin).toBeDefined();
  return line!
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('**', ''));
}
const number = (text: string): number => Number(text.replaceAll(',', ''));
const rowsOf = (begin: string): number => Number.parseFloat(cells(begin)[1]!.replaceAll(',', ''));

/** As the page writes MB: `29 GB`, `2.91 TB`. */
function size(megabytes: number): string {
  if (megabytes < 10_000) return `${(megabytes / 1e3).toFixed(1)} GB`;
  if (megabytes < 999_500) return `${(megabytes / 1e3).toFixed(0)} GB`;
  return `${(megabytes / 1e6).toPrecision(3)} TB`;
}

test('bytes a row', async () => {
  expect(page).toContain('60 + 8 × fields bytes a row, 16 more with the energy counter');
  for (const lane of defaultLanes) {
    const energy = lane.fields.some(({ column }) => column === 'energy_joules') ? 16 : 0;
    expect(await bytesOf(lane.table)).toBe(60 + 8 * lane.fields.length + energy);
    expect(number(cells(`\`${lane.table}\``)[1]!)).toBe(await bytesOf(lane.table));
    const told = cells(`\`${lane.table}_1m\`, \`_1h\`, \`_1d\``)[1]!;
    for (const every of ['1m', '1h', '1d'])
      expect(number(told)).toBe(await bytesOf(`${lane.table}_${every}`));
  }
  const { rows } = await db.exec("SELECT table_name FROM tables() WHERE table_name LIKE '%_hist_1%'");
  expect(rows).toHaveLength(8);
  for (const [name] of rows) expect(await bytesOf(String(name))).toBe(number(cells('each histogram')[1]!));
  for (const name of ['collector_stats', 'job_figures'])
    expect(number(cells(`\`${name}\``)[1]!)).toBe(await bytesOf(name));
});

test('a closed day takes on disk what its columns say', async () => {
  const { rows } = await db.exec('SELECT "column", type FROM table_columns(\'gpu_profiling\')');
  const value: Readonly<Record<string, string>> = {
    TIMESTAMP: "dateadd('T', cast(x * 250 as int), '2026-10-05')",
    SYMBOL: `'s' || x % 8`,
    VARCHAR: `cast(1000000 + x % 40 as varchar)`,
    LONG: 'x',
    DOUBLE: 'x * 0.001',
  };
  // A quarter of a second each: the last ones lie in the next day, and close the first.
  await db.exec(
    `INSERT INTO gpu_profiling SELECT ${rows.map(([, type]) => value[String(type)]).join(', ')} FROM long_sequence(350_000)`,
  );
  await waitForVisible(db, 'gpu_profiling');
  const partitions = async (): Promise<readonly unknown[]> =>
    (await db.exec("SELECT numRows, diskSize FROM table_partitions('gpu_profiling')")).rows[0]!;
  const [count, disk] = (await partitions()).map(Number);
  expect(count).toBe(4 * DAY_S - 1);
  const exact = count! * (await bytesOf('gpu_profiling'));
  expect(disk! / exact).toBeGreaterThanOrEqual(1);
  expect(disk! / exact).toBeLessThan(1.02);
});

/** Bytes a GPU and day, by what is kept how long. */
async function bytesADay(): Promise<Record<'samples' | 'minutes' | 'hours' | 'days' | 'stats', number>> {
  const lanes = await Promise.all(defaultLanes.map(async ({ table }) => await bytesOf(table)));
  const rollups = await Promise.all(defaultLanes.map(async ({ table }) => await bytesOf(`${table}_1m`)));
  const rollup = rollups.reduce((sum, bytes) => sum + bytes, 0);
  const histogram = number(cells('each histogram')[1]!);
  return {
    samples: lanes.reduce(
      (sum, bytes, index) => sum + (bytes * DAY_S * 1000) / defaultLanes[index]!.intervalMs,
      0,
    ),
    minutes: 1440 * rowsOf('rollups of the minute') * rollup,
    hours: 24 * (rowsOf('rollups of the hour') * rollup + rowsOf('histograms of the hour') * histogram),
    days: rowsOf('rollups of the day') * rollup + rowsOf('histograms of the day') * histogram,
    stats: (rowsOf('reports of collectors') * (await bytesOf('collector_stats'))) / GPUS_OF_NODE,
  };
}

test('rows a day follow from the lanes', () => {
  const samples = defaultLanes.map(({ intervalMs }) => (DAY_S * 1000) / intervalMs);
  expect(cells('samples')[1]!.split(' + ').map(number)).toEqual(samples);
  expect(rowsOf('reports of collectors')).toBe((defaultLanes.length * DAY_S) / 10);
  const aSecond = samples.reduce((sum, rows) => sum + rows, 0) / DAY_S;
  const perNode = (defaultLanes.length * 0.1) / GPUS_OF_NODE;
  const told = cells('rows a second').slice(1).map(number);
  expect(told).toEqual(
    [100, 1000, 10_000].map((gpus) => Number((gpus * (aSecond + perNode)).toPrecision(3))),
  );
});

test('bytes on the network, connections, and how long a spool lasts', () => {
  const wire = /A row of the three lanes is ([\d,]+), ([\d,]+) and ([\d,]+) bytes/
    .exec(page)!
    .slice(1)
    .map(number);
  const aSecond = wire.reduce(
    (sum, bytes, index) => sum + (bytes * 1000) / defaultLanes[index]!.intervalMs,
    0,
  );
  const told = cells('bytes a second on the network').slice(1);
  expect(told).toEqual([
    ...[100, 1000].map((gpus) => `${Math.round((gpus * aSecond) / 1e3)} kB`),
    `${((10_000 * aSecond) / 1e6).toFixed(1)} MB`,
  ]);
  const nodes = [100, 1000, 10_000].map((gpus) => Math.ceil(gpus / GPUS_OF_NODE));
  expect(cells('connections of collectors').slice(1).map(number)).toEqual(nodes);
  const spoolDays = 2 ** 31 / (GPUS_OF_NODE * wire[0]!) / DAY_S;
  expect(page).toContain(`with 8 GPUs the first lane has room for ${spoolDays.toFixed(1)} days`);
});

test('the disk of 100, 1,000 and 10,000 GPUs', async () => {
  const day = await bytesADay();
  const year = { ...day, samples: day.samples * 14, minutes: day.minutes * 90, stats: day.stats * 14 };
  year.hours *= 365;
  year.days *= 365;
  const all = Object.values(year).reduce((sum, bytes) => sum + bytes, 0);
  const lines: readonly [string, number][] = [
    ['samples, 14 days', year.samples],
    ['minutes, 90 days', year.minutes],
    ['hours, a year of three', year.hours],
    ['days, a year', year.days],
    ['`collector_stats`, 14 days', year.stats],
    ['**all**', all],
    ['each year more, until the hours are three years old', year.hours + year.days],
    ['samples for a year instead (`retention.raw: 1y`), more', day.samples * (365 - 14)],
  ];
  for (const [begin, bytes] of lines) {
    const megabytes = bytes / 1e6;
    expect(cells(begin).slice(1), begin).toEqual([
      Math.round(megabytes).toLocaleString('en'),
      ...[100, 1000, 10_000].map((gpus) => size(megabytes * gpus)),
    ]);
  }
});
