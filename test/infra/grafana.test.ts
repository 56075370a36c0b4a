/**
 * Goal: every panel of the dashboards runs on the real QuestDB as Grafana would ask it, over PG wire with its macros expanded, and
 * tells what the reports tell. Method: a store with shared devices, gaps, hostile names, MIG and the demo; each query through both
 * plugins' ways (`grafana/expand.ts`); figures that reports have, too, against these.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dashboard } from '../../scripts/grafana/panel.ts';
import { DASHBOARDS } from '../../scripts/grafana/files.ts';
import { inDialect } from '../../scripts/grafana/words.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import type { CapacityFigures, CapacityRow } from '../../src/figures/capacity/figures.ts';
import type { JobFigures, OwnedFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { ask } from '../../src/figures/query-cells.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { at, DEVICES, HOSTILE, LATEST } from '../queries/history.ts';
import { askPanel, type Answer, type Cell } from './grafana/ask.ts';
import { expand, WAYS, type Asked, type Sent, type Way } from './grafana/expand.ts';
import { LANES, openPanelStore, TIMES, type PanelStore, type StoreTime } from './grafana/store.ts';

const HOUR_US = 3.6e9;

let store: PanelStore;
beforeAll(async () => {
  store = await openPanelStore(startTestQuestdb);
});
afterAll(async () => {
  await store.stop();
});

/** A query of a dashboard, whatever it is for. */
interface Query {
  readonly title: string;
  readonly kind: string;
  readonly sql: string;
  readonly isByDevice?: boolean;
  readonly stacked?: readonly string[];
}

function queriesOf({ sections, marks, variables }: Dashboard): Query[] {
  return [
    ...sections.flatMap(({ panels }) => panels),
    ...marks.map(({ name, sql }) => ({ title: name, kind: 'marks', sql })),
    ...variables.flatMap((variable) =>
      variable.kind === 'choice'
        ? [{ title: `\${${variable.name}}`, kind: 'choice', sql: variable.sql }]
        : [],
    ),
  ];
}

const VARIABLES = {
  ...{ job: '4217', node: 'n1', cluster: '$__all', account: '$__all', unseen_minutes: '10' },
  ...{ samples: 'gpu_profiling', temperatures: 'gpu_device' },
};

interface Options {
  readonly time?: StoreTime;
  readonly variables?: Readonly<Record<string, string>>;
  readonly intervalMs?: number;
  readonly way?: Way;
  readonly range?: { readonly fromMs: number; readonly toMs: number };
  /** Another time than now, up to which the panels take rollups to be there. */
  readonly nowUs?: number;
}

function sentOf(sql: string, options: Options): Sent {
  const { time = 'demo', variables = {}, intervalMs = 20_000, way = 'postgres', nowUs } = options;
  const asked: Asked = {
    ...TIMES[time],
    ...options.range,
    intervalMs,
    variables: { ...VARIABLES, ...variables },
    allValues: { cluster: "''", account: "''" },
  };
  const sent = expand(inDialect(sql, way === 'postgres' ? 'postgres' : 'questdb'), way, asked);
  if (nowUs === undefined) return sent;
  return { ...sent, text: sent.text.replaceAll('now()', `cast(${nowUs} as timestamp)`) };
}

async function answerOf(dashboard: string, title: string, options: Options = {}): Promise<Answer> {
  const found = DASHBOARDS.find(({ name }) => name === dashboard)!;
  const query = queriesOf(found).find((one) => one.title === title);
  expect(query, `${dashboard}: ${title}`).toBeDefined();
  return await askPanel(store.client, sentOf(query!.sql, options));
}

const all = DASHBOARDS.flatMap((dashboard) =>
  queriesOf(dashboard).map((query) => [`${dashboard.name}: ${query.title}`, query] as const),
);

/** Where each query has something to tell: elsewhere than in the demo. */
const AT: Readonly<Record<string, Options>> = {
  'job: Where the time went': { time: 'made', variables: { job: HOSTILE } },
  'job: Who else had its devices': { time: 'made', variables: { job: '4219' } },
  'health: What collectors told of themselves': { time: 'made' },
};
const FIRST_MADE = { fromMs: TIMES.made.fromMs, toMs: TIMES.made.fromMs + 1_400_000 };

