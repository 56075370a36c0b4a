import { quoteText } from '../../../../schemas/tables.ts';
import { STEP_US, type Span } from '../../levels.ts';
import { CUT_LEVELS } from '../../mig-energy.ts';
import type { Asked } from '../../query-cells.ts';
import { joined } from '../../spans.ts';
import type { KnownDevice } from '../devices.ts';
import { periodOf, type Membership } from '../membership.ts';
import { sourcesOf, type CapacityPart } from '../parts.ts';
import { periodName, periodStartUs } from '../periods.ts';
import type { CapacitySource } from '../samples.ts';
import type { CapacityWindow } from '../window.ts';
import { knownUsIn, periodsIn, seenKey, seenTimes } from './device-times.ts';
import { readNodeStateTimes, type StateTimes, type ToldNodes } from './node-days.ts';
import { placeNobodys, type PlacedTime } from './nobodys-time.ts';

/** What nobody had of a device in a period of the report, µs. */
export interface NobodysOfDevice extends PlacedTime {
  readonly device: KnownDevice;
  readonly period: string | undefined;
  /** What was seen and unowned, which `free`, `unowned`, `seenDrained` and `seenDown` add up to. */
  readonly seenUnowned: number;
}

const DAY_US = STEP_US['1d'];
/** Of more days of nodes hours are not asked for: a day is then divided as an hour else is. */
const HOURS_OF_DAYS_MAX = 1500;
/** What clocks may miss of a day that was told whole. */
const WHOLE_US_MISSING_MAX = 1e6;

/** What is read of the samples. */
interface Read {
  readonly parts: readonly CapacityPart[];
  readonly sources: readonly CapacitySource[];
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
  { parts, sources }: Read,
): Promise<NobodysOfDevice[]> {
  const period = periodOf(of);
  const [seen, days] = await Promise.all([
    seenTimes(db, sources, period),
    readNodeStateTimes(db, '1d', [of.window]),
  ]);
  const told = devices.map((device) => ({ device, days: daysOf(device, days, of.window) }));
  const [partly, untold] = await Promise.all([
    readPartly(db, of, told, parts),
    readUntold(db, of, told, parts),
  ]);
  const periods = periodsIn(of.window, period);
  return told.flatMap(({ device, days: own }) =>
    periods.map((span) => {
      const key = seenKey(device.gpu, span.name);
      const { allUs, unownedUs } = seen.get(key) ?? { allUs: 0, unownedUs: 0 };
      const unseenUs = Math.max(0, knownUsIn(device, span) - allUs);
      const ofDays = partly.get(key) ?? NOTHING;
      const unknownUs = own === undefined ? unownedUs : Math.min(unownedUs, untold.get(key) ?? 0);
      return nobodysOf({ device, period: span.name, unownedUs, unseenUs, unknownUs }, ofDays);
    }),
  );
}

type Days = ReadonlyMap<number, 'up' | 'partly' | 'untold'>;

/** How a node was told of on each day of the window; undefined where nobody told of any. */
function daysOf(device: KnownDevice, told: ToldNodes, window: CapacityWindow): Days | undefined {
  const states = told.of(device.cluster, device.nodes.at(-1) ?? '');
  if (states === undefined) return undefined;
  const days = new Map<number, 'up' | 'partly' | 'untold'>();
  for (let dayUs = Math.floor(window.fromUs / DAY_US) * DAY_US; dayUs < window.toUs; dayUs += DAY_US) {
    const lengthUs = Math.min(dayUs + DAY_US, window.toUs) - Math.max(dayUs, window.fromUs);
    const { upUs, drainedUs, downUs } = states.get(dayUs) ?? NOT_TOLD;
    if (upUs + drainedUs + downUs === 0) days.set(dayUs, 'untold');
    else days.set(dayUs, upUs >= lengthUs - WHOLE_US_MISSING_MAX ? 'up' : 'partly');
  }
  return days;
}

const NOT_TOLD: StateTimes = { upUs: 0, drainedUs: 0, downUs: 0 };
const NOTHING = { drained: 0, down: 0, unowned: 0, seenDrained: 0, seenDown: 0 } as const;
type Parts = { -readonly [Key in keyof typeof NOTHING]: number };

interface ToldDevice {
  readonly device: KnownDevice;
  readonly days: Days | undefined;
}

/** Days on which a node was in several states, or nobody told of a part of them: by hours, or else by days. */
async function readPartly(
  db: Asked,
  of: Membership,
  told: readonly ToldDevice[],
  parts: readonly CapacityPart[],
): Promise<Map<string, Parts>> {
  const { window } = of;
  const period = periodOf(of);
  const mixed = told.flatMap(({ device, days }) => {
    const own = [...(days ?? [])].flatMap(([dayUs, how]) => (how === 'partly' ? [dayUs] : []));
    return own.length === 0 ? [] : [{ device, own: new Set(own) }];
  });
  const found = new Map<string, Parts>();
  if (mixed.length === 0) return found;
  const nodes = [...new Set(mixed.map(({ device }) => device.nodes.at(-1) ?? ''))];
  const nodeDays = new Set(
    mixed.flatMap(({ device, own }) =>
      [...own].map((dayUs) => JSON.stringify([device.cluster, device.nodes.at(-1), dayUs])),
    ),
  );
  const level = nodeDays.size > HOURS_OF_DAYS_MAX ? '1d' : '1h';
  const every = level === '1h' ? 'hour' : 'day';
  const spans = joined(
    mixed.flatMap(({ own }) =>
      [...own].map((dayUs) => clip({ fromUs: dayUs, toUs: dayUs + DAY_US }, window)),
    ),
  );
  const only = ` AND node IN (${nodes.map(quoteText).join(', ')})`;
  const [states, ...seen] = await Promise.all([
    readNodeStateTimes(db, level, spans, only),
    ...spans.map(async (span) => await seenTimes(db, sourcesIn(parts, span, level), every, nodes)),
  ]);
  const seenOf = new Map(seen.flatMap((some) => [...some]));
  for (const { device, own } of mixed)
    for (const dayUs of own)
      for (let atUs = dayUs; atUs < dayUs + DAY_US; atUs += STEP_US[level]) {
        const span = clip({ fromUs: atUs, toUs: atUs + STEP_US[level] }, window);
        if (span.toUs <= span.fromUs) continue;
        const { allUs, unownedUs } = seenOf.get(seenKey(device.gpu, periodName(every, atUs))) ?? {
          allUs: 0,
          unownedUs: 0,
        };
        const unseenUs = Math.max(0, knownUsIn(device, span) - allUs);
        const state = states.of(device.cluster, device.nodes.at(-1) ?? '')?.get(atUs);
        const name = period && periodName(period, periodStartUs(period, atUs));
        addParts(found, seenKey(device.gpu, name), placeNobodys({ unownedUs, unseenUs }, state));
      }
  return found;
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
  const periods = periodsIn(of.window, period);
  // A day is in one period, if these are no hours.
  const level = period === 'hour' ? '1h' : '1d';
  const unownedUs = new Map<string, number>();
  for (const some of alike.values()) {
    const nodes = [...new Set(some.map(({ device }) => device.nodes.at(-1) ?? ''))];
    for (const span of some[0]!.spans) {
      const seen = await seenTimes(db, sourcesIn(parts, span, level), period, nodes);
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
