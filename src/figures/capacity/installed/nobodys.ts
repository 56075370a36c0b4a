import { quoteText } from '../../../../schemas/tables.ts';
import { STEP_US, type Span } from '../../levels.ts';
import { CUT_LEVELS } from '../../mig-energy.ts';
import type { Asked } from '../../query-cells.ts';
import { joined } from '../../spans.ts';
import { quoteTime } from '../../sql-text.ts';
import type { KnownDevice } from '../devices.ts';
import { periodOf, type Membership } from '../membership.ts';
import { sourcesOf, type CapacityPart } from '../parts.ts';
import { periodName, periodStartUs } from '../periods.ts';
import type { CapacitySource } from '../samples.ts';
import { knownUsIn, periodsIn, seenKey, seenTimes, type SeenBy, type SeenTime } from './device-times.ts';
import { readNodeHours, type DaysOfNode, type DayTold, type StateTimes } from './node-days.ts';
import { placeNobodys, type PlacedTime } from './nobodys-time.ts';

/** What nobody had of a device in a period of the report, µs. */
export interface NobodysOfDevice extends PlacedTime {
  readonly device: KnownDevice;
  readonly period: string | undefined;
  /** What was seen and unowned, which `free`, `unowned`, `seenDrained` and `seenDown` add up to. */
  readonly seenUnowned: number;
}

const DAY_US = STEP_US['1d'];
const HOUR_US = STEP_US['1h'];
/** Of nodes at their times: the text of a query is part of its address. */
const SPANS_PER_QUERY = 20;
/** What clocks may miss of an hour that was told whole. */
const WHOLE_US_MISSING_MAX = 1e6;

/** What is read of the samples, and of the scheduler. */
export interface NobodysRead {
  readonly parts: readonly CapacityPart[];
  readonly sources: readonly CapacitySource[];
  readonly nodeDays: Promise<DaysOfNode>;
}

/**
 * The time that nobody had of each device, by what the scheduler told of its node.
 * @param of with names of devices and times alone, or of all jobs
 * @throws what `ask` throws
 */
export async function readNobodys(
  db: Asked,
  of: Membership,
  devices: readonly KnownDevice[],
  { parts, sources, nodeDays }: NobodysRead,
): Promise<NobodysOfDevice[]> {
  const period = periodOf(of);
  const [seen, days] = await Promise.all([seenTimes(db, sources, { period, months: of.months }), nodeDays]);
  const told = devices.map((device) => ({
    device,
    days: days(device.cluster, device.nodes.at(-1) ?? ''),
  }));
  const [partly, untold] = await Promise.all([
    readPartly(db, of, told, parts),
    readUntold(db, of, told, parts),
  ]);
  const periods = periodsIn(of.window, period, of.months);
  return told.flatMap(({ device, days: own }) => {
    const times = periods.map((span) => seen.get(seenKey(device.gpu, span.name)) ?? NOT_SEEN);
    const unseen = unseenBy(
      periods.map((span, at) => ({ knownUs: knownUsIn(device, span), seenUs: times[at]!.allUs })),
    );
    return periods.map(({ name }, at) => {
      const key = seenKey(device.gpu, name);
      const { unownedUs } = times[at]!;
      const ofDays = partly.get(key) ?? NOTHING;
      const unknownUs = own === undefined ? unownedUs : Math.min(unownedUs, untold.get(key) ?? 0);
      return nobodysOf({ device, period: name, unownedUs, unseenUs: unseen[at]!, unknownUs }, ofDays);
    });
  });
}

/**
 * What nobody saw of each period. The first sample of a period speaks for time of the one before it, too: what is seen of a period beyond
 * its own time was seen of that.
 * @param periods of one device, ascending
 */
export function unseenBy(
  periods: readonly { readonly knownUs: number; readonly seenUs: number }[],
): readonly number[] {
  const unseen: number[] = [];
  let beforeUs = 0;
  for (const { knownUs, seenUs } of periods.toReversed()) {
    const leftUs = knownUs - seenUs - beforeUs;
    unseen.unshift(Math.max(0, leftUs));
    beforeUs = Math.max(0, -leftUs);
  }
  return unseen;
}

const HOURLY: SeenBy = { period: 'hour', months: undefined };
const NOT_SEEN: SeenTime = { allUs: 0, unownedUs: 0 };
const NOTHING = { drained: 0, down: 0, unowned: 0, seenDrained: 0, seenDown: 0 } as const;
type Parts = { -readonly [Key in keyof typeof NOTHING]: number };

interface ToldDevice {
  readonly device: KnownDevice;
  readonly days: ReadonlyMap<number, DayTold> | undefined;
}

