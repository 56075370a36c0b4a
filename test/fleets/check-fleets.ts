import type { IdleLimits } from '../../src/core/fields/idle-limits.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { capacityBaseCsv } from '../../src/report/capacity/capacity-csv.ts';
import { jobCsv } from '../../src/report/csv.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { capacityReport } from '../../schemas/reports/capacity-report.ts';
import { jobReport } from '../../schemas/reports/job-report.ts';
import { capacityJson, jobJson } from '../../src/report/json.ts';
import { differencesOf, type Difference, type Json } from './differences.ts';
import { expectedCapacity, keyedCapacity } from './truth/expect-capacity.ts';
import { expectedJob } from './truth/expect-job.ts';
import { DAY, HOUR, MIN, UNRESOLVED, type Fleet, type FleetRun } from './draw/fleet.ts';
import { FLEET_LANES } from './load-fleets.ts';
import { capacityTextDifferences } from './read/capacity-text.ts';
import { capacityCsvDifferences, jobCsvDifferences } from './read/csv.ts';
import { jobTextDifferences } from './read/job-text.ts';
import { billingTruth } from './truth/billing.ts';
import { capacityTruth, type Grouping } from './truth/capacity.ts';
import { findingsTruth } from './truth/findings.ts';
import { toldLimits } from './truth/idle-limits.ts';
import { jobTruth, type JobTruth } from './truth/job.ts';
import { ALL_LEFT, bucketAt, type Left } from './truth/left.ts';
import { isPeriod, type Period } from './truth/periods.ts';
import { windowTruth, type Window } from './truth/window.ts';
import { ledgersOf, type DeviceLedger } from './truth/ledger.ts';

/** Every report of the fleets of one store, field by field against the truth: JSON first, then CSV and text against JSON. */

/** Fleets with what is true of all of them. */
export interface World {
  readonly fleets: readonly Fleet[];
  readonly ledgers: readonly DeviceLedger[];
  readonly runs: readonly FleetRun[];
  readonly oldestUs: number;
}

export interface Found extends Difference {
  readonly report: string;
}

const TABLE = 'gpu_main';
const LANE = FLEET_LANES.find(({ table }) => table === TABLE)!;
const LANE_FACTS = {
  table: TABLE,
  intervalUs: LANE.intervalMs * 1000,
  gauges: LANE.fields.filter(({ kind }) => kind === 'gauge').map(({ column }) => column),
  othersUs: new Map(
    FLEET_LANES.filter((lane) => lane !== LANE).map((lane) => [lane.table, lane.intervalMs * 1000]),
  ),
};
/** A pipe: nothing is cut. */
const PLAIN = { width: Infinity, isColored: false, isWhole: true };
const REPORTS_AT_ONCE = 4;

/** @param left what has not aged out */
export function worldOf(fleets: readonly Fleet[], left: Left = ALL_LEFT): World {
  const ledgers = fleets.flatMap((fleet) =>
    ledgersOf(fleet, (table, us) => (table === TABLE ? bucketAt(us, left, 'sums') : undefined)),
  );
  const firsts = ledgers.flatMap(({ lanes }) => [...lanes.get(TABLE)!.tsUs.slice(0, 1)]);
  return { fleets, ledgers, runs: fleets.flatMap(({ runs }) => runs), oldestUs: Math.min(...firsts) };
}

/**
 * @param left what has not aged out
 * @returns what differs in the reports of all jobs, and how many reports there are
 */
export async function checkJobs(
  db: QuestDb,
  world: World,
  left: Left = ALL_LEFT,
): Promise<{ found: Found[]; reports: number }> {
  const asked = world.fleets.flatMap((fleet) =>
    fleet.runs.filter(({ jobId }) => jobId !== UNRESOLVED).map((run) => ({ fleet, run })),
  );
  const found = await eachOf(asked, async ({ fleet, run }) => {
    const ledgers = world.ledgers.filter((one) => one.fleet === fleet);
    const startUs = Math.min(...run.stays.map((stay) => stay.startUs));
    const isAged = left.samplesFromUs > startUs + LANE_FACTS.intervalUs;
    const truth = jobTruth(ledgers, run, LANE_FACTS, isAged ? left : ALL_LEFT);
    const oldestUs = Math.max(world.oldestUs, left.oldestUs);
    const figures = await jobFigures(db, FLEET_LANES, run.jobId, {
      run: run.count,
      ...(run.cluster === undefined ? {} : { cluster: run.cluster }),
      submittedUs: run.isRecorded ? run.submitUs : truth.startUs,
      nowUs: fleet.toUs + 100 * DAY,
      idleLimits: fleet.idleLimits as IdleLimits,
    });
    const json = jobReport.parse(JSON.parse(jobJson(figures))) as Json;
    const differences = [
      ...differencesOf(expectedJob(truth, world.runs, oldestUs, isAged), json),
      ...leftOut(truth, isAged),
      ...jobCsvDifferences(jobCsv(figures), json),
      ...jobTextDifferences(renderJobReport(figures, PLAIN), json),
    ];
    return differences.map((one): Found => ({
      report: `seed ${fleet.seed} job ${run.jobId}/${run.count}`,
      ...one,
    }));
  });
  return { found, reports: asked.length };
}

