import type { Lane } from '../../core/fields/lane.ts';
import { forecastOf, KNOWN_WEEKS_MIN } from '../../core/forecast/forecast.ts';
import { shortageOf } from '../../core/forecast/shortage.ts';
import { knownDevices, type KnownDevice } from '../capacity/devices.ts';
import { isOwned, type CapacityTimes } from '../capacity/figures.ts';
import { periodName, periodStartUs } from '../capacity/periods.ts';
import { capacityTimes } from '../capacity/query.ts';
import { storedLanes } from '../gauge-lanes.ts';
import { STEP_US, type Span } from '../levels.ts';
import { readCutInventory } from '../mig-energy.ts';
import type { Asked } from '../query-cells.ts';
import { WEEK_US, type DemandBasis, type DemandWeek, type ForecastFigures } from './figures.ts';
import { unmetByWeek } from './unmet.ts';

/** Of a week of which less was seen demand is not known. */
const SEEN_RATIO_MIN = 0.8;
/** So far from an end of a week the first or the last sign of the fleet may be. */
const EDGE_US_MAX = STEP_US['1h'];

export interface ForecastQueryOptions {
  /** How far to look back, and from when; the week that is not over then is none. Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Only the devices of this cluster; of all when absent. */
  readonly cluster?: string;
  /** 1 to 12. */
  readonly horizonWeeks: number;
}

/**
 * Demand for GPUs by week, what it will be, and when it passes what there is.
 * @throws OperatingError `report.unknown_cluster`, and what `capacityTimes` throws
 */
export async function forecastFigures(
  db: Asked,
  lanes: readonly Lane[],
  { fromUs, toUs, cluster, horizonWeeks }: ForecastQueryOptions,
): Promise<ForecastFigures> {
  const window = wholeWeeks({ fromUs, toUs });
  const stored = await storedLanes(db, lanes, window);
  const inventory = await readCutInventory(db);
  const kept = stored.map((one) => one.kept);
  const [devices, figures, unmet] = await Promise.all([
    knownDevices(db, window, kept, inventory),
    capacityTimes(db, lanes, {
      ...window,
      by: 'cluster',
      every: 'week',
      isTimeAlone: true,
      ...(cluster === undefined ? {} : { cluster }),
    }),
    unmetByWeek(db, window, cluster),
  ]);
  const own = devices.filter((device) => cluster === undefined || device.cluster === cluster);
  const seen = {
    fromUs: Math.min(...own.map((device) => device.fromUs)) - EDGE_US_MAX,
    toUs: Math.max(...own.map(({ lastUs }) => lastUs)) + EDGE_US_MAX,
  };
  const weeks = weekStarts(window).map((startUs) => {
    const span = { fromUs: startUs, toUs: startUs + WEEK_US };
    return {
      ...amountsOf(figures, startUs),
      knownUs: knownUsIn(own, span),
      unmetUs: unmet.get(startUs),
      isWhole: span.fromUs >= seen.fromUs && span.toUs <= seen.toUs,
    };
  });
  return {
    cluster,
    isSynthetic: figures.isSynthetic,
    devices: figures.devices,
    horizonWeeks,
    ...foretold(withDemand(weeks), horizonWeeks),
  };
}

/** Σ over devices of the part of a span in which they were known, in GPU time. */
function knownUsIn(devices: readonly KnownDevice[], { fromUs, toUs }: Span): number {
  return devices.reduce(
    (sum, device) =>
      sum + Math.max(0, Math.min(toUs, device.toUs) - Math.max(fromUs, device.fromUs)) * device.weight,
    0,
  );
}

/** The whole weeks before the end, as many as it takes to look back so far. */
function wholeWeeks({ fromUs, toUs }: Span): Span {
  const endUs = periodStartUs('week', toUs);
  const startUs = periodStartUs('week', endUs - (toUs - fromUs));
  // Of a time before 1970 the store knows no name.
  return { fromUs: startUs < 0 ? startUs + WEEK_US : startUs, toUs: endUs };
}

function weekStarts({ fromUs, toUs }: Span): number[] {
  return Array.from({ length: (toUs - fromUs) / WEEK_US }, (_, at) => fromUs + at * WEEK_US);
}

function amountsOf(
  { rows }: CapacityTimes,
  startUs: number,
): Pick<DemandWeek, 'startUs' | 'ownedUs' | 'sampledUs'> {
  const name = periodName('week', startUs);
  const own = rows.filter(({ period }) => period === name);
  const sum = (some: typeof own): number => some.reduce((total, row) => total + row.attributedUs, 0);
  return { startUs, ownedUs: sum(own.filter(({ kind }) => isOwned(kind))), sampledUs: sum(own) };
}

type SeenWeek = Omit<DemandWeek, 'demandUs'> & {
  /** Somebody looked from its begin to its end. */
  readonly isWhole: boolean;
};

/** What was owned of what was seen, of all that there was; and what waited. From the first week on that is known. */
function withDemand(seen: readonly SeenWeek[]): { weeks: DemandWeek[]; basis: DemandBasis } {
  const owned = seen.map(({ ownedUs, sampledUs, knownUs, isWhole }) => {
    const isSeen = isWhole && knownUs > 0 && sampledUs >= SEEN_RATIO_MIN * knownUs;
    return isSeen ? ownedUs * Math.max(1, knownUs / sampledUs) : undefined;
  });
  const both = seen.map(({ unmetUs }, at) =>
    owned[at] === undefined || unmetUs === undefined ? undefined : owned[at] + unmetUs,
  );
  // A history of which a part lacks what waited would rise where that begins.
  const isBoth = both.filter((us) => us !== undefined).length >= KNOWN_WEEKS_MIN;
  const demand = isBoth ? both : owned;
  const first = demand.findIndex((us) => us !== undefined);
  const weeks = seen.map(({ isWhole: _, ...week }, at) => ({ ...week, demandUs: demand[at] }));
  return { weeks: first < 0 ? [] : weeks.slice(first), basis: isBoth ? 'owned_and_unmet' : 'owned' };
}

function foretold(
  { weeks, basis }: { weeks: DemandWeek[]; basis: DemandBasis },
  horizonWeeks: number,
): Pick<ForecastFigures, 'weeks' | 'basis' | 'forecast' | 'capacityUs' | 'shortage'> {
  const forecast = forecastOf(
    weeks.map(({ demandUs }) => demandUs),
    horizonWeeks,
  );
  const capacityUs = weeks.findLast(({ demandUs }) => demandUs !== undefined)?.knownUs;
  const shortage =
    capacityUs === undefined || forecast.refusal !== undefined
      ? undefined
      : shortageOf(forecast.weeks, capacityUs);
  return { weeks, basis, forecast, capacityUs, shortage };
}
