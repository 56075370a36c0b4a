/**
 * Goal: a bill is right to the cent and the second in every grouping, the same whenever it is asked for, and a new version with the
 * difference where facts came late. Method: two clusters in a real QuestDB over a month in which clocks are set, against a loop over the
 * same stays that shares no code with it; the command line where it prints.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { billReport } from '../../../schemas/reports/bill.ts';
import { issueBill, type BillOutcome, type BillQuestion } from '../../../src/cli/report/bill/issue-bill.ts';
import type { Config } from '../../../src/config/config.ts';
import { readMonth } from '../../../src/core/calendar/month.ts';
import { issuedFigures, unissuedFigures, type BillFigures } from '../../../src/figures/bill/bill-figures.ts';
import type { IssuedBill } from '../../../src/figures/bill/figures.ts';
import { BILL_GROUPINGS, billTotals, dueOf } from '../../../src/figures/bill/totals.ts';
import { reckonBill } from '../../../src/figures/bill/reckon.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { pushJournal } from '../../../src/job-map/push-journal.ts';
import { createSmallTables } from '../../../src/questdb/rows/small-tables.ts';
import { billCsv } from '../../../src/report/bill/bill-csv.ts';
import { billJson } from '../../../src/report/bill/bill-json.ts';
import { renderBill } from '../../../src/report/bill/bill-text.ts';
import { ageOutAll } from '../../helpers/age-out.ts';
import { NO_STORE, runLine } from '../../helpers/command-line.ts';
import { insertRows } from '../../helpers/insert-rows.ts';
import { at as second, openJournalBench } from '../../helpers/journal.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import {
  at,
  CONFIG,
  configOf,
  DEVICES,
  endOf,
  HOUR,
  loadBilledFleet,
  NOVEMBER_5,
  OCTOBER,
  samplesBetween,
  STAYS,
  tellStays,
  wattsOf,
  type MadeStay,
} from './billed-fleet.ts';

vi.mock('../../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

let server: TestQuestdb;
let db: QuestDb;
let directory: string;
let file: string;
let config: Config;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-bill-'));
  file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, CONFIG);
  config = await configOf(file);
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await loadBilledFleet(db, config);
});
afterAll(async () => {
  await db.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

const WHOLE = { by: 'account', cluster: undefined } as const;
const STYLE = { width: 100, isColored: false };

async function ask(month: string, more: Partial<BillQuestion> = {}, by = config): Promise<BillOutcome> {
  const question = { version: undefined, isReissued: false, nowUs: NOVEMBER_5, ...more };
  return await issueBill({ db, store: db, config: by }, { month: readMonth(month)!, ...question });
}

async function issued(month: string, more: Partial<BillQuestion> = {}, by = config): Promise<IssuedBill> {
  const outcome = await ask(month, more, by);
  if (!('issued' in outcome))
    throw new Error(`not issued: ${outcome.failure?.message ?? outcome.reckoned.head.month}`);
  return outcome.issued;
}

function figuresOf(outcome: BillOutcome, shape: Parameters<typeof issuedFigures>[2] = WHOLE): BillFigures {
  return 'issued' in outcome
    ? issuedFigures(outcome.issued, outcome.former, shape)
    : unissuedFigures(outcome.reckoned, outcome.former, shape);
}

/** What each had, by a loop: GPU time in µs, its price exactly, and the energy of the hours that were its. */
function oracle(
  stays: readonly MadeStay[],
  span: { fromUs: number; toUs: number },
  key: (stay: MadeStay) => string,
) {
  const sums = new Map<string, { us: number; euros: number; joules: number }>();
  for (const stay of stays) {
    const [from, to] = [Math.max(at(stay.from), span.fromUs), Math.min(endOf(stay), span.toUs)];
    if (to <= from) continue;
    const isH200 = DEVICES.find(({ gpu }) => gpu === stay.gpu)!.model.includes('H200');
    const us = (to - from) * (stay.share ?? 1) * (stay.gpu.startsWith('MIG') ? 3 / 7 : 1);
    const own = sums.get(key(stay)) ?? { us: 0, euros: 0, joules: 0 };
    sums.set(key(stay), own);
    own.us += us;
    own.euros += (us / HOUR) * (isH200 ? 3.2 : 1.1);
    if (!['GPU-bill-0', 'GPU-bill-1', 'GPU-bill-2'].includes(stay.gpu)) continue;
    for (let hour = at('2023-09-30T19:00:00Z'); hour <= at('2023-11-01T03:00:00Z'); hour += HOUR)
      if (hour > from && hour <= to) own.joules += wattsOf(stay.gpu) * 3600;
  }
  return sums;
}