/** What is not compared of a job, since nobody can tell what must stand there. */
function leftOut(truth: JobTruth, isAged: boolean): Difference[] {
  const { certain, possible } = findingsTruth(truth);
  const perhaps = { expected: 'perhaps', got: 'perhaps' };
  const rules = [...possible].filter((rule) => !certain.has(rule));
  const shares = [truth.all, ...truth.devices].flatMap(({ smShares }) => [...smShares.values()]);
  return [
    ...rules.map((rule) => ({
      ...{ path: `findings ${rule}`, ...perhaps },
      left: 'a limit is met within rounding',
    })),
    ...(isAged ? shares.filter(({ isAlike }) => !isAlike) : []).map(() => ({
      ...{ path: 'smShares', ...perhaps },
      left: 'buckets count in which both were known for equally long: which ones, the levels decide',
    })),
  ];
}

const GROUPINGS: readonly Grouping[] = [
  'account',
  'node',
  'week',
  'user',
  'cluster',
  'qos',
  'partition',
  'month',
  'day',
  'model',
];
/** Of some windows there is a row for each day, week or month of a group. */
const PERIODS: readonly (Period | undefined)[] = [undefined, 'week', undefined, 'month', undefined, 'day'];

/** Windows of minutes, hours and days, some of them to the middle of the fleet's time, some over others' time too. */
function windowsOf({ fromUs, toUs, seed }: Fleet): Window[] {
  const lengthUs = toUs - fromUs;
  return [
    { fromUs, toUs },
    { fromUs: fromUs + 0.3 * lengthUs, toUs: fromUs + 0.3 * lengthUs + (7 + (seed % 50)) * MIN },
    { fromUs: fromUs - 3 * HOUR, toUs: fromUs + lengthUs / 2 },
    { fromUs: fromUs - (seed % 3) * 3 * DAY, toUs: toUs + (seed % 4) * 2 * DAY },
  ].map((window) => ({ fromUs: Math.floor(window.fromUs), toUs: Math.floor(window.toUs) }));
}

/**
 * Each fleet by some groupings in each of its windows; all groupings come with all windows over nine fleets.
 * @param left what has not aged out
 */
export async function checkCapacity(
  db: QuestDb,
  world: World,
  left: Left = ALL_LEFT,
): Promise<{ found: Found[]; reports: number }> {
  const asked = world.fleets.flatMap((fleet) =>
    windowsOf(fleet).map((window, at) => ({
      window,
      at,
      fleet,
      ...rowsOf(fleet.seed + at),
      cluster: at % 2 === 1 ? fleet.devices[0]!.cluster : undefined,
    })),
  );
  const found = await eachOf(asked, async ({ fleet, window, at, by, every, cluster }) => {
    const figures = await capacityFigures(db, FLEET_LANES, {
      ...window,
      by,
      ...(every === undefined ? {} : { every }),
      ...(cluster === undefined ? {} : { cluster }),
      idleLimits: fleet.idleLimits as IdleLimits,
    });
    const json = capacityReport.parse(JSON.parse(capacityJson(figures))) as Json;
    const summed = windowTruth(window, world.oldestUs, left);
    const { idleLimits } = fleet;
    const question = { ...summed, by, every, cluster, table: TABLE, idleLimits, left };
    const truth = capacityTruth(world.ledgers, question);
    const differences = [
      ...differencesOf(
        expectedCapacity(
          truth,
          question,
          window,
          summed,
          billingTruth(world.runs, question),
          // Of all devices that the store knows.
          toldLimits(
            world.ledgers.map(({ device }) => device),
            idleLimits,
          ),
        ),
        keyedCapacity(json),
      ),
      ...rowsDifferences(json, by),
      ...unownedDifferences(json),
      ...capacityCsvDifferences(capacityBaseCsv(figures), json),
      ...capacityTextDifferences(renderCapacityReport(figures, PLAIN), json),
    ];
    return differences.map((one): Found => ({
      report: `seed ${fleet.seed} window ${at} by ${by}${every === undefined ? '' : `,${every}`}`,
      ...one,
    }));
  });
  return { found, reports: asked.length };
}