function optionsOf(name: string): Options {
  const isOfCollectors = name.startsWith('health: ') && !name.includes('Newest sample');
  return AT[name] ?? (isOfCollectors ? { time: 'made', range: FIRST_MADE } : {});
}

describe.each(all)('%s', (name, { kind, sql, isByDevice = false, stacked = [] }) => {
  test.each(WAYS)('has rows that its kind of panel can show: %s', async (way) => {
    const { columns, rows } = await askPanel(store.client, sentOf(sql, { ...optionsOf(name), way }));
    expect(rows.length, 'rows').toBeGreaterThan(0);
    const names = columns.map((column) => column.name);
    expect(new Set(names).size, `columns: ${names.join(', ')}`).toBe(names.length);
    const types = columns.map(({ type }) => type);
    if (kind === 'figures') {
      expect(rows).toHaveLength(1);
      expect(new Set(types)).toEqual(new Set(['number']));
      expect(Object.values(rows[0]!).filter((value) => value !== null).length).toBeGreaterThan(
        names.length / 2,
      );
    }
    if (kind === 'choice') expect(types).toEqual(['text']);
    if (kind === 'bars') expect(types).toEqual(['text', 'number']);
    if (kind === 'marks') {
      expect(names).toEqual(['time', 'timeEnd', 'title', 'text', 'tags']);
      expect(types).toEqual(['time', 'time', 'text', 'text', 'text']);
    }
    if (!['lines', 'map', 'days', 'states'].includes(kind)) return;
    expect([names[0], types[0]]).toEqual(['time', 'time']);
    const isNamed = types[1] === 'text';
    if (kind === 'states')
      expect([names.slice(1), types.slice(1)]).toEqual([
        ['device', 'state'],
        ['text', 'text'],
      ]);
    else expect(new Set(types.slice(isNamed ? 2 : 1))).toEqual(new Set(['number']));
    if (kind === 'map') expect(isNamed).toBe(true);
    if (isByDevice || isNamed) expect([isByDevice, names[1]]).toEqual([kind !== 'states', 'device']);
    for (const column of stacked) expect(names).toContain(column);
    // Both plugins refuse what is not in the order of time, or has two values of one line at one moment.
    const keys = rows.map((row) => JSON.stringify([row['time'], isNamed ? row[names[1]!] : '']));
    expect(new Set(keys).size).toBe(keys.length);
    const times = rows.map((row) => row['time'] as number);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const numbers = rows.flatMap((row) => Object.values(row)).filter((value) => typeof value === 'number');
    expect(numbers.every(Number.isFinite)).toBe(true);
    expect(rows.some((row) => names.slice(1).some((column) => row[column] !== null))).toBe(true);
  });
});

