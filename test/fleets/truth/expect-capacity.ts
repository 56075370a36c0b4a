import { near, NOT_COMPARED, type Expected, type Json } from '../differences.ts';
import type { BillingTruth } from './billing.ts';
import type { CapacityQuestion, CapacityTruth, RowTruth, SumsTruth } from './capacity.ts';
import { expectedInstalled, keyedInstalled } from './expect-installed.ts';
import type { toldLimits } from './idle-limits.ts';
import type { EnergyTruth } from './sums.ts';
import type { SummedWindow, Window } from './window.ts';

/** What `report capacity --json` must say, field by field. */
export function expectedCapacity(
  truth: CapacityTruth,
  { by, every, cluster }: CapacityQuestion,
  asked: Window,
  { fromUs, toUs, roundedTo, isAged }: SummedWindow,
  billing: BillingTruth,
  told: ReturnType<typeof toldLimits>,
): Expected {
  return {
    by,
    every,
    cluster,
    askedFromUs: asked.fromUs,
    askedToUs: asked.toUs,
    fromUs,
    toUs,
    roundedTo,
    isAged: isAged || undefined,
    devices: truth.devices,
    migInstances: truth.migInstances,
    nodes: truth.nodes,
    knownUs: near(Math.max(truth.knownUs, truth.all.dtUs)),
    lastSigns: truth.lastSigns.length === 0 ? undefined : truth.lastSigns.map((one) => ({ ...one })),
    isSynthetic: false,
    samples: truth.samples,
    sampledUs: near(truth.all.dtUs),
    rows: Object.fromEntries(truth.rows.map((row) => [keyOf(row), rowOf(row)])),
    installed: expectedInstalled(truth.rows, keyOf),
    all: { ...sumsOf(truth.all), ...unusedOf(truth.rows), jobs: truth.allJobs },
    sharedUs: { stated: near(truth.sharedUs.stated), measured: 0, equal: near(truth.sharedUs.equal) },
    areSharesScaled: truth.areSharesScaled || undefined,
    unknownSlicesUs: truth.unknownSlicesUs === 0 ? undefined : near(truth.unknownSlicesUs),
    closeIdsLeft: truth.mixedIds === 0 ? undefined : truth.mixedIds,
    billing: {
      ...billing,
      differences: billing.differences.map((one) => ({ ...one })),
      isCut: false,
    },
    invalidRollups: [],
    idleLimits: { ...told },
    hasActivity: true,
  };
}

/** The same with rows by what they are of, whose order is looked at apart. */
export function keyedCapacity(json: Json): Json {
  const { rows, installed, ...rest } = json as {
    rows: readonly Record<string, Json>[];
    installed: Json;
  };
  return {
    ...rest,
    installed: keyedInstalled(installed, keyOf),
    rows: Object.fromEntries(rows.map((row) => [keyOf(row), row])),
  };
}

function keyOf(row: Readonly<Partial<Record<'kind' | 'name' | 'cluster' | 'period', unknown>>>): string {
  return JSON.stringify([row.kind, row.name, row.cluster, row.period]);
}

function rowOf({ kind, name, cluster, period, sums, unownedUs, jobs }: RowTruth): Expected {
  // Added up over the groups it is compared with the rows of nobody.
  const energy =
    unownedUs === undefined ? {} : { unownedJoules: NOT_COMPARED, unownedEnergyUs: NOT_COMPARED };
  return { kind, name, cluster, period, ...sumsOf(sums), unownedUs: near(unownedUs), ...energy, jobs };
}

function sumsOf({
  dtUs,
  instanceUs,
  smKnownUs,
  smActive,
  idleUs,
  energy,
}: SumsTruth): Record<string, Expected> {
  const isKnown = smKnownUs > 0;
  return {
    attributedUs: near(dtUs),
    instanceUs: instanceUs > 0 ? near(instanceUs) : undefined,
    idleUs: isKnown ? near(idleUs, smKnownUs) : undefined,
    idleKnownUs: near(smKnownUs),
    wastedUs: isKnown ? near(smKnownUs - smActive, smKnownUs) : undefined,
    smActiveMean: isKnown ? near(smActive / smKnownUs) : undefined,
    smKnownUs: near(smKnownUs),
    ...energyFields(energy),
  };
}

/** What owners left unused; of `all` too it is of the owned time alone. */
function unusedOf(rows: readonly RowTruth[]): Record<string, Expected> {
  const owned = rows.filter(({ kind }) => kind === 'group' || kind === 'unresolved');
  const sum = (of: (sums: SumsTruth) => number): number =>
    owned.reduce((total, { sums }) => total + of(sums), 0);
  const knownUs = sum(({ smKnownUs }) => smKnownUs);
  return {
    idleUs:
      knownUs > 0
        ? near(
            sum(({ idleUs }) => idleUs),
            knownUs,
          )
        : undefined,
    idleKnownUs: near(knownUs),
    wastedUs: knownUs > 0 ? near(knownUs - sum(({ smActive }) => smActive), knownUs) : undefined,
  };
}

export function energyFields(energy: EnergyTruth): Record<string, Expected> {
  return {
    counterJoules: near(energy.counterJoules),
    counterUs: near(energy.counterUs),
    powerJoules: near(energy.powerJoules),
    powerUs: near(energy.powerUs),
    bestJoules: near(energy.bestJoules),
    bestUs: near(energy.bestUs),
    dividedJoules: near(energy.dividedJoules),
    dividedUs: energy.dividedJoules === undefined ? undefined : near(energy.dividedUs),
  };
}