/** What rows are asked for. */
function rowsOf(number: number): { readonly by: Grouping; readonly every: Period | undefined } {
  const by = GROUPINGS[number % GROUPINGS.length]!;
  const every = isPeriod(by) ? undefined : PERIODS[number % PERIODS.length];
  return { by, every };
}

interface OrderedRow {
  readonly kind: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly period?: string;
  readonly attributedUs: number;
  readonly jobs: number;
}

const KINDS = ['group', 'unresolved', 'unattributed', 'unowned', 'unallocated', 'cut'];

/** What nobody's time of groups of devices drew adds up to the rows of nobody. */
function unownedDifferences(json: Json): Difference[] {
  const { rows } = json as unknown as {
    rows: readonly {
      readonly kind: string;
      readonly bestJoules?: number;
      readonly unownedUs?: number;
      readonly unownedJoules?: number;
    }[];
  };
  if (rows.every(({ unownedUs }) => unownedUs === undefined)) return [];
  const expected = rows
    .filter(({ kind }) => kind === 'unowned')
    .reduce((sum, { bestJoules = 0 }) => sum + bestJoules, 0);
  const got = rows.reduce((sum, { unownedJoules = 0 }) => sum + unownedJoules, 0);
  const isRight = Math.abs(got - expected) <= 1e-9 * expected + 1e-9;
  return isRight ? [] : [{ path: 'rows.unownedJoules', expected: `${expected}`, got: `${got}` }];
}

/** Rows add up to all, to the microsecond and the job; of each kind the largest group comes first, of periods the first one. */
function rowsDifferences(json: Json, by: Grouping): Difference[] {
  const { rows, sampledUs, every, all } = json as unknown as {
    readonly rows: readonly OrderedRow[];
    readonly sampledUs: number;
    readonly every?: string;
    readonly all: { readonly jobs: number };
  };
  // Of devices and periods a job may have several.
  const isOfJobs = every === undefined && ['user', 'account', 'partition', 'qos'].includes(by);
  const jobs = isOfJobs ? rows.reduce((sum, row) => sum + row.jobs, 0) : all.jobs;
  const sumUs = rows.reduce((sum, { attributedUs }) => sum + attributedUs, 0);
  const groupOf = ({ kind, name, cluster }: OrderedRow): string => JSON.stringify([kind, name, cluster]);
  const groupUs = (row: OrderedRow): number =>
    rows
      .filter((one) => groupOf(one) === groupOf(row))
      .reduce((sum, { attributedUs }) => sum + attributedUs, 0);
  const isInOrder = rows.every((row, at) => {
    const before = rows[at - 1];
    if (before === undefined) return true;
    const step = KINDS.indexOf(row.kind) - KINDS.indexOf(before.kind);
    if (step !== 0) return step > 0;
    if (groupOf(row) === groupOf(before)) return row.period! > before.period!;
    if (isPeriod(by)) return row.name! > before.name!;
    return groupUs(row) <= groupUs(before) + 1e-3;
  });
  return [
    ...(Math.abs(sumUs - sampledUs) < 1
      ? []
      : [{ path: 'rows', expected: `rows of ${sampledUs} µs`, got: String(sumUs) }]),
    ...(jobs === all.jobs ? [] : [{ path: 'rows', expected: `rows of ${all.jobs} jobs`, got: String(jobs) }]),
    ...(isInOrder ? [] : [{ path: 'rows', expected: 'in order', got: JSON.stringify(rows).slice(0, 200) }]),
  ];
}

/** Some at a time. */
async function eachOf<T>(items: readonly T[], check: (item: T) => Promise<Found[]>): Promise<Found[]> {
  const found: Found[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) found.push(...(await check(items[next++]!)));
  };
  await Promise.all(Array.from({ length: REPORTS_AT_ONCE }, work));
  return found;
}

/** How often something was not compared, and why. */
export function leftTexts(found: readonly Found[]): string[] {
  const left = found.filter((one) => one.left !== undefined);
  return [...Map.groupBy(left, ({ path, left: why }) => `${path}: ${why!}`)].map(
    ([text, all]) => `${all.length} x ${text}`,
  );
}

/** For the message of a test: how often what differs, and the first of each. */
export function summaryOf(all: readonly Found[]): string[] {
  const found = all.filter(({ left }) => left === undefined);
  const byPath = Map.groupBy(found, ({ path }) => path.replaceAll(/\[.*?\]|\d+|(GPU|MIG)-[\w-]+/g, '*'));
  return [...byPath].map(
    ([path, own]) =>
      `${own.length} x ${path}: ${own[0]!.report}: ${own[0]!.path}: expected ${own[0]!.expected}, got ${own[0]!.got}`,
  );
}
