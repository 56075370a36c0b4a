import type { FleetRun, FleetStay } from '../draw/fleet.ts';
import { activityLanes } from './activity-lanes.ts';
import { dipsTruth, type DipsTruth } from './dips.ts';
import { gapsTruth, type GapsTruth, type GapTruth } from './gaps.ts';
import { idleBelow } from './idle-limits.ts';
import { longestIdleTruth, type StretchTruth } from './idle.ts';
import { instanceEnergies } from './job-mig.ts';
import { isWithin, Sum, type DeviceLedger, type LedgerRows, type Way } from './ledger.ts';
import { ALL_LEFT, bucketAt, isMixed, mixedUsOf, type Left } from './left.ts';
import { emptyCutEnergy, mergeCutEnergy, ratioOf, type CutEnergy } from './mig.ts';
import { addEnergy, energyOf, type Amounts, type EnergyTruth, emptyAmounts } from './sums.ts';

/** One gauge over some rows. */
export interface GaugeTruth {
  readonly mean: number | undefined;
  readonly min: number;
  readonly max: number;
  readonly knownUs: number;
  /** Known values with what they weigh, for ranks. */
  readonly weighed: readonly (readonly [x: number, dtUs: number])[];
}

interface ShareTruth {
  readonly ratio: number;
  readonly knownUs: number;
  /** In no row only one of the two was known. */
  readonly isAlike: boolean;
}

export interface OwnedTruth {
  readonly ownedUs: number;
  /** MIG instances by their slices; those of which they are not known count as a GPU. */
  readonly ownedGpuUs: number;
  readonly samples: number;
  readonly steps: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  readonly energy: EnergyTruth;
  readonly idleUs: number | undefined;
  readonly idleKnownUs: number;
  /** Σ dt·part over which SM activity was known, and Σ SM activity·dt·part. */
  readonly ownKnownUs: number;
  readonly usedUs: number;
  readonly lastActiveUs: number | undefined;
  /** Time of the last row that counts. */
  readonly lastSampleUs: number | undefined;
  /** By column of a pipe: what part of the SM activity it was, over the rows in which both were known. */
  readonly smShares: ReadonlyMap<string, ShareTruth>;
  /** By column. */
  readonly gauges: ReadonlyMap<string, GaugeTruth>;
}

export interface DeviceTruth extends OwnedTruth {
  readonly longestIdle: StretchTruth | undefined;
  readonly run: FleetRun;
  readonly ledger: DeviceLedger;
  /** What it is made of. */
  readonly picked: readonly Picked[];
}

export interface JobTruth {
  readonly run: FleetRun;
  /** Of its time, as much as the buckets hold in which another run of the id had the device, too. */
  readonly mixedUs: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly all: OwnedTruth;
  readonly devices: readonly DeviceTruth[];
  readonly boundaryUs: number;
  readonly gaps: readonly GapTruth[];
  readonly unplacedGaps: GapsTruth['unplaced'];
  readonly dips: DipsTruth | undefined;
  /** By column the means of equal parts of the job's time; null where nothing was known. */
  readonly series: ReadonlyMap<string, readonly (number | null)[]>;
  /** How its part of the rows that count was found. */
  readonly ways: ReadonlySet<Way>;
  readonly areSharesScaled: boolean;
}

/** What the configuration says of the lane, and which of its columns are levels. */
export interface LaneFacts {
  readonly table: string;
  readonly intervalUs: number;
  readonly gauges: readonly string[];
  /** The intervals of others, as far as it knows them, by table. */
  readonly othersUs: ReadonlyMap<string, number>;
}

const SERIES_PARTS_MAX = 20;

/** The rows of a stay in one lane. */
export interface Picked {
  readonly ledger: DeviceLedger;
  readonly stay: FleetStay;
  /** Whether the lane decides samples and time. */
  readonly isPrimary: boolean;
  /** What of the lane has not aged out. */
  readonly left: Left;
  readonly rows: LedgerRows;
  readonly at: readonly number[];
  /** Those that histograms can tell. */
  readonly rankedAt: readonly number[];
}