test.each(all)('%s: no table of samples is read without a bound in time', async (name, { sql }) => {
  const sent = sentOf(sql, { ...optionsOf(name), way: 'questdb literals' });
  const { rows } = await askPanel(store.client, { ...sent, text: `EXPLAIN ${sent.text}` });
  const plan = rows.map((row) => String(row['QUERY PLAN'])).join('\n');
  const scans = [
    ...plan.matchAll(/(\w+) (?:forward|backward) scan on: (gpu_profiling\w*|gpu_device\w*|collector_stats)/g),
  ];
  for (const [scan, how] of scans) expect(how, scan).toBe('Interval');
  if (/FROM "?(?:gpu_profiling|gpu_device|collector_stats)/.test(sent.text))
    expect(scans).not.toHaveLength(0);
});

/** Additions may be in another order. */
function expectNear(actual: Cell | undefined, expected: number | undefined, what: string): void {
  if (expected === undefined) {
    expect(actual ?? null, what).toBeNull();
    return;
  }
  expect(typeof actual, `${what}: ${String(actual)}, not ${expected}`).toBe('number');
  const stray = Math.abs((actual as number) - expected);
  expect(stray <= 1e-9 * Math.abs(expected) + 1e-12, `${what}: ${String(actual)}, not ${expected}`).toBe(
    true,
  );
}

/** What is of MIG instances is told by reports alone. */
function undividedJoules({ energy: { best, divided } }: Pick<OwnedFigures, 'energy'>): number | undefined {
  if (best === undefined || divided === undefined) return best?.value;
  const left = best.value - divided.value;
  return Math.abs(left) < 1e-6 ? undefined : left;
}

const kwhOf = (joules: number | undefined): number | undefined =>
  joules === undefined ? undefined : joules / 3.6e6;

/** Ids whose stays begin and end in a time. */
async function idsIn(time: StoreTime): Promise<string[]> {
  const { fromMs, toMs } = TIMES[time];
  const rows = await ask(
    store.db,
    `SELECT DISTINCT job_id FROM gpu_ownership WHERE ts >= ${quoteTime(fromMs * 1000)} AND end_ts <= ${quoteTime(toMs * 1000)} ORDER BY job_id`,
  );
  return rows.map((row) => row.text('job_id')!);
}

/** All runs of the job that bore the id in that time, by the report. */
async function runsIn(id: string, time: StoreTime): Promise<JobFigures[]> {
  const { fromMs, toMs } = TIMES[time];
  const nowUs = toMs * 1000;
  const isIn = ({ startUs }: { readonly startUs: number }): boolean =>
    startUs >= fromMs * 1000 && startUs < toMs * 1000;
  const newest = await jobFigures(store.db, LANES, id, { nowUs, isBrief: true });
  const other = isIn(newest) ? undefined : newest.job.otherJobs.find(isIn)!;
  const selector = other === undefined ? {} : { submittedUs: other.submitUs ?? other.startUs };
  const first =
    other === undefined
      ? newest
      : await jobFigures(store.db, LANES, id, { nowUs, isBrief: true, ...selector });
  const others = first.job.otherRuns.map(
    async (run) => await jobFigures(store.db, LANES, id, { nowUs, isBrief: true, ...selector, run }),
  );
  return [first, ...(await Promise.all(others))].filter(isIn);
}

const total = (
  runs: readonly JobFigures[],
  pick: (all: OwnedFigures) => number | undefined,
): number | undefined => {
  const known = runs.flatMap(({ all: figures }) => pick(figures) ?? []);
  return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0);
};

/** Pooled over runs: Σ value·known / Σ known. */
function pooled(runs: readonly JobFigures[], key: 'smActive' | 'power'): number | undefined {
  const means = runs.flatMap(({ gauges }) => gauges.find((gauge) => gauge.key === key)?.mean ?? []);
  const knownUs = means.reduce((sum, mean) => sum + mean.knownUs, 0);
  return knownUs === 0
    ? undefined
    : means.reduce((sum, { value, knownUs: us }) => sum + value * us, 0) / knownUs;
}

function expectJob(row: Readonly<Record<string, Cell>>, runs: readonly JobFigures[], what: string): void {
  const hours = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / HOUR_US);
  const sampledUs = total(runs, (one) => one.sampledUs)!;
  const ownedUs = total(runs, (one) => one.ownedUs)!;
  const isSeen = total(runs, (one) => one.samples)! > 0;
  expect(row['devices'], what).toBe(
    new Set(runs.flatMap(({ devices }) => devices.map(({ gpu }) => gpu))).size,
  );
  expectNear(row['seen'], isSeen ? Math.min(1, sampledUs / ownedUs) : undefined, `${what} seen`);
  expectNear(
    row['GPU-hours'],
    isSeen ? hours(total(runs, (one) => one.attributedUs)) : undefined,
    `${what} hours`,
  );
  expectNear(row['SM active'], pooled(runs, 'smActive'), `${what} SM`);
  expectNear(row['power of a device'], pooled(runs, 'power'), `${what} power`);
  expectNear(row['used GPU-hours'], hours(total(runs, (one) => one.used?.value)), `${what} used`);
  const idleUs = total(runs, (one) => one.idle?.value);
  expectNear(
    row['idle'],
    idleUs === undefined ? undefined : idleUs / total(runs, (one) => one.idle?.knownUs)!,
    `${what} idle`,
  );
  expectNear(row['energy'], kwhOf(total(runs, undividedJoules)), `${what} energy`);
}