const KEYS = {
  account: ({ account }: MadeStay) => account ?? '(none)',
  user: ({ user }: MadeStay) => user ?? '(none)',
  device: ({ gpu }: MadeStay) => gpu,
} as const;

test('an ended month is billed to the cent and the second, the same in every grouping', async () => {
  const bill = await issued('2023-10');
  expect(bill).toMatchObject({ version: 1, issuedUs: NOVEMBER_5 });
  expect(bill.head).toMatchObject({ ...OCTOBER, openStays: 1, unresolvedUs: 0 });
  expect((bill.head.toUs - bill.head.fromUs) / HOUR).toBe(745);
  const totals = BILL_GROUPINGS.map((by) => billTotals(bill, by));
  for (const { by, rows } of totals) {
    const truth = oracle(STAYS, OCTOBER, KEYS[by]);
    expect(new Set(rows.map(({ name }) => name ?? '(none)'))).toEqual(new Set(truth.keys()));
    for (const row of rows) {
      const { us, euros, joules } = truth.get(row.name ?? '(none)')!;
      // Rounded to whole ones, up or down as the sum needs it.
      expect(Math.abs(Number(row.seconds) - us / 1e6)).toBeLessThan(1);
      expect(Math.abs(Number(row.cost) - euros * 100)).toBeLessThan(1);
      expect(Math.abs(Number(row.wattHours ?? 0n) - joules / 3600)).toBeLessThan(1);
    }
  }
  const [accounts, users, devices] = totals.map(({ all }) => all);
  expect(users).toEqual(accounts);
  expect(devices).toEqual(accounts);
  const all = [...oracle(STAYS, OCTOBER, () => 'all').values()][0]!;
  expect(Number(accounts!.seconds)).toBe(Math.round(all.us / 1e6));
  expect(Number(accounts!.cost)).toBe(Math.round(all.euros * 100));
  expect(Number(accounts!.energyCost)).toBe(Math.round((all.joules / 3.6e6) * 1.3 * 0.19 * 100));
  expect(Number(accounts!.grams)).toBe(Math.round((all.joules / 3.6e6) * 1.3 * 120));
  // Half the price of two hours of an H200; of the other seven jobs that ended nobody concluded anything.
  expect(accounts!.credit).toBe(320n);
  expect(bill.head.untoldTails).toBe(5);
  expect(dueOf(accounts!)).toBe(accounts!.cost! - 320n);
});

test('rows that are printed add up to what is printed of all', async () => {
  const bill = await issued('2023-10');
  for (const by of BILL_GROUPINGS)
    for (const cluster of [undefined, 'a', 'b']) {
      const { rows, all } = billTotals(bill, by, cluster);
      expect(rows.length).toBeGreaterThan(0);
      for (const key of [
        'seconds',
        'hours10k',
        'cost',
        'credit',
        'wattHours',
        'energyCost',
        'grams',
      ] as const) {
        const sum = rows.reduce((total, row) => total + (row[key] ?? 0n), 0n);
        expect([by, cluster, key, sum]).toEqual([by, cluster, key, all[key] ?? 0n]);
      }
    }
});

