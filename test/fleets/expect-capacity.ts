import { near, type Expected, type Json } from './differences.ts';
import type { CapacityQuestion, CapacityTruth, RowTruth, SumsTruth } from './truth-capacity.ts';
import type { EnergyTruth } from './truth-sums.ts';

/** What `report capacity --json` must say, field by field. @param asked what was asked for; the window of the truth is what was summed */
export function expectedCapacity(
  truth: CapacityTruth,
  { by, cluster, fromUs, toUs }: CapacityQuestion,
  asked: { readonly fromUs: number; readonly toUs: number; readonly roundedTo: string },
): Expected {
  return {
    by,
    cluster,
    askedFromUs: asked.fromUs,
    askedToUs: asked.toUs,
    fromUs,
    toUs,
    roundedTo: asked.roundedTo,
    isAged: isCoarser(asked) || undefined,
    devices: truth.devices,
    migInstances: truth.migInstances,
    nodes: truth.nodes,
    knownUs: truth.knownUs,
    lastSigns: truth.lastSigns.length === 0 ? undefined : truth.lastSigns.map((one) => ({ ...one })),
    isSynthetic: false,
    samples: truth.samples,
    sampledUs: near(truth.all.dtUs),
    rows: Object.fromEntries(truth.rows.map((row) => [keyOf(row), rowOf(row)])),
    all: { ...sumsOf(truth.all), jobs: truth.allJobs },
    sharedUs: { stated: near(truth.sharedUs.stated), measured: 0, equal: near(truth.sharedUs.equal) },
    areSharesScaled: truth.areSharesScaled || undefined,
    invalidRollups: [],
    hasActivity: true,
  };
}

/** Rounded to longer steps than its length asks for, since shorter ones have aged out. */
function isCoarser({
  fromUs,
  toUs,
  roundedTo,
}: {
  fromUs: number;
  toUs: number;
  roundedTo: string;
}): boolean {
  return roundedTo !== (toUs - fromUs > 48 * 3600e6 ? 'hour' : 'minute');
}

/** The same with rows by what they are of, whose order is looked at apart. */
export function keyedCapacity(json: Json): Json {
  const { rows, ...rest } = json as { rows: readonly Record<string, Json>[] };
  return { ...rest, rows: Object.fromEntries(rows.map((row) => [keyOf(row), row])) };
}

function keyOf({ kind, name, cluster }: { kind?: unknown; name?: unknown; cluster?: unknown }): string {
  return JSON.stringify([kind, name, cluster]);
}

function rowOf({ kind, name, cluster, sums, unownedUs, jobs }: RowTruth): Expected {
  return { kind, name, cluster, ...sumsOf(sums), unownedUs, jobs };
}

function sumsOf({ dtUs, smKnownUs, smActive, idleUs, energy }: SumsTruth): Record<string, Expected> {
  const isKnown = smKnownUs > 0;
  return {
    attributedUs: near(dtUs),
    idleUs: isKnown ? near(idleUs, smKnownUs) : undefined,
    wastedUs: isKnown ? near(smKnownUs - smActive, smKnownUs) : undefined,
    smActiveMean: isKnown ? near(smActive / smKnownUs) : undefined,
    smKnownUs: near(smKnownUs),
    ...energyFields(energy),
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
  };
}