/** What a report of one run should show. @param left what has not aged out by then of the lane that decides time; others have all */
export function jobTruth(
  ledgers: readonly DeviceLedger[],
  run: FleetRun,
  lane: LaneFacts,
  left: Left = ALL_LEFT,
): JobTruth {
  const all = pickedRows(ledgers, run, lane, left);
  const primary = all.filter(({ isPrimary }) => isPrimary);
  // Of a job without samples in it nothing is told of its course, whatever another lane has.
  const isSeen = primary.some(({ at }) => at.length > 0);
  const startUs = Math.min(...run.stays.map((stay) => stay.startUs));
  const endUs = Math.max(...run.stays.map((stay) => stay.endUs));
  const cut = instanceEnergies(ledgers, all, run, { startUs, endUs, table: lane.table });
  const devices = [...Map.groupBy(all, ({ ledger }) => ledger)]
    .map(([ledger, picked]): DeviceTruth => ({
      run,
      ledger,
      picked,
      longestIdle: isSeen ? longestIdleTruth(picked, belowOf(ledger), left, startUs) : undefined,
      ...ownedTruth(picked, run, lane, cut),
    }))
    .sort((a, b) => byPlace(a.ledger, b.ledger));
  const whole = ownedTruth(all, run, lane, cut);
  const boundaryUs = intervalSeen(whole, lane.intervalUs);
  const { gaps, unplaced } = gapsTruth(primary, boundaryUs);
  const intervals = activityLanes(ledgers, run, lane, { startUs, endUs, seenUs: boundaryUs });
  return {
    run,
    mixedUs: primary.reduce((sum, { stay, ledger }) => sum + mixedUsOf(stay, ledger, left), 0),
    startUs,
    endUs,
    all: whole,
    devices,
    boundaryUs,
    gaps,
    unplacedGaps: unplaced,
    dips:
      intervals.size === 0
        ? undefined
        : dipsTruth(
            // What has aged out of a lane without the activity is not missed.
            all.filter(({ isPrimary }) => !isPrimary || intervals.has(lane.table)),
            { startUs, endUs, intervalUs: Math.max(...intervals.values()), isAged: left !== ALL_LEFT },
          ),
    series: isSeen
      ? seriesOf(all, { startUs, endUs }, lane)
      : new Map(lane.gauges.map((gauge) => [gauge, []])),
    ...divisionOf(all, run),
  };
}

/** The rows of each of its stays in each lane. */
function pickedRows(ledgers: readonly DeviceLedger[], run: FleetRun, lane: LaneFacts, left: Left): Picked[] {
  const all = run.stays.flatMap((stay) => {
    const ledger = ledgers.find(({ device }) => device.uuid === stay.gpu)!;
    return [...ledger.lanes].map(([table, rows]): Picked => {
      const isPrimary = table === lane.table;
      const leftOfLane = isPrimary ? left : ALL_LEFT;
      const own = [...rows.tsUs.keys()].filter((row) => isWithin(stay, rows.tsUs[row]!));
      const told = (of: 'sums' | 'histograms'): number[] =>
        own.filter((row) => !isMixed(bucketAt(rows.tsUs[row]!, leftOfLane, of), stay, ledger));
      return {
        ...{ ledger, stay, isPrimary, left: leftOfLane, rows },
        ...{ at: told('sums'), rankedAt: told('histograms') },
      };
    });
  });
  return all.some(({ isPrimary, at }) => isPrimary && at.length > 0)
    ? all
    : all.map((one) => ({ ...one, rankedAt: [] }));
}

/** By the limits of its fleet. */
export function belowOf({ device, fleet }: Pick<DeviceLedger, 'device' | 'fleet'>): number {
  return idleBelow(device, fleet.idleLimits);
}

function byPlace({ device: a }: DeviceLedger, { device: b }: DeviceLedger): number {
  const natural = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true });
  return natural(a.node, b.node) || a.index - b.index || natural(a.uuid, b.uuid);
}