test('CO2e by the hour is of the hours that the file tells, and those that it does not are counted', async () => {
  const grams = join(directory, 'grams.csv');
  writeFileSync(grams, 'ts,grams\n2023-11-01T00:00:00Z,100\n2023-11-01T01:00:00Z,200\n');
  writeFileSync(file, CONFIG.replace('grams_per_kwh: 120', `grams_file: ${grams}`));
  const hourly = await configOf(file);
  writeFileSync(file, CONFIG);
  // Two devices, of which 300 and 320 Wh are known at each of four hours; of two of these the grams.
  const outcome = await ask('2023-11', { nowUs: at('2023-11-01T03:00:00Z') }, hourly);
  const { all } = billTotals(reckonedOf(outcome), 'account');
  expect(all).toMatchObject({ wattHours: 4n * 620n, grams: BigInt(Math.round(0.62 * 1.3 * 300)) });
  expect(reckonedOf(outcome).head.missingHours).toBe(2);
  expect(renderBill(figuresOf(outcome), STYLE)).toContain('costs.grams_file has no value of 2 hours');
});

test('from rollups alone jobs over an edge of the month have no energy of other months', async () => {
  await waitForRollups(db, config.lanes, at('2023-11-01T03:00:00Z'));
  const { head } = await issued('2023-10');
  const reckoned = async () => {
    const question = { month: readMonth('2023-10')!, terms: head.terms, grams: undefined, nowUs: NOVEMBER_5 };
    return billTotals(await reckonBill(db, config.lanes, question), 'device');
  };
  const whole = await reckoned();
  await db.exec('TRUNCATE TABLE gpu_billed');
  await waitForVisible(db, 'gpu_billed');
  const { rows, all } = await reckoned();
  expect(all.seconds).toBe(whole.all.seconds);
  // The last hour's sample is of the edge itself, in the first minute of November: of a minute in which both months have time nothing
  // is taken. Only who ran on over the edge has such a one.
  const lost = rows.map((row, index) => [
    row.name,
    (whole.rows[index]!.wattHours ?? 0n) - (row.wattHours ?? 0n),
  ]);
  expect(lost.filter(([, wattHours]) => wattHours !== 0n)).toEqual([
    ['GPU-bill-0', 300n],
    ['GPU-bill-2', 320n],
  ]);
});

test('asked again it is the same, byte by byte, also when samples have aged out', async () => {
  const shown = async (nowUs: number): Promise<string[]> => {
    const figures = figuresOf(await ask('2023-10', { nowUs }));
    return [renderBill(figures, STYLE), billCsv(figures), billJson(figures)];
  };
  const first = await shown(NOVEMBER_5);
  expect(await shown(NOVEMBER_5 + HOUR)).toEqual(first);
  await ageOutAll(db, config.lanes[0]!);
  await loadBilledFleetViews();
  expect(await shown(NOVEMBER_5 + 400 * 24 * HOUR)).toEqual(first);
});