describe('a job is what its report says', () => {
  test.each([
    ['demo', 30, 3],
    ['made', 6, 4],
    ['mig', 3, 0],
  ] as const)('of every job of %s', async (time, leastJobs, leastShared) => {
    const ids = await idsIn(time);
    let shared = 0;
    const sharings = new Set<string>();
    for (const id of ids) {
      const runs = await runsIn(id, time);
      const { rows } = await answerOf('job', 'The job', { time, variables: { job: id } });
      for (const { sharing } of runs) sharings.add(sharing);
      expect(rows).toHaveLength(1);
      expectJob(rows[0]!, runs, `${time} ${id}`);
      if (runs.some(({ all: { attributedUs, sampledUs } }) => attributedUs < 0.99 * sampledUs)) shared += 1;
      const devices = await answerOf('job', 'Its devices', { time, variables: { job: id } });
      if (runs.length > 1) continue;
      const byGpu = new Map(devices.rows.map((row) => [row['gpu'], row]));
      for (const device of runs[0]!.devices) {
        const row = byGpu.get(device.gpu)!;
        const what = `${time} ${id} ${device.gpu}`;
        expectNear(row['seen'], device.coverage?.value, `${what} seen`);
        if (device.samples > 0) expectNear(row['gpu_hours'], device.attributedUs / HOUR_US, `${what} hours`);
        expectNear(row['sm_active'], device.gauges.smActive?.mean?.value, `${what} SM`);
        expectNear(row['kwh'], kwhOf(undividedJoules(device)), `${what} energy`);
      }
    }
    expect(ids.length).toBeGreaterThanOrEqual(leastJobs);
    expect(shared).toBeGreaterThanOrEqual(leastShared);
    if (time === 'made') expect([...sharings]).toEqual(expect.arrayContaining(['stated', 'measured']));
  });

  test('while it runs, up to its newest sample, and up to now where that is old', async () => {
    for (const seconds of [30, 3600]) {
      const nowUs = at(LATEST + seconds);
      const figures = await jobFigures(store.db, LANES, '4400', { nowUs });
      const { rows } = await answerOf('job', 'The job', { time: 'made', variables: { job: '4400' }, nowUs });
      expect(figures.isOpen).toBe(true);
      expectJob(rows[0]!, [figures], `4400 after ${seconds} s`);
    }
  });

  test('wherever hours end and samples begin', async () => {
    const { fromMs } = TIMES.demo;
    for (const minutes of [20, 97, 125, 200]) {
      const options = { variables: { job: '4217' }, nowUs: (fromMs + minutes * 60_000) * 1000 };
      const { rows } = await answerOf('job', 'The job', options);
      expectJob(rows[0]!, await runsIn('4217', 'demo'), `4217 at minute ${minutes}`);
    }
  });

  test('and where its time went as it was kept', async () => {
    const { rows } = await answerOf('job', 'Where the time went', AT['job: Where the time went']);
    expect(rows.map((row) => [row['cause'], Math.round((row['GPU-hours'] as number) * 3600)])).toEqual([
      ['effective', 150],
      ['gaps between kernels', 47],
      ['not seen', 3],
    ]);
  });
});

describe('plots', () => {
  /** Every length of a step, so that each level is read. */
  test.each([1000, 10_000, 20_000, 60_000, 600_000, 3_600_000, 7_200_000])(
    'in steps of %d ms add up to the mean of the job',
    async (intervalMs) => {
      const options = { intervalMs, variables: { job: '4217' } };
      const { rows } = await answerOf('job', 'Power of a device', options);
      const { gauges } = (await runsIn('4217', 'demo'))[0]!;
      const power = gauges.find(({ key }) => key === 'power')!;
      const values = (column: string): number[] =>
        rows.flatMap((row) => (row[column] as number | null) ?? []);
      expect(Math.max(...values('highest'))).toBe(power.max.value);
      expect(Math.min(...values('lowest'))).toBe(power.min!.value);
      // No step is lost: one of a plot is a second or as much as Grafana asked.
      expect(
        rows.every(
          (row, index) => index === 0 || (row['time'] as number) > (rows[index - 1]!['time'] as number),
        ),
      ).toBe(true);
      expect(values('mean').every((mean) => mean >= power.min!.value && mean <= power.max.value)).toBe(true);
    },
  );

  test.each([20_000, 60_000, 3_600_000])(
    'of %d ms show the same wherever samples begin',
    async (intervalMs) => {
      const { fromMs } = TIMES.demo;
      const usual = await answerOf('job', 'Activity', { intervalMs });
      for (const minutes of [61, 200, 359]) {
        const { rows } = await answerOf('job', 'Activity', {
          intervalMs,
          nowUs: (fromMs + minutes * 60_000) * 1000,
        });
        expect(rows.length).toBe(usual.rows.length);
        for (const [index, row] of rows.entries())
          for (const column of ['SM', 'tensor', 'DRAM'])
            expectNear(
              row[column],
              (usual.rows[index]![column] as number | null) ?? undefined,
              `${column} at ${minutes}, step ${index}`,
            );
      }
    },
  );

  test('leave a gap where nothing was seen, and 0 where that was measured', async () => {
    const range = { fromMs: TIMES.made.fromMs, toMs: TIMES.made.fromMs + 1_200_000 };
    const { rows } = await answerOf('node', 'SM activity', {
      time: 'made',
      range,
      intervalMs: 10_000,
      variables: { node: 'n1' },
    });
    const gap = rows
      .filter((row) => row['device'] === 'n1:1')
      .map((row) => ((row['time'] as number) / 1e6) % 3600);
    expect(gap).toContain(300);
    expect(gap).not.toContain(310);
    expect(rows.some((row) => row['SM'] === 0)).toBe(true);
  });
});

