import type { CostRates } from '../../core/costs/costs.ts';
import { USUAL_IDLE_LIMITS, type IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { ENERGY_FIELD_ID } from '../../core/fields/well-known.ts';
import {
  type CapacityFigures,
  type CapacityFilter,
  type CapacityGrouping,
  type CapacityName,
  type CapacityPeriod,
  type CapacityTimes,
} from './figures.ts';
import { checkBilling } from './billing.ts';
import { fleetOf, knownDevices, type KnownDevice } from './devices.ts';
import { chosenDevices } from './filters.ts';
import { installedOf, readInstalled, unseenNodes, type InstalledFacts } from './installed/installed.ts';
import { readNodeDays, type DaysOfNode } from './installed/node-days.ts';
import { zoneMonths } from './periods.ts';
import { shownTop } from './top.ts';
import { deviceClasses } from './device-classes.ts';
import { partsOf, sourcesOf, type CapacityTable } from './parts.ts';
import { ofOwned, rowsOf } from './rows.ts';
import { capacitySums } from './sums.ts';
import {
  BY_HOUR_US_MAX,
  dividingUs,
  isOfJobNames,
  isOfSomeJobs,
  periodOf,
  type Membership,
} from './membership.ts';
import { groupOf, keyOfRow, tallyOf, textOf, type AskedTally, type GroupKey, type Tally } from './tally.ts';
import { asManyAsFit, closeStarts, mixedIds, reusedIds } from './reused-ids.ts';
import { jobCountsSql, stayPeriodsSql } from './job-counts.ts';
import { capacityWindow, type CapacityWindow } from './window.ts';
import { costBasis, needsHours } from '../cost-basis.ts';
import { gaugeReadings, storedLanes, type StoredLane } from '../gauge-lanes.ts';
import { GAUGES, type GaugeKey, type LaneGauges } from '../gauges.ts';
import { readIdleLimits, type DeviceIdleLimits } from '../idle-limits.ts';
import { invalidRollups } from '../invalid-rollups.ts';
import { LEVELS, withinSql, type Segment } from '../levels.ts';
import { CUT_LEVELS, readCutInventory } from '../mig-energy.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { quoteName } from '../../../schemas/tables.ts';
import type { CapacitySource } from './samples.ts';

export interface CapacityQueryOptions {
  readonly fromUs: number;
  readonly toUs: number;
  readonly by: CapacityGrouping;
  /** By what else, in that order; by nothing else when absent. */
  readonly also?: readonly CapacityName[];
  /** A row for each of these periods; of the whole window when absent. Not where `by` is a period itself. */
  readonly every?: CapacityPeriod;
  /** Only the devices of this cluster; of all when absent. */
  readonly cluster?: string;
  /** Only what fits all of these; everything when absent. */
  readonly where?: readonly CapacityFilter[];
  /** So many groups, those with most GPU time, and the others together; all when absent. */
  readonly top?: number;
  /** Below which SM activity devices count as idle; the usual 5 % when absent. */
  readonly idleLimits?: IdleLimits;
  /** By whose clocks months begin; UTC when absent. All other periods are of UTC. */
  readonly timeZone?: string;
  /** What GPU time and energy cost; nothing is told of it when absent. */
  readonly costs?: CostRates | undefined;
}

/** What `capacityTimes` is asked. */
export interface TimesQueryOptions extends Omit<CapacityQueryOptions, 'top'> {
  /** Nothing of what was done in the time, nor of energy: both stay unknown. */
  readonly isTimeAlone?: boolean;
}

/**
 * What all devices did in a window and for whom, from the rollups, and from the samples where those are too young; shared devices
 * by the parts of their owner sets.
 * @throws OperatingError `report.window`, `report.unknown_cluster`, `report.unknown_name`, and what `QuestDb.exec` throws
 */
export async function capacityFigures(
  db: Asked,
  lanes: readonly Lane[],
  options: CapacityQueryOptions,
): Promise<CapacityFigures> {
  const { times, of, rest } = await readCapacity(db, lanes, options, true);
  const { jobs, installed, billing } = rest!;
  const rows = times.rows.map((row) => ({ ...row, jobs: jobs.byGroup.get(textOf(row))?.jobs ?? 0 }));
  return shownTop({
    ...times,
    ...{ top: options.top, billing, rows },
    installed: installedOf(of, rows, installed),
    unseenNodes: unseenNodes(installed),
    all: { ...times.all, jobs: jobs.all },
  });
}

/** The same as far as it is told whose the time was. @throws what `capacityFigures` throws */
export async function capacityTimes(
  db: Asked,
  lanes: readonly Lane[],
  options: TimesQueryOptions,
): Promise<CapacityTimes> {
  return (await readCapacity(db, lanes, options, false)).times;
}

/** The window that is reported on, and what is kept of it. @throws what `capacityFigures` throws */
export async function readWindow(
  db: Asked,
  lanes: readonly Lane[],
  options: TimesQueryOptions,
): Promise<{ readonly stored: readonly StoredLane[]; readonly window: CapacityWindow }> {
  const stored = await storedLanes(db, lanes, options);
  const kept = stored.filter(isUseful).map((one) => one.kept);
  return { stored, window: capacityWindow(kept, options.fromUs, options.toUs, periodOf(options)) };
}

interface ReadCapacity {
  readonly times: CapacityTimes;
  readonly of: Membership;
  readonly rest: (BesideTimes & Pick<CapacityFigures, 'billing'>) | undefined;
}

/** @param isWhole with the rest of `CapacityFigures` */
async function readCapacity(
  db: Asked,
  lanes: readonly Lane[],
  options: TimesQueryOptions,
  isWhole: boolean,
): Promise<ReadCapacity> {
  const { by, also = [], every, cluster, where = [], timeZone = 'UTC' } = options;
  const { idleLimits = USUAL_IDLE_LIMITS, costs: rates, isTimeAlone = false } = options;
  const { stored, window } = await readWindow(db, lanes, options);
  // The server answers side by side what does not need each other's answers.
  const [isOneCluster, all, inventory, idle] = await Promise.all([
    hasOneCluster(db, window),
    capacityTables(db, stored, window),
    readCutInventory(db),
    readIdleLimits(db, idleLimits),
  ]);
  const tables = isTimeAlone ? all.filter(({ isTime }) => isTime).map(withoutGauges) : all;
  const devices = await deviceClasses(db, idle, rates);
  const isByHour = rates !== undefined && needsHours(rates) && window.toUs - window.fromUs <= BY_HOUR_US_MAX;
  const kept = stored.map((one) => one.kept);
  // Who needs them waits for them: only fleets with MIG instances do.
  const there = knownDevices(db, window, kept, inventory);
  const present = there.then(async (devices) => await chosenDevices(db, window, devices, { cluster, where }));
  const months = zoneMonths(periodOf(options), timeZone, window);
  const known = { by, also, every, window, cluster, isOneCluster, where, months };
  // GPUs were there for others than some jobs.
  const nodeDays = isWhole && !isOfSomeJobs(known) ? readNodeDays(db, window) : undefined;
  const [ofJobs, asked, billing] = await Promise.all([
    askOfJobs(
      db,
      known,
      { tables, there, nodeDays, inventory, idle, devices, present, rates, isByHour, isTimeAlone },
      isWhole,
    ),
    present,
    where.length > 0 || !isWhole ? undefined : checkBilling(db, window, cluster),
    nodeDays,
  ]);
  const timeZoneOfMonths = months === undefined ? undefined : timeZone;
  const times = timesOf(ofJobs, fleetOf(asked, window), { window, idle, rates });
  return {
    times: {
      ...times,
      timeZone: timeZoneOfMonths,
      invalidRollups: await invalidRollups(db, ofJobs.segments),
      hasActivity: tables.some(({ sm }) => sm !== undefined),
    },
    of: ofJobs.of,
    rest: ofJobs.rest && { ...ofJobs.rest, billing },
  };
}

function timesOf(
  { of, reusedIdsLeft, segments, tally, rest }: OfJobs,
  fleet: ReturnType<typeof fleetOf>,
  {
    window,
    idle,
    rates,
  }: {
    readonly window: CapacityWindow;
    readonly idle: DeviceIdleLimits;
    readonly rates: CostRates | undefined;
  },
): Omit<CapacityTimes, 'timeZone' | 'invalidRollups' | 'hasActivity'> {
  const jobs = rest?.jobs.byGroup ?? new Map<string, never>();
  // A job of which nothing was seen counts in its row, too: rows add up to `all`.
  for (const { key } of jobs.values()) groupOf(tally, key);
  const rows = rowsOf(tally, of, jobs, rates);
  const { all, samples, sampledUs, undividedUs, unknownSlicesUs, sharedUs, areSharesScaled } = tally;
  const { by, also, every, cluster, where } = of;
  return {
    ...{ by, also, every, cluster, where },
    ...window,
    ...fleet,
    // The first samples of the window speak for time of before it, too: what was seen was known.
    knownUs: isOfSomeJobs(of) ? undefined : Math.max(fleet.knownUs, sampledUs),
    reusedIdsLeft,
    closeIdsLeft: mixedIds(of.reused, segments),
    samples,
    sampledUs,
    rows,
    all: {
      ...capacitySums({ ...all, attributedUs: sampledUs }, rates),
      idle: ofOwned(rows, ({ idle }) => idle),
      wasted: ofOwned(rows, ({ wasted }) => wasted),
    },
    ...{ undividedUs, unknownSlicesUs, sharedUs, areSharesScaled },
    idleLimits: idle.told,
    costBasis: rates && costBasis(rates, all.hours?.values() ?? []),
  };
}

/** What is told beside whose the time was. */
interface BesideTimes {
  readonly jobs: JobCounts;
  readonly installed: InstalledFacts;
}

interface OfJobs {
  readonly of: Membership;
  readonly reusedIdsLeft: number;
  /** All that is read. */
  readonly segments: readonly Segment[];
  readonly tally: Tally;
  readonly rest: BesideTimes | undefined;
}

/** The sums and the jobs of the groups. Where it matters of which job something is it takes knowing which ids were given again. */
async function askOfJobs(
  db: Asked,
  known: Omit<Membership, 'reused' | 'areClustersTold'>,
  {
    tables,
    there,
    nodeDays,
    isTimeAlone,
    ...asked
  }: Omit<AskedTally, 'parts'> & {
    readonly tables: readonly CapacityTable[];
    readonly there: Promise<readonly KnownDevice[]>;
    readonly nodeDays: Promise<DaysOfNode> | undefined;
    readonly isTimeAlone: boolean;
  },
  isWhole: boolean,
): Promise<OfJobs> {
  const { window, isOneCluster, cluster } = known;
  const isOfJobs = isWhole || !isTimeAlone || isOfJobNames(known);
  const parts = await partsOf(db, tables, window);
  const levels = asked.isByHour || periodOf(known) === 'hour' ? CUT_LEVELS : LEVELS;
  const sourcesFor = (reused: Membership['reused']): CapacitySource[][] =>
    parts.map((part) => sourcesOf(part, window, levels, dividingUs({ ...known, reused })));
  const [ids, areTold] = await Promise.all([
    isOfJobs ? reusedIds(db, window, isOneCluster, cluster) : [],
    areClustersTold(db, known, sourcesFor([]).flat()),
  ]);
  const { ids: reused, left: reusedIdsLeft } = asManyAsFit(ids);
  const sources = sourcesFor(reused);
  // Where jobs follow each other within a day finer buckets are read, too.
  const isSame = closeStarts(reused).length === 0;
  const of = {
    ...known,
    reused,
    areClustersTold: isSame ? areTold : await areClustersTold(db, known, sources.flat()),
  };
  const rest = async (): Promise<BesideTimes> => {
    const [jobs, installed] = await Promise.all([
      jobCounts(db, of),
      readInstalled(db, of, {
        ...{ known: there, devices: asked.present, classes: asked.devices },
        ...{ parts, sources: sources.flat(), nodeDays },
      }),
    ]);
    return { jobs, installed };
  };
  const [tally, besides] = await Promise.all([
    tallyOf(db, of, sources, { parts, ...asked }),
    isWhole ? rest() : undefined,
  ]);
  const segments = sources.flat().flatMap((source) => source.segments);
  return { of, reusedIdsLeft, segments, tally, rest: besides };
}

/** Of gauges only what a capacity report shows, and what the energy of cut GPUs is divided by. */
export const READ_KEYS: readonly GaugeKey[] = ['smActive', 'power', 'engineActive'];

/** Whether a table has anything that a capacity report shows. */
function isUseful({ lane: { fields } }: StoredLane): boolean {
  return fields.some(
    ({ id }) => id === ENERGY_FIELD_ID || READ_KEYS.some((key) => GAUGES[key].fieldId === id),
  );
}

/** The first decides time and samples. */
async function capacityTables(
  db: Asked,
  stored: readonly StoredLane[],
  window: CapacityWindow,
): Promise<CapacityTable[]> {
  const readings = await gaugeReadings(db, stored, window, { keys: READ_KEYS });
  // A lane without any of them still tells who owned what, and how much of it was seen.
  const [first] = stored;
  if (readings.length === 0 && first !== undefined)
    readings.push({ lane: first.lane, gauges: [], hasEnergy: false });
  const keptOfTable = new Map(stored.map(({ kept }) => [kept.table, kept]));
  return readings.map((reading, index) => {
    const { lane, times } = reading;
    const kept = keptOfTable.get(lane.table)!;
    return {
      ...columnsOf(reading),
      kept: times === undefined ? kept : { ...kept, times },
      isTime: index === 0,
    };
  });
}

function withoutGauges({ kept, isTime }: CapacityTable): CapacityTable {
  return { kept, isTime, hasEnergy: false };
}

function columnsOf({
  gauges,
  hasEnergy,
}: LaneGauges): Pick<CapacityTable, 'sm' | 'power' | 'engine' | 'hasEnergy'> {
  const columns = new Map(gauges);
  const [sm, power, engine] = READ_KEYS.map((key) => columns.get(key));
  return {
    ...(sm === undefined ? {} : { sm }),
    ...(power === undefined ? {} : { power }),
    ...(engine === undefined ? {} : { engine }),
    hasEnergy,
  };
}

/** Jobs by their group, and in all. */
interface JobCounts {
  readonly byGroup: ReadonlyMap<string, { readonly key: GroupKey; readonly jobs: number }>;
  readonly all: number;
}

async function jobCounts(db: Asked, of: Membership): Promise<JobCounts> {
  const byGroup = new Map<string, { key: GroupKey; jobs: number }>();
  let told: number | undefined;
  const period = periodOf(of);
  const longest = period === undefined ? [] : await ask(db, stayPeriodsSql(of, period));
  for (const row of await ask(db, jobCountsSql(of, Math.floor(longest[0]?.number('later') ?? 0)))) {
    const jobs = row.number('jobs') ?? 0;
    if (row.number('is_all') === 1) told = jobs;
    else {
      const key = keyOfRow(of, row);
      byGroup.set(textOf(key), { key, jobs });
    }
  }
  const all = told ?? [...byGroup.values()].reduce((sum, { jobs }) => sum + jobs, 0);
  return { byGroup, all };
}

/** Whether all that is read says of which cluster it is: of stores that several clusters write from the beginning on. */
async function areClustersTold(
  db: Asked,
  { isOneCluster, window }: Pick<Membership, 'isOneCluster' | 'window'>,
  sources: readonly CapacitySource[],
): Promise<boolean> {
  if (isOneCluster) return false;
  const segments = sources.flatMap((source) => source.segments);
  if (segments.some(({ columns }) => !columns.has('cluster'))) return false;
  const [from, to] = [quoteTime(window.fromUs), quoteTime(window.toUs)];
  const untold = [
    ...segments.map(
      (segment) =>
        `SELECT s.ts AS ts FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.cluster IS NULL`,
    ),
    ...['jobs', 'gpu_ownership', 'job_figures'].map(
      (table) =>
        `SELECT ts FROM ${table} WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from}) AND cluster IS NULL`,
    ),
  ];
  // Each of them ends with the first row that it finds.
  const first = untold.map((sql) => `SELECT ts FROM (${sql} LIMIT 1)`);
  return (await ask(db, first.join(' UNION ALL '))).length === 0;
}

/** Whether there is one cluster at most, as far as anybody told. */
async function hasOneCluster(db: Asked, { fromUs, toUs }: CapacityWindow): Promise<boolean> {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  const told = ['jobs', 'gpu_ownership'].map(
    (table) =>
      `SELECT cluster FROM ${table} WHERE ts < ${to} AND (end_ts IS NULL OR end_ts >= ${from}) GROUP BY cluster`,
  );
  // Of each table by itself: of several together one worker alone would group the rows.
  const rows = await ask(
    db,
    `SELECT DISTINCT cluster FROM (SELECT cluster FROM gpu_inventory GROUP BY cluster UNION ALL ${told.join(' UNION ALL ')})`,
  );
  return rows.filter((row) => row.text('cluster') !== undefined).length <= 1;
}