/** Empty, as after a schema apply. */
async function loadBilledFleetViews(): Promise<void> {
  const { applySchema } = await import('../../../src/questdb/schema/apply.ts');
  await applySchema(db, config.lanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
}

describe('late facts', () => {
  test('an end that was corrected is a second version with exactly that difference, and the first stays', async () => {
    const before = await issued('2023-10');
    const corrected = { ...STAYS[2]!, to: '2023-10-11T23:00:00Z' };
    await tellStays(db, [corrected]);
    const outcome = await ask('2023-10', { nowUs: NOVEMBER_5 + 24 * HOUR });
    if (!('issued' in outcome)) throw new Error('not issued');
    expect(outcome.issued.version).toBe(2);
    expect(outcome.former).toEqual(before);
    const [now, then] = [outcome.issued, before].map((bill) => billTotals(bill, 'account').all);
    expect(then!.seconds - now!.seconds).toBe(3600n);
    expect(then!.cost! - now!.cost!).toBe(320n);
    const text = renderBill(figuresOf(outcome), STYLE);
    expect(text).toMatch(
      /Differences from version 1 of 2023-11-05 12:00:00 UTC\n.*\n +chemistry +-1:00:00 +-3\.20/,
    );
    expect(text).toMatch(/\n {2}all +-1:00:00 +-3\.20 /);
    // What did not change has no line among the differences.
    expect(text.match(/physics/g)).toHaveLength(1);
    // Asked again nothing has changed, and both can be read.
    expect(renderBill(figuresOf(await ask('2023-10', { nowUs: NOVEMBER_5 + 48 * HOUR })), STYLE)).toBe(text);
    expect(await issued('2023-10', { version: 1 })).toEqual(before);
  });

  test('a job that was pushed late is a third, and taking it back a fourth, which is not the second again', async () => {
    const late = {
      job: '90',
      cluster: 'a',
      gpu: 'GPU-bill-1',
      from: '2023-10-20T00:00:00Z',
      to: '2023-10-20T05:00:00Z',
      account: 'late',
      user: 'ada',
    };
    const second = await issued('2023-10');
    await tellStays(db, [late]);
    const third = await issued('2023-10');
    expect([second.version, third.version]).toEqual([2, 3]);
    expect(billTotals(third, 'account').rows.find(({ name }) => name === 'late')).toMatchObject({
      seconds: 18_000n,
      cost: 1600n,
    });
    // An interval of no length takes it back.
    await tellStays(db, [{ ...late, to: late.from }]);
    const fourth = await issued('2023-10');
    expect(fourth.version).toBe(4);
    expect(fourth.lines).toEqual(second.lines);
    const csv = billCsv(figuresOf(await ask('2023-10')));
    expect(csv).toMatch(/,late,,,0,0\.0000,.*,3,18000,16\.00/);
  });

  test('new prices change no bill that was issued, until it is issued anew', async () => {
    writeFileSync(file, CONFIG.replace('H200=3.20', 'H200=4'));
    const dearer = await configOf(file);
    writeFileSync(file, CONFIG);
    const before = await issued('2023-10');
    expect(await issued('2023-10', {}, dearer)).toEqual(before);
    const again = await issued('2023-10', { isReissued: true }, dearer);
    expect(again.version).toBe(before.version + 1);
    expect(billTotals(again, 'user').all.cost).toBeGreaterThan(billTotals(before, 'user').all.cost!);
    // From then on by those.
    expect(await issued('2023-10')).toEqual(again);
  });
});

describe('the month', () => {
  test('March has 743 hours in Berlin, and who owned a GPU all the time pays for as many', async () => {
    await tellStays(db, [
      {
        job: '50',
        cluster: 'a',
        gpu: 'GPU-bill-0',
        from: '2023-02-20T00:00:00Z',
        to: '2023-04-02T00:00:00Z',
        account: 'spring',
        user: 'ada',
      },
    ]);
    const { all } = billTotals(await issued('2023-03'), 'account');
    expect(all.seconds).toBe(743n * 3600n);
    expect(all.cost).toBe(237_760n);
    // Nothing was sampled: that is not known, and not 0.
    expect(all).toMatchObject({ wattHours: undefined, energyCost: undefined, grams: undefined });
    const text = renderBill(figuresOf(await ask('2023-03')), STYLE);
    expect(text).toMatch(/all +743:00:00 +2,377\.60 +/);
    expect(text).toContain('Energy is known for 0 % of the time');
    expect(text).toContain('743 h');
  });

  test('one that has not ended is provisional, and not stored', async () => {
    const nowUs = at('2023-10-02T00:00:00Z');
    const outcome = await ask('2023-11', { nowUs: NOVEMBER_5 });
    expect(figuresOf(outcome)).toMatchObject({
      state: 'provisional',
      untilUs: NOVEMBER_5,
      version: undefined,
    });
    expect(billTotals(reckonedOf(outcome), 'user').all.seconds).toBeGreaterThan(0n);
    expect(renderBill(figuresOf(outcome), STYLE)).toContain(
      'Provisional, and not stored: the month has not ended. Up to 2023-11-05 12:00:00 UTC.',
    );
    const { rows } = await db.exec("SELECT count() FROM bills WHERE month = '2023-11'");
    expect(rows).toEqual([[0]]);
    expect(nowUs).toBeLessThan(NOVEMBER_5);
  });

  test('one that has not begun is refused, in the zone of the site', async () => {
    await expect(ask('2023-11', { nowUs: at('2023-10-31T22:59:59Z') })).rejects.toMatchObject({
      code: 'bill.month',
      exit: 'usage',
      hints: ['in Europe/Berlin it begins 2023-10-31T23:00:00Z'],
    });
    expect('reckoned' in (await ask('2023-11', { nowUs: at('2023-10-31T23:00:01Z') }))).toBe(true);
  });

  test('one of before anybody owned a GPU says when the first did, and has no bill', async () => {
    const outcome = await ask('2022-05');
    expect('reckoned' in outcome && outcome.failure).toBeUndefined();
    expect(renderBill(figuresOf(outcome), { ...STYLE, width: Infinity }).replaceAll(/\n +/g, ' ')).toMatch(
      /UTC No job owned a GPU in this month: the first that this store heard of was at 2023-02-20 00:00:00 UTC\.\n$/,
    );
    expect(billCsv(figuresOf(outcome)).trim().split('\n')).toHaveLength(2);
  });

  test('edges that are no whole hours of UTC are exact in time, and told', async () => {
    writeFileSync(file, CONFIG.replace('Europe/Berlin', 'Asia/Kolkata'));
    const kolkata = await configOf(file);
    writeFileSync(file, CONFIG);
    await tellStays(db, [
      {
        job: '60',
        cluster: 'a',
        gpu: 'GPU-bill-1',
        from: '2023-05-31T12:00:00Z',
        to: '2023-06-01T12:00:00Z',
        account: 'may',
        user: 'ada',
      },
    ]);
    const [may, june] = [await issued('2023-05', {}, kolkata), await issued('2023-06', {}, kolkata)];
    expect([may, june].map((bill) => billTotals(bill, 'account').all.seconds)).toEqual([23_400n, 63_000n]);
    expect(renderBill(figuresOf(await ask('2023-05', {}, kolkata)), STYLE)).toContain(
      'are no whole hours of UTC',
    );
  });
});

function reckonedOf(outcome: BillOutcome) {
  if (!('reckoned' in outcome)) throw new Error('issued');
  return outcome.reckoned;
}

describe('what cannot be issued', () => {
  test('time of a model without a price is named, has no amount, and keeps the bill from being stored', async () => {
    writeFileSync(file, CONFIG.replace(', NVIDIA A100=1.1', ''));
    const priceless = await configOf(file);
    writeFileSync(file, CONFIG);
    await tellStays(db, [
      {
        job: '70',
        cluster: 'b',
        gpu: 'GPU-bill-2',
        from: '2023-07-03T00:00:00Z',
        to: '2023-07-03T02:00:00Z',
        account: 'july',
        user: 'ada',
      },
      {
        job: '71',
        cluster: 'a',
        gpu: 'GPU-bill-1',
        from: '2023-07-03T00:00:00Z',
        to: '2023-07-03T01:00:00Z',
        account: 'july',
        user: 'bob',
      },
    ]);
    const outcome = await ask('2023-07', {}, priceless);
    expect(outcome).toMatchObject({
      failure: { code: 'bill.unpriced', exit: 'config', where: 'NVIDIA A100-SXM4-80GB' },
    });
    const figures = figuresOf(outcome, { by: 'user', cluster: undefined });
    expect(figures.state).toBe('draft');
    expect(figures.totals.rows.map(({ name, cost }) => [name, cost])).toEqual([
      ['ada', undefined],
      ['bob', 320n],
    ]);
    const text = renderBill(figures, STYLE);
    expect(text).toContain('Draft: it is not stored, and no bill.');
    expect(text).toContain(
      '2 GPU-hours have no price and no amount (costs.gpu_hour): NVIDIA A100-SXM4-80GB.',
    );
    expect(text).toMatch(/ada +2:00:00 +– +– +– /);
    // With a price it is.
    expect((await issued('2023-07')).version).toBe(1);
  });

  test('without any price there is no bill', async () => {
    const none = { ...config, costs: {} as Config['costs'] };
    await expect(ask('2023-08', {}, none)).rejects.toMatchObject({ code: 'bill.no_costs', exit: 'config' });
  });

  test('a version that there is not is named with those that there are', async () => {
    await expect(ask('2023-10', { version: 99 })).rejects.toMatchObject({
      code: 'bill.no_version',
      hints: [expect.stringMatching(/^there are: 1 of 2023-11-05T12:00:00Z, 2 of /)],
    });
    await expect(ask('2023-09', { version: 1 })).rejects.toMatchObject({
      hints: ['none was issued yet: gpuledger report bill --month 2023-09'],
    });
  });
});

describe('several at once', () => {
  const stay = {
    job: '95',
    cluster: 'a',
    gpu: 'GPU-bill-1',
    from: '2023-06-10T00:00:00Z',
    to: '2023-06-10T01:00:00Z',
    account: 'june',
    user: 'bob',
  };

  test('who issue the same issue one version', async () => {
    await tellStays(db, [stay]);
    const all = await Promise.all(
      Array.from(
        { length: 5 },
        async (_, index) => await issued('2023-06', { nowUs: NOVEMBER_5 + index, isReissued: true }),
      ),
    );
    const after = await issued('2023-06');
    expect(new Set(all.map(({ id }) => id))).toEqual(new Set([after.id]));
    expect(new Set([...all, after].map(({ version }) => version)).size).toBe(1);
    await expect(ask('2023-06', { version: after.version + 1 })).rejects.toMatchObject({
      code: 'bill.no_version',
    });
  });

  test('who issue what differs issue versions of different numbers', async () => {
    const before = await issued('2023-06');
    writeFileSync(file, CONFIG.replace('H200=3.20', 'H200=5'));
    const five = await configOf(file);
    writeFileSync(file, CONFIG.replace('H200=3.20', 'H200=6'));
    const six = await configOf(file);
    writeFileSync(file, CONFIG);
    const [a, b] = await Promise.all([
      issued('2023-06', { isReissued: true, nowUs: NOVEMBER_5 + 10 }, five),
      issued('2023-06', { isReissued: true, nowUs: NOVEMBER_5 + 11 }, six),
    ]);
    expect(a.id).not.toBe(b.id);
    const [second, third] = [
      await issued('2023-06', { version: before.version + 1 }),
      await issued('2023-06', { version: before.version + 2 }),
    ];
    expect([second.id, third.id]).toEqual([a.id, b.id]);
  });

  test('one that was stopped while it was written is no version', async () => {
    const before = await issued('2023-06');
    await insertRows(db, 'bills', [
      {
        ts: at('2023-06-01T00:00:00Z'),
        bill: 'stopped',
        issued_ts: NOVEMBER_5 + 99,
        line: 0,
        lines: 2,
        month: '2023-06',
        gpu: 'GPU-x',
        owned_us: 5,
      },
    ]);
    expect(await issued('2023-06')).toEqual(before);
  });
});

describe('the command', () => {
  const line = async (...args: readonly string[]) =>
    await runLine(['report', 'bill', '--config', file, ...args], { QDB_CLIENT_CONF: server.conf });

  test('prints the bill as text, CSV and JSON', async () => {
    const text = await line('--month', '2023-10', '--by', 'device');
    expect(text).toMatchObject({ exitCode: 0, stderr: '' });
    expect(text.stdout).toMatch(
      /^Bill of 2023-10 · Europe\/Berlin, 745 h · 2023-09-30 22:00:00 → 2023-10-31 23:00:00 UTC\n/,
    );
    expect(text.stdout).toMatch(/MIG-bill-5 +b\/n2 +10:17:0/);
    const csv = await line('--month', '2023-10', '--csv');
    // A name that a spreadsheet would take for a formula.
    expect(csv.stdout).toContain(`"'=HYPERLINK(""x"")"`);
    expect(csv.stdout).toMatch(
      /^month,time_zone,state,version,issued,kind,by,cluster,name,node,model,gpu_seconds,gpu_hours,/,
    );
    const json = await line('--month', '2023-10', '--by', 'user', '--json');
    billReport.parse(JSON.parse(json.stdout));
    const one = await line('--month', '2023-10', '--cluster', 'b', '--json');
    expect(billReport.parse(JSON.parse(one.stdout))).toMatchObject({
      cluster: 'b',
      all: { cost: expect.any(Number) as number },
    });
  });

  test('a month that the samples of which are all there is billed with its energy', async () => {
    await insertRows(
      db,
      'gpu_billed',
      samplesBetween(at('2023-11-01T00:00:00Z'), at('2023-11-02T00:00:00Z'), STAYS),
    );
    const outcome = await ask('2023-11', { nowUs: at('2023-12-05T00:00:00Z') });
    // Job 1 on device 0 and job 8, of which nobody has told the end, on device 2.
    expect(billTotals('issued' in outcome ? outcome.issued : outcome.reckoned, 'user').all.wattHours).toBe(
      24n * (300n + 320n),
    );
  });

  test('a journal that is pushed late makes a version with exactly its time', async () => {
    const nowUs = at('2023-12-05T00:00:00Z');
    const before = await issued('2023-11', { nowUs });
    const device = {
      uuid: 'GPU-bill-late',
      node: 'late',
      index: 0,
      minor: 0,
      model: 'NVIDIA H200',
      memoryBytes: 1,
    };
    const bench = openJournalBench();
    await createSmallTables(db).writeInventory([{ tsUs: second(0), device, source: 'nvml' }]);
    await waitForVisible(db, 'gpu_inventory');
    const told = { node: 'late', gpus: '', devices: '0', user: 'lara', account: 'pushed' };
    bench.put('start', '4217', 10, told);
    bench.put('end', '4217', 3610, told);
    const tell = (): void => undefined;
    await pushJournal(db, { node: 'late', directory: bench.directory, tables: [], tell });
    bench.close();
    await waitForVisible(db, 'gpu_ownership');
    await waitForVisible(db, 'jobs');
    const outcome = await ask('2023-11', { nowUs });
    if (!('issued' in outcome)) throw new Error('not issued');
    expect(outcome.issued.version).toBe(before.version + 1);
    const [now, then] = [outcome.issued, before].map((bill) => billTotals(bill, 'user'));
    expect([now!.all.seconds - then!.all.seconds, now!.all.cost! - then!.all.cost!]).toEqual([3600n, 320n]);
    expect(now!.rows.find(({ name }) => name === 'lara')).toMatchObject({ seconds: 3600n, cost: 320n });
    expect(renderBill(figuresOf(outcome), STYLE)).toMatch(/\n +pushed +\+1:00:00 +\+3\.20 +0\.000\n/);
  });

  test.each([
    [['--month', '2023-13'], 64, 'expected a month from 1970-01 on'],
    [[], 64, '--month'],
    [['--month', '2023-10', '--by', 'model'], 64, 'account, user, device'],
    [['--month', '2023-10', '--issue', '0'], 64, 'whole number from 1'],
    [['--month', '2023-10', '--issue', '98'], 64, 'no version 98'],
    [['--month', '2023-10', '--cluster', 'zz'], 64, 'the clusters there: a, b'],
    [['--month', '2923-10'], 64, 'expected a month that has begun'],
    [['--month', '2023-10', '--json', '--csv'], 64, 'cannot be used with'],
  ])('%j is refused with %i', async (args, exitCode, said) => {
    const ended = await line(...args);
    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stderr).toContain(said);
    expect(ended.stdout).toBe('');
  });

  test.each([[[]], [['--issue', '1']], [['--reissue']]])(
    'a month that has not begun is refused before any store is asked: %j',
    async (args) => {
      const away = { QDB_CLIENT_CONF: NO_STORE };
      const asked = ['report', 'bill', '--config', file, ...args, '--month'];
      const future = await runLine([...asked, '2923-10'], away);
      expect([future.exitCode, future.stdout]).toEqual([64, '']);
      expect(future.stderr).toContain('expected a month that has begun, came 2923-10');
      // Of one that has begun the store is asked.
      expect((await runLine([...asked, '2023-10'], away)).exitCode).toBe(75);
    },
  );
});
