import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { capacityCsv, jobCsv } from '../../src/report/csv.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { capacityJson, jobJson } from '../../src/report/json.ts';
import { differencesOf, type Difference, type Json } from './differences.ts';
import { expectedCapacity, keyedCapacity } from './expect-capacity.ts';
import { agedGapDifferences, expectedJob } from './expect-job.ts';
import { DAY, HOUR, MIN, UNRESOLVED, type Fleet, type FleetRun } from './fleet.ts';
import { FLEET_LANES } from './load-fleets.ts';
import { capacityTextDifferences } from './read-capacity-text.ts';
import { capacityCsvDifferences, jobCsvDifferences } from './read-csv.ts';
import { jobTextDifferences } from './read-job-text.ts';
import { capacityTruth, type Grouping } from './truth-capacity.ts';
import { jobTruth } from './truth-job.ts';
import { ALL_LEFT, type Left } from './truth-left.ts';
import { ledgersOf, type DeviceLedger } from './truth-ledger.ts';

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
};
/** A pipe: nothing is cut. */
const PLAIN = { width: Infinity, isColored: false, isWhole: true };
const REPORTS_AT_ONCE = 4;

export function worldOf(fleets: readonly Fleet[]): World {
  const ledgers = fleets.flatMap(ledgersOf);
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
    const oldestUs = Math.max(world.oldestUs, left.samplesFromUs);
    const figures = await jobFigures(db, FLEET_LANES, run.jobId, {
      run: run.count,
      ...(run.cluster === undefined ? {} : { cluster: run.cluster }),
      submittedUs: run.isRecorded ? run.submitUs : truth.startUs,
      nowUs: fleet.toUs + 100 * DAY,
    });
    const json = JSON.parse(jobJson(figures)) as Json;
    const differences = [
      ...differencesOf(expectedJob(truth, world.runs, oldestUs, isAged), json),
      ...(isAged && truth.mixedUs === 0 ? agedGapDifferences(truth, json) : []),
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

const GROUPINGS: readonly Grouping[] = ['account', 'node', 'user', 'cluster', 'partition', 'model'];

interface AskedWindow {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Windows of minutes, hours and days, some of them to the middle of the fleet's time, some over others' time too. */
function windowsOf({ fromUs, toUs, seed }: Fleet): AskedWindow[] {
  const lengthUs = toUs - fromUs;
  return [
    { fromUs, toUs },
    { fromUs: fromUs + 0.3 * lengthUs, toUs: fromUs + 0.3 * lengthUs + (7 + (seed % 50)) * MIN },
    { fromUs: fromUs - 3 * HOUR, toUs: fromUs + lengthUs / 2 },
    { fromUs: fromUs - (seed % 3) * 3 * DAY, toUs: toUs + (seed % 4) * 2 * DAY },
  ].map((window) => ({ fromUs: Math.floor(window.fromUs), toUs: Math.floor(window.toUs) }));
}

/** Each fleet by some groupings in each of its windows; all groupings come with all windows over six fleets. */
export async function checkCapacity(db: QuestDb, world: World): Promise<{ found: Found[]; reports: number }> {
  const asked = world.fleets.flatMap((fleet) =>
    windowsOf(fleet).map((window, at) => ({
      window,
      at,
      fleet,
      by: GROUPINGS[(fleet.seed + at) % GROUPINGS.length]!,
      cluster: at % 2 === 1 ? fleet.devices[0]!.cluster : undefined,
    })),
  );
  const found = await eachOf(asked, async ({ fleet, window, at, by, cluster }) => {
    const figures = await capacityFigures(db, FLEET_LANES, {
      ...window,
      by,
      ...(cluster === undefined ? {} : { cluster }),
    });
    const json = JSON.parse(capacityJson(figures)) as Json;
    const summed = windowOfJson(json);
    const question = { ...summed, by, cluster, table: TABLE };
    const truth = capacityTruth(world.ledgers, question);
    const differences = [
      ...windowDifferences(window, summed),
      ...differencesOf(
        expectedCapacity(truth, question, { ...window, roundedTo: summed.roundedTo }),
        keyedCapacity(json),
      ),
      ...rowsDifferences(json),
      ...capacityCsvDifferences(capacityCsv(figures), json),
      ...capacityTextDifferences(renderCapacityReport(figures, PLAIN), json),
    ];
    return differences.map((one): Found => ({ report: `seed ${fleet.seed} window ${at} by ${by}`, ...one }));
  });
  return { found, reports: asked.length };
}

interface SummedWindow extends AskedWindow {
  readonly roundedTo: string;
}

function windowOfJson(json: Json): SummedWindow {
  const { fromUs, toUs, roundedTo } = json as unknown as SummedWindow;
  return { fromUs, toUs, roundedTo };
}

const STEPS: Readonly<Record<string, number>> = { minute: MIN, hour: HOUR, day: DAY };

/** What was summed is what was asked for, outward to the whole steps that are told; at the other end they may be shorter. */
function windowDifferences(asked: AskedWindow, { fromUs, toUs, roundedTo }: SummedWindow): Difference[] {
  const steps = Object.values(STEPS).filter((step) => step <= (STEPS[roundedTo] ?? 0));
  const isRight =
    steps.some((step) => Math.floor(asked.fromUs / step) * step === fromUs) &&
    steps.some((step) => Math.ceil(asked.toUs / step) * step === toUs);
  return isRight
    ? []
    : [{ path: 'window', expected: JSON.stringify(asked), got: `${fromUs}, ${toUs} by ${roundedTo}` }];
}

/** Rows add up to all, to the microsecond; of each kind the largest comes first. */
function rowsDifferences(json: Json): Difference[] {
  const { rows, sampledUs } = json as unknown as {
    rows: readonly { readonly kind: string; readonly attributedUs: number }[];
    sampledUs: number;
  };
  const sumUs = rows.reduce((sum, { attributedUs }) => sum + attributedUs, 0);
  const kinds = ['group', 'unresolved', 'unattributed', 'unowned', 'cut'];
  const isInOrder = rows.every((row, at) => {
    const before = rows[at - 1];
    if (before === undefined) return true;
    const step = kinds.indexOf(row.kind) - kinds.indexOf(before.kind);
    return step > 0 || (step === 0 && row.attributedUs <= before.attributedUs);
  });
  return [
    ...(Math.abs(sumUs - sampledUs) < 1
      ? []
      : [{ path: 'rows', expected: `rows of ${sampledUs} µs`, got: String(sumUs) }]),
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

/** For the message of a test: how often what differs, and the first of each. */
export function summaryOf(found: readonly Found[]): string[] {
  const byPath = Map.groupBy(found, ({ path }) => path.replaceAll(/\[.*?\]|\d+|(GPU|MIG)-[\w-]+/g, '*'));
  return [...byPath].map(
    ([path, all]) =>
      `${all.length} x ${path}: ${all[0]!.report}: ${all[0]!.path}: expected ${all[0]!.expected}, got ${all[0]!.got}`,
  );
}