/** Days on which a node was in several states, or nobody told of a part of them: hour by hour where it was not up. */
async function readPartly(
  db: Asked,
  of: Membership,
  told: readonly ToldDevice[],
  parts: readonly CapacityPart[],
): Promise<Map<string, Parts>> {
  const { window } = of;
  const found = new Map<string, Parts>();
  const mixed = told.flatMap(({ device, days }) => {
    const own = [...(days ?? [])].flatMap(([dayUs, how]) => (how === 'partly' ? [dayUs] : []));
    return own.length === 0 ? [] : [{ device, node: device.nodes.at(-1) ?? '', days: own }];
  });
  const hours = await notUpHours(db, of, mixed);
  const times = new Map(
    [...Map.groupBy(hours, ({ node }) => node)].map(([node, own]) => [
      node,
      joined(own.map(({ atUs }) => clip({ fromUs: atUs, toUs: atUs + HOUR_US }, window))),
    ]),
  );
  const seen = await seenInHours(db, times, parts);
  const byNode = Map.groupBy(hours, ({ node }) => node);
  for (const { device, node } of mixed)
    for (const { cluster, atUs, hour, period, state } of byNode.get(node) ?? []) {
      // Nodes of several clusters may have one name.
      if (cluster !== device.cluster) continue;
      const { allUs, unownedUs } = seen.get(seenKey(device.gpu, hour)) ?? NOT_SEEN;
      const span = clip({ fromUs: atUs, toUs: atUs + HOUR_US }, window);
      const unseenUs = Math.max(0, knownUsIn(device, span) - allUs);
      addParts(found, seenKey(device.gpu, period), placeNobodys({ unownedUs, unseenUs }, state));
    }
  return found;
}

interface NodeHour {
  /** As its devices have it. */
  readonly cluster: string | undefined;
  readonly node: string;
  readonly atUs: number;
  /** Its name. */
  readonly hour: string;
  /** That of the period of the report in which it is. */
  readonly period: string | undefined;
  readonly state: StateTimes | undefined;
}

/** The hours of these days in which nodes were not up all the time, or nobody told that they were. */
async function notUpHours(
  db: Asked,
  of: Membership,
  mixed: readonly { readonly device: KnownDevice; readonly node: string; readonly days: readonly number[] }[],
): Promise<NodeHour[]> {
  const { window, months } = of;
  const period = periodOf(of);
  const nameOf = (atUs: number): string | undefined =>
    period && periodName(period, periodStartUs(period, atUs, months), months);
  const places = new Map(
    mixed.map(({ device: { cluster }, node, days }) => [
      JSON.stringify([cluster, node]),
      { cluster, node, days },
    ]),
  );
  const spansOf = new Map<string, Span[]>();
  for (const { node, days } of places.values())
    spansOf.set(node, [
      ...(spansOf.get(node) ?? []),
      ...days.map((fromUs) => ({ fromUs, toUs: fromUs + DAY_US })),
    ]);
  const times = placesAt(new Map([...spansOf].map(([node, spans]) => [node, joined(spans)])));
  const told = await Promise.all(
    times.map(
      async (some) =>
        await readNodeHours(
          db,
          some.map(({ span, inSql }) => ({ ...clip(span, window), andSql: ` AND node ${inSql}` })),
        ),
    ),
  );
  return [...places.values()].flatMap(({ cluster, node, days }) => {
    const ofNode = told.flatMap((hoursOf) => hoursOf(cluster, node) ?? []);
    const stateAt = (atUs: number): StateTimes | undefined =>
      ofNode.find((hours) => hours.has(atUs))?.get(atUs);
    return days.flatMap((dayUs) =>
      Array.from({ length: DAY_US / HOUR_US }, (_, hour) => dayUs + hour * HOUR_US).flatMap(
        (atUs): NodeHour[] => {
          const { fromUs, toUs } = clip({ fromUs: atUs, toUs: atUs + HOUR_US }, window);
          const state = stateAt(atUs);
          const isUp = state !== undefined && state.upUs >= toUs - fromUs - WHOLE_US_MISSING_MAX;
          return toUs <= fromUs || isUp
            ? []
            : [{ cluster, node, atUs, hour: periodName('hour', atUs), period: nameOf(atUs), state }];
        },
      ),
    );
  });
}

/** What was seen of devices on these nodes at these times, by hours. */
async function seenInHours(
  db: Asked,
  times: ReadonlyMap<string, readonly Span[]>,
  parts: readonly CapacityPart[],
): Promise<Map<string, SeenTime>> {
  const all = joined([...times.values()].flat());
  const [first, last] = [all[0], all.at(-1)];
  if (first === undefined || last === undefined) return new Map();
  const sources = sourcesIn(parts, { fromUs: first.fromUs, toUs: last.toUs }, '1h');
  const answers = await Promise.all(
    placesAt(times).map(async (some) => {
      const conditions = some.map(
        ({ span, inSql }) =>
          `s.ts >= ${quoteTime(span.fromUs)} AND s.ts < ${quoteTime(span.toUs)} AND s.node ${inSql}`,
      );
      return await seenTimes(db, sources, HOURLY, conditions);
    }),
  );
  return new Map(answers.flatMap((answer) => [...answer]));
}