async function capacityOf(time: StoreTime, by: 'account' | 'node'): Promise<CapacityFigures> {
  const { fromMs, toMs } = TIMES[time];
  return await capacityFigures(store.db, LANES, { fromUs: fromMs * 1000, toUs: toMs * 1000, by });
}
/** Whole hours, as windows of reports of hours are. */
const WINDOWS = [['demo'], ['mig']] as const satisfies readonly (readonly [StoreTime])[];

describe('the fleet is what its report says', () => {
  const owned = (rows: readonly CapacityRow[]): CapacityRow[] =>
    rows.filter(({ kind }) => kind === 'group' || kind === 'unresolved');
  const sum = (rows: readonly CapacityRow[], pick: (row: CapacityRow) => number | undefined): number =>
    rows.reduce((us, row) => us + (pick(row) ?? 0), 0);
  const smOf = (rows: readonly CapacityRow[]): number =>
    sum(rows, ({ smActive }) => smActive && smActive.value * smActive.knownUs) /
    sum(rows, ({ smActive }) => smActive?.knownUs);

  test.each(WINDOWS)('in all: %s', async (time) => {
    const figures = await capacityOf(time, 'account');
    const { rows } = await answerOf('fleet', 'The fleet', { time });
    const [row] = rows;
    const { all: whole, sampledUs, rows: groups } = figures;
    expectNear(row!['GPU-hours'], sampledUs / HOUR_US, 'hours');
    expectNear(row!['owned'], sum(owned(groups), (one) => one.attributedUs) / HOUR_US, 'owned');
    expectNear(
      row!['unowned'],
      sum(
        groups.filter(({ kind }) => kind === 'unowned'),
        (one) => one.attributedUs,
      ) / HOUR_US,
      'unowned',
    );
    expectNear(row!['SM active (owned)'], smOf(owned(groups)), 'SM');
    expectNear(row!['unused (owned)'], whole.wasted!.value / HOUR_US, 'unused');
    expectNear(row!['idle (owned)'], whole.idle!.value / HOUR_US, 'idle');
    expectNear(row!['energy'], whole.energy.best!.value / 3.6e6, 'energy');
  });

  test.each(WINDOWS)('by account: %s', async (time) => {
    const { rows: groups } = await capacityOf(time, 'account');
    const { rows } = await answerOf('fleet', 'By account', { time });
    const names = {
      group: undefined,
      unresolved: '(unresolved)',
      unowned: '(unowned)',
      unattributed: '(free shares)',
    } as const;
    const expected = groups.filter(({ kind, attributedUs }) => kind in names && attributedUs > 0.5);
    expect(rows).toHaveLength(expected.length);
    for (const group of expected) {
      const name = names[group.kind as keyof typeof names] ?? group.name ?? null;
      const row = rows.find((one) => one['account'] === name)!;
      expectNear(row['gpu_hours'], group.attributedUs / HOUR_US, `${name} hours`);
      expectNear(row['sm_active'], group.smActive?.value, `${name} SM`);
      expectNear(row['unused_gpu_hours'], group.wasted && group.wasted.value / HOUR_US, `${name} unused`);
      expectNear(row['idle_gpu_hours'], group.idle && group.idle.value / HOUR_US, `${name} idle`);
      expectNear(row['kwh'], kwhOf(undividedJoules(group)), `${name} energy`);
    }
    const bars = await answerOf('fleet', 'Energy by account', { time });
    for (const { account, kwh } of bars.rows as unknown as { account: string; kwh: number | null }[])
      expectNear(
        kwh,
        (rows.find((one) => (one['account'] ?? '(not told)') === account)!['kwh'] as number | null) ??
          undefined,
        account,
      );
    const one = expected.find(({ kind, name }) => kind === 'group' && name !== undefined);
    if (one === undefined) return;
    const chosen = await answerOf('fleet', 'By account', { time, variables: { account: one.name! } });
    expect(chosen.rows).toEqual(rows.filter((row) => row['account'] === one.name));
  });

  test.each(WINDOWS)('by node: %s', async (time) => {
    const { rows: groups } = await capacityOf(time, 'node');
    const { rows } = await answerOf('fleet', 'By node', { time });
    // Jobs of which nothing was seen have a row in reports.
    const expected = groups.filter((one) => one.kind === 'group' && one.attributedUs + one.unownedUs! > 0.5);
    expect(rows.map((row) => row['node'])).toEqual(expected.map(({ name }) => name).toSorted());
    for (const { name, ...group } of expected) {
      const row = rows.find((one) => one['node'] === name)!;
      expectNear(row['gpu_hours'], group.attributedUs / HOUR_US, `${name} hours`);
      expectNear(row['unowned_gpu_hours'], group.unownedUs! / HOUR_US, `${name} unowned`);
      expectNear(row['sm_active'], group.smActive?.value, `${name} SM`);
      expectNear(row['unused_gpu_hours'], group.wasted && group.wasted.value / HOUR_US, `${name} unused`);
      expectNear(row['kwh'], kwhOf(undividedJoules(group)), `${name} energy`);
      if (time !== 'mig')
        expectNear(row['unowned_kwh'], kwhOf(group.unownedEnergy?.value), `${name} unowned energy`);
      const summary = await answerOf('node', 'The node', { time, variables: { node: name! } });
      for (const [column, same] of [
        ['owned', 'gpu_hours'],
        ['unowned', 'unowned_gpu_hours'],
        ['SM active (owned)', 'sm_active'],
        ['energy (owned)', 'kwh'],
      ] as const)
        expect(summary.rows[0]![column], `${name} ${column}`).toBe(row[same]);
    }
  });

  test('by day, each day', async () => {
    const dayUs = 86_400e6;
    const fromUs = Math.floor((TIMES.made.fromMs * 1000) / dayUs) * dayUs;
    const range = { fromMs: fromUs / 1000, toMs: fromUs / 1000 + 2 * 86_400_000 };
    const [hours, energy] = [
      await answerOf('fleet', 'GPU-hours by day', { range }),
      await answerOf('fleet', 'Energy by day', { range }),
    ];
    expect(hours.rows.map((row) => row['time'])).toEqual([fromUs, fromUs + dayUs]);
    for (const [index, row] of hours.rows.entries()) {
      const window = { fromUs: fromUs + index * dayUs, toUs: fromUs + (index + 1) * dayUs };
      const {
        rows: groups,
        all: whole,
        sampledUs,
      } = await capacityFigures(store.db, LANES, { ...window, by: 'account' });
      expectNear(row['seen'], sampledUs / HOUR_US, `day ${index} seen`);
      expectNear(row['owned'], sum(owned(groups), (one) => one.attributedUs) / HOUR_US, `day ${index} owned`);
      expectNear(row['unused'], whole.wasted!.value / HOUR_US, `day ${index} unused`);
      expectNear(energy.rows[index]!['energy'], kwhOf(whole.energy.best?.value), `day ${index} energy`);
    }
  });

  test('jobs that left most unused are those of the accounts', async () => {
    const { rows } = await answerOf('fleet', 'Jobs that left most unused');
    const { all: whole } = await capacityOf('demo', 'account');
    const unused = rows.reduce((hours, row) => hours + (row['unused_gpu_hours'] as number), 0);
    expectNear(unused, whole.wasted!.value / HOUR_US, 'unused');
    expect(
      rows.every(
        (row, index) =>
          index === 0 ||
          (row['unused_gpu_hours'] as number) <= (rows[index - 1]!['unused_gpu_hours'] as number),
      ),
    ).toBe(true);
  });

  test('a device that was never seen, and one that is not seen any more', async () => {
    const { rows } = await answerOf('fleet', 'Devices that were not seen lately', { time: 'made' });
    expect(rows.map((row) => [row['gpu'], row['not_seen']])).toEqual([['GPU-90000000-aaaa', null]]);
    const range = { fromMs: TIMES.made.fromMs, toMs: TIMES.made.toMs + 3_600_000 };
    const later = await answerOf('fleet', 'Devices that were not seen lately', {
      range,
      variables: { unseen_minutes: '59' },
    });
    expect(later.rows.map((row) => row['gpu'])).toEqual(
      expect.arrayContaining(DEVICES.map(({ gpu }) => gpu)),
    );
    const patient = await answerOf('fleet', 'Devices that were not seen lately', {
      range,
      variables: { unseen_minutes: '61' },
    });
    expect(patient.rows).toHaveLength(1);
  });
});