function ownedTruth(
  picked: readonly Picked[],
  run: FleetRun,
  lane: LaneFacts,
  cut: ReadonlyMap<DeviceLedger, CutEnergy>,
): OwnedTruth {
  let [samples, steps, sampledUs, idleKnownUs] = [0, 0, 0, 0];
  let lastActiveUs: number | undefined;
  let lastSampleUs: number | undefined;
  const [attributed, idle, ownKnown, used] = [new Sum(), new Sum(), new Sum(), new Sum()];
  const amounts: Amounts = emptyAmounts();
  for (const { ledger, isPrimary, rows, at } of picked) {
    const ratio = ratioOf(ledger) ?? 1;
    const below = belowOf(ledger);
    const sm = rows.values.get('sm_active_ratio');
    for (const row of at) {
      const part = rows.owners[row]!.parts.find((one) => one.run === run)!.part;
      const dtUs = rows.dtUs[row]!;
      if (isPrimary) {
        samples += 1;
        lastSampleUs = Math.max(lastSampleUs ?? 0, rows.tsUs[row]!);
        if (dtUs > 0) steps += 1;
        sampledUs += dtUs;
        attributed.add(dtUs * part * ratio);
      }
      addEnergy(amounts, rows, row, part, ledger.device.uuid);
      const x = sm?.[row] ?? NaN;
      if (Number.isNaN(x)) continue;
      idleKnownUs += dtUs;
      ownKnown.add(dtUs * part * ratio);
      used.add(x * dtUs * part * ratio);
      if (x < below) idle.add(dtUs * part * ratio);
      else lastActiveUs = Math.max(lastActiveUs ?? 0, rows.tsUs[row]!);
    }
  }
  const gauges = lane.gauges.flatMap((column): [string, GaugeTruth][] => {
    const gauge = gaugeOf(picked, column);
    return gauge === undefined ? [] : [[column, gauge]];
  });
  const own = picked.filter(({ isPrimary }) => isPrimary);
  const lengthOf = ({ stay }: Picked): number => stay.endUs - stay.startUs;
  for (const ledger of new Set(picked.map((one) => one.ledger)))
    mergeCutEnergy(amounts.cut, cut.get(ledger) ?? emptyCutEnergy());
  return {
    ownedUs: own.reduce((sum, one) => sum + lengthOf(one), 0),
    ownedGpuUs: own.reduce((sum, one) => sum + lengthOf(one) * (ratioOf(one.ledger) ?? 1), 0),
    samples,
    steps,
    sampledUs,
    attributedUs: attributed.value,
    energy: energyOf(amounts, amounts.energies),
    idleUs: idleKnownUs > 0 ? idle.value : undefined,
    idleKnownUs,
    ownKnownUs: ownKnown.value,
    usedUs: used.value,
    lastActiveUs,
    lastSampleUs,
    smShares: smSharesOf(picked),
    gauges: new Map(gauges),
  };
}

const PIPES = ['tensor_active_ratio', 'fp64_active_ratio', 'fp32_active_ratio', 'fp16_active_ratio'];

function smSharesOf(picked: readonly Picked[]): Map<string, ShareTruth> {
  const shares = new Map<string, ShareTruth>();
  for (const column of PIPES) {
    const [pipeSum, smSum] = [new Sum(), new Sum()];
    let [knownUs, isAlike] = [0, true];
    for (const { rows, at } of picked) {
      const [pipe, sm] = [rows.values.get(column), rows.values.get('sm_active_ratio')];
      if (pipe === undefined || sm === undefined) continue;
      for (const row of at) {
        const [isPipe, isSm] = [!Number.isNaN(pipe[row]!), !Number.isNaN(sm[row]!)];
        isAlike &&= isPipe === isSm;
        if (!isPipe || !isSm) continue;
        pipeSum.add(pipe[row]! * rows.dtUs[row]!);
        smSum.add(sm[row]! * rows.dtUs[row]!);
        knownUs += rows.dtUs[row]!;
      }
    }
    if (smSum.value > 0) shares.set(column, { ratio: pipeSum.value / smSum.value, knownUs, isAlike });
  }
  return shares;
}