/** Each time with the nodes of it, as a condition; as many together as a query may have. */
function placesAt(
  times: ReadonlyMap<string, readonly Span[]>,
): { readonly span: Span; readonly inSql: string }[][] {
  const each = [...times].flatMap(([node, spans]) => spans.map((span) => ({ node, span })));
  const ofSpans = [...Map.groupBy(each, ({ span }) => JSON.stringify(span)).values()].map((some) => ({
    span: some[0]!.span,
    inSql: `IN (${some.map(({ node }) => quoteText(node)).join(', ')})`,
  }));
  const lists: (typeof ofSpans)[] = [];
  for (let from = 0; from < ofSpans.length; from += SPANS_PER_QUERY)
    lists.push(ofSpans.slice(from, from + SPANS_PER_QUERY));
  return lists;
}

function addParts(found: Map<string, Parts>, key: string, more: PlacedTime): void {
  const sum: Parts = found.get(key) ?? { ...NOTHING };
  for (const part of Object.keys(NOTHING) as (keyof typeof NOTHING)[]) sum[part] += more[part];
  found.set(key, sum);
}

/** What nobody owned on days of which nobody told how the node was: devices with the same such days are asked about together. */
async function readUntold(
  db: Asked,
  of: Membership,
  told: readonly ToldDevice[],
  parts: readonly CapacityPart[],
): Promise<ReadonlyMap<string, number>> {
  const period = periodOf(of);
  const alike = Map.groupBy(
    told.flatMap(({ device, days }) => {
      const untold = [...(days ?? [])].flatMap(([dayUs, how]) =>
        how === 'untold' ? [clip({ fromUs: dayUs, toUs: dayUs + DAY_US }, of.window)] : [],
      );
      return untold.length === 0 ? [] : [{ device, spans: joined(untold) }];
    }),
    ({ spans }) => JSON.stringify(spans),
  );
  const periods = periodsIn(of.window, period, of.months);
  // A day of UTC is in one period, if these are no hours and no months by other clocks.
  const level = period === 'hour' || of.months !== undefined ? '1h' : '1d';
  const unownedUs = new Map<string, number>();
  for (const some of alike.values()) {
    const nodes = [...new Set(some.map(({ device }) => device.nodes.at(-1) ?? ''))];
    for (const span of some[0]!.spans) {
      const ofNodes = `s.node IN (${nodes.map(quoteText).join(', ')})`;
      const seen = await seenTimes(db, sourcesIn(parts, span, level), { period, months: of.months }, [
        ofNodes,
      ]);
      // Nodes of several clusters may have one name.
      for (const { device } of some)
        for (const { name } of periods) {
          const key = seenKey(device.gpu, name);
          unownedUs.set(key, (unownedUs.get(key) ?? 0) + (seen.get(key)?.unownedUs ?? 0));
        }
    }
  }
  return unownedUs;
}

function sourcesIn(parts: readonly CapacityPart[], span: Span, level: '1d' | '1h'): CapacitySource[] {
  return parts.flatMap((part) =>
    level === '1h' ? sourcesOf(part, span, CUT_LEVELS) : sourcesOf(part, span),
  );
}

function clip(span: Span, window: Span): Span {
  return { fromUs: Math.max(span.fromUs, window.fromUs), toUs: Math.min(span.toUs, window.toUs) };
}

/** The rest of what was unowned was free: its node was up. */
function nobodysOf(
  time: Pick<NobodysOfDevice, 'device' | 'period'> & {
    readonly unownedUs: number;
    readonly unseenUs: number;
    readonly unknownUs: number;
  },
  parts: Parts,
): NobodysOfDevice {
  const { device, period, unownedUs, unseenUs, unknownUs } = time;
  const seenDown = Math.min(parts.seenDown, unownedUs);
  const seenDrained = Math.min(parts.seenDrained, unownedUs - seenDown);
  const unowned = Math.min(parts.unowned + unknownUs, unownedUs - seenDown - seenDrained);
  const unseenDown = Math.min(parts.down - parts.seenDown, unseenUs);
  const unseenDrained = Math.min(parts.drained - parts.seenDrained, unseenUs - unseenDown);
  return {
    device,
    period,
    seenUnowned: unownedUs,
    free: unownedUs - seenDown - seenDrained - unowned,
    drained: seenDrained + unseenDrained,
    down: seenDown + unseenDown,
    unowned,
    unseen: unseenUs - unseenDown - unseenDrained,
    seenDrained,
    seenDown,
  };
}