describe('the collectors', () => {
  test('tell where each row is', async () => {
    const { rows } = await answerOf('health', 'Where the rows are', { time: 'made', range: FIRST_MADE });
    // Of both nodes: n2 has sampled 40 and had 30 of them acknowledged.
    expect(rows[0]).toMatchObject({
      sampled: 140,
      acknowledged: 110,
      held: 9,
      refused: 3,
      dropped: 2,
      'oldest unsent (s)': 2.5,
      'fullest ring (%)': 25,
    });
  });
});

describe('values that somebody types', () => {
  const WORST = [
    HOSTILE,
    `4217' OR '1'='1`,
    `4217'; DROP TABLE jobs; --`,
    `\\'; DROP TABLE jobs; --`,
    `"; DROP TABLE jobs; --`,
    `4217/*`,
    `<img src=x onerror=alert(1)>`,
    `\u202e7124 ☠ 𝄞`,
    `a`.repeat(10_000),
    `4217%`,
    `\${job:raw}`,
    '',
  ];

  test.each(WAYS)('are one text each: %s', async (way) => {
    for (const value of WORST) {
      const { rows } = await answerOf('job', 'What the scheduler says', {
        time: 'made',
        variables: { job: value },
        way,
      });
      expect(rows.map((row) => row['job_id'])).toEqual(value === HOSTILE ? [HOSTILE] : []);
      const fleet = await answerOf('fleet', 'By account', { variables: { account: value }, way });
      // Nothing chosen is all of them.
      expect(fleet.rows.length > 0).toBe(value === '');
      const node = await answerOf('node', 'Events', { variables: { node: value, cluster: value }, way });
      expect(node.rows).toEqual([]);
      const minutes = await answerOf('fleet', 'Devices that were not seen lately', {
        time: 'made',
        variables: { unseen_minutes: value },
        way,
      });
      expect(minutes.rows).toHaveLength(1);
    }
    expect((await ask(store.db, 'SELECT count() AS rows FROM jobs'))[0]!.number('rows')).toBeGreaterThan(0);
  });

  test('that hold a macro are no more than wrong', async () => {
    const options = { time: 'made', variables: { job: '$__timeFrom() $__fromTime' } } as const;
    await expect(answerOf('job', 'What the scheduler says', options)).rejects.toThrow();
    const { rows } = await answerOf('job', 'What the scheduler says', {
      ...options,
      variables: { job: '$__fromTime' },
      way: 'questdb bound',
    });
    expect(rows).toEqual([]);
  });

  test('a table is a name, whatever is in it', async () => {
    const samples = `gpu_profiling" s; DROP TABLE jobs; --`;
    await expect(answerOf('fleet', 'The fleet', { variables: { samples } })).rejects.toThrow(
      /does not exist/,
    );
  });

  test('and the reader may not write', async () => {
    for (const sql of [
      'DROP TABLE jobs',
      `INSERT INTO jobs (ts, job_id) VALUES (now(), 'x')`,
      `UPDATE jobs SET state = 'x'`,
    ])
      await expect(store.client.query(sql)).rejects.toThrow(/denied|permission/i);
  });
});