function gaugeOf(picked: readonly Picked[], column: string): GaugeTruth | undefined {
  const sum = new Sum();
  const weighed: [number, number][] = [];
  let [knownUs, min, max] = [0, Infinity, -Infinity];
  for (const { rows, at, rankedAt } of picked) {
    const values = rows.values.get(column);
    if (values === undefined) continue;
    for (const row of at) {
      const x = values[row]!;
      if (Number.isNaN(x)) continue;
      sum.add(x * rows.dtUs[row]!);
      knownUs += rows.dtUs[row]!;
      [min, max] = [Math.min(min, x), Math.max(max, x)];
    }
    for (const row of rankedAt)
      if (!Number.isNaN(values[row]!)) weighed.push([values[row]!, rows.dtUs[row]!]);
  }
  if (min > max) return undefined;
  return { mean: knownUs > 0 ? sum.value / knownUs : undefined, min, max, knownUs, weighed };
}

/** The smallest x below or at which the part `q` of the known time lies; undefined where none is known. */
export function rankOf({ weighed }: GaugeTruth, q: number): number | undefined {
  const knownUs = weighed.reduce((us, [, dtUs]) => us + dtUs, 0);
  let sumUs = 0;
  for (const [x, dtUs] of weighed.toSorted((a, b) => a[0] - b[0])) {
    sumUs += dtUs;
    if (knownUs > 0 && sumUs >= q * knownUs) return x;
  }
  return undefined;
}

/** The lane's interval as the samples show it, where that is not what the configuration says. */
function intervalSeen({ sampledUs, steps }: OwnedTruth, configuredUs: number): number {
  const meanUs = steps === 0 ? configuredUs : sampledUs / steps;
  return Math.abs(meanUs - configuredUs) <= 0.2 * configuredUs
    ? configuredUs
    : Math.round(meanUs / 1000) * 1000;
}

/** Each part ends at its own end: a sample there is still of it. What is left of a bucket is of the part in which it begins. */
function seriesOf(
  picked: readonly Picked[],
  { startUs, endUs }: { readonly startUs: number; readonly endUs: number },
  lane: LaneFacts,
): Map<string, (number | null)[]> {
  const ticks = Math.floor((endUs - startUs) / lane.intervalUs);
  const count = Math.max(1, Math.min(SERIES_PARTS_MAX, ticks));
  const partOf = (us: number, left: Left): number => {
    const beginUs = bucketAt(us, left, 'sums')?.fromUs ?? us - 1;
    return Math.max(0, Math.floor(((beginUs - startUs) * count) / (endUs - startUs)));
  };
  return new Map(
    lane.gauges.map((column) => {
      const parts = Array.from({ length: count }, () => ({ sum: new Sum(), knownUs: 0 }));
      for (const { rows, at, left } of picked) {
        const values = rows.values.get(column);
        if (values === undefined) continue;
        for (const row of at) {
          const x = values[row]!;
          if (Number.isNaN(x)) continue;
          const part = parts[partOf(rows.tsUs[row]!, left)]!;
          part.sum.add(x * rows.dtUs[row]!);
          part.knownUs += rows.dtUs[row]!;
        }
      }
      return [column, parts.map(({ sum, knownUs }) => (knownUs > 0 ? sum.value / knownUs : null))];
    }),
  );
}

/** How its parts of the rows that count were found: of time in which nothing was sampled nothing is said. */
function divisionOf(picked: readonly Picked[], run: FleetRun): Pick<JobTruth, 'ways' | 'areSharesScaled'> {
  const parts = picked.flatMap(({ rows, at, isPrimary }) =>
    at
      .filter((row) => isPrimary || [...rows.values.values()].some((cells) => !Number.isNaN(cells[row]!)))
      .map((row) => rows.owners[row]!.parts.find((one) => one.run === run)!),
  );
  return {
    ways: new Set(parts.map(({ way }) => way)),
    areSharesScaled: parts.some(({ isScaled }) => isScaled),
  };
}
