import { expectedFindings } from './expect-findings.ts';
import { near, NOT_COMPARED, type Check, type Expected } from '../differences.ts';
import { energyFields } from './expect-capacity.ts';
import { expectedCauses, expectedCausesOf } from './expect-causes.ts';
import type { FleetRun } from '../draw/fleet.ts';
import type { DipsTruth } from './dips.ts';
import type { GapTruth } from './gaps.ts';
import { toldLimits } from './idle-limits.ts';
import { belowOf, rankOf, type DeviceTruth, type GaugeTruth, type JobTruth, type OwnedTruth } from './job.ts';
import type { StretchTruth } from './idle.ts';
import type { Way } from './ledger.ts';
import { ratioOf } from './mig.ts';

/** Gauges in the order of the report, with their columns; and those of which it tells ranks. */
const GAUGES = [
  ['smActive', 'sm_active_ratio'],
  ['tensorActive', 'tensor_active_ratio'],
  ['dramActive', 'dram_active_ratio'],
  ['engineActive', 'gr_engine_active_ratio'],
  ['gpuUtil', 'gpu_util_ratio'],
  ['power', 'power_watts'],
  ['memoryUsed', 'fb_used_bytes'],
] as const;
const NO_LANE = ['pcieSent', 'pcieReceived', 'nvlinkSent', 'nvlinkReceived'];
/** Of those with ranks, how wide a bar of their histograms is. */
const BAR_WIDTHS = new Map([
  ['smActive', 0.01],
  ['tensorActive', 0.01],
  ['dramActive', 0.01],
  ['power', 5],
]);
const GAPS_LISTED_MAX = 20;

/**
 * What `report job --json` must say.
 * @param runs of all fleets @param oldestUs of all samples of the table that are left @param isAged older ones have aged out
 */
export function expectedJob(
  truth: JobTruth,
  runs: readonly FleetRun[],
  oldestUs: number,
  isAged: boolean,
): Expected {
  const { all, dips, startUs, endUs, boundaryUs } = truth;
  const oldestSampleUs = oldestUs > startUs + boundaryUs ? oldestUs : undefined;
  return {
    ...identityOf(truth, runs),
    isSynthetic: false,
    startUs,
    endUs,
    isOpen: false,
    boundaryUs,
    sharing: sharingOf(truth),
    areSharesScaled: truth.areSharesScaled || undefined,
    ...amountsOf(all),
    coverageRatio: all.samples > 0 ? near(Math.min(1, all.sampledUs / all.ownedUs)) : undefined,
    oldestSampleUs,
    isFromRollups: isAged || undefined,
    mixedUs: truth.mixedUs === 0 ? undefined : truth.mixedUs,
    ...gapFields(truth),
    causes: expectedCauses(truth, isAged),
    devices: truth.devices.map((device) => deviceOf(device, isAged)),
    gauges: GAUGES.flatMap(([key, column]) => {
      const gauge = all.gauges.get(column);
      return gauge === undefined ? [] : [jobGaugeOf(key, column, gauge, { truth, isAged })];
    }),
    energy: energyFields(all.energy),
    ...useOf(all),
    idleLimits: limitsOf(truth),
    smShares: sharesOf(all, isAged),
    longestIdle: longestOf(truth),
    lastActiveUs: all.lastActiveUs,
    nodeEvents: [],
    dips: all.samples > 0 ? dipsOf(dips) : undefined,
    throttleEffects: [],
    // Of windows: test/figures/job-analysis.test.ts has their truth.
    steps: NOT_COMPARED,
    slowest: NOT_COMPARED,
    gauge30: NOT_COMPARED,
    bounds: NOT_COMPARED,
    notMeasured: all.samples > 0 ? notMeasuredOf(all) : [],
    // Against the causes and gauges of the same report: test/fleets/read has its reader.
    verdict: textCheck,
    findings: expectedFindings(truth, oldestSampleUs),
    rulesNotTold: NOT_COMPARED,
  };
}

const textCheck: Check = (got) => (typeof got === 'string' && got !== '' ? undefined : 'a sentence');

function gapFields({ all, gaps, unplacedGaps }: JobTruth): Record<string, Expected> {
  if (all.samples === 0) return { gapCount: 0, gapUs: 0, gaps: [] };
  return {
    gapCount: gaps.length,
    gapUs: gaps.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0),
    gaps: gapsOf(gaps),
    unplacedGaps: unplacedGaps.count === 0 ? undefined : { ...unplacedGaps },
  };
}

function dipsOf(dips: DipsTruth | undefined): Expected {
  if (dips === undefined) return undefined;
  return { ...dips, floorRatio: near(dips.floorRatio), timeRatio: near(dips.timeRatio) };
}

/** The first ones in order of time; which of those that begin at one moment comes first, nobody says. */
function gapsOf(gaps: readonly GapTruth[]): Check {
  const count = Math.min(gaps.length, GAPS_LISTED_MAX);
  return (got) => {
    const listed = got as unknown as readonly GapTruth[];
    const isRight = listed.every(
      (one, at) =>
        one.fromUs === gaps[at]!.fromUs &&
        gaps.some((gap) => gap.gpu === one.gpu && gap.fromUs === one.fromUs && gap.toUs === one.toUs),
    );
    const distinct = new Set(listed.map((one) => JSON.stringify(one))).size;
    return isRight && distinct === count && listed.length === count
      ? undefined
      : JSON.stringify(gaps).slice(0, 400);
  };
}

function identityOf({ run }: JobTruth, runs: readonly FleetRun[]): Record<string, Expected> {
  const others = runs.filter((one) => one.job === run.job && one !== run).map(({ count }) => count);
  const told = run.isRecorded ? run : undefined;
  return {
    jobId: run.jobId,
    run: run.count,
    otherRuns: others.sort((a, b) => a - b),
    otherJobs: otherJobsOf(run, runs),
    cluster: run.cluster,
    submitUs: told?.submitUs,
    name: told?.name,
    user: told?.user,
    account: told?.account,
    partition: told?.partition,
    qos: told?.qos,
    state: told?.state,
    exitCode: told?.exitCode,
  };
}

function startOf({ stays }: FleetRun): number {
  return Math.min(...stays.map(({ startUs }) => startUs));
}

/** Other jobs that bear the id, newest first. */
function otherJobsOf(run: FleetRun, runs: readonly FleetRun[]): Expected {
  const bearers = Map.groupBy(
    runs.filter(({ jobId }) => jobId === run.jobId),
    ({ job }) => job,
  );
  return [...bearers.values()]
    .map((own) => own.toSorted((a, b) => startOf(a) - startOf(b)))
    .filter((own) => own[0]!.job !== run.job)
    .sort((a, b) => startOf(b.at(-1)!) - startOf(a.at(-1)!))
    .map((own) => {
      const newest = own.at(-1)!;
      return {
        cluster: newest.cluster,
        submitUs: newest.isRecorded ? newest.submitUs : undefined,
        startUs: startOf(own[0]!),
        endUs: Math.max(...own.flatMap(({ stays }) => stays.map(({ endUs }) => endUs))),
        user: newest.isRecorded ? newest.user : undefined,
        state: newest.isRecorded ? newest.state : undefined,
        command: commandOf(newest, [...bearers.values()].flat()),
      };
    });
}

/** The command must show this job: the newest of those that it selects. */
function commandOf(job: FleetRun, bearers: readonly FleetRun[]): Check {
  return (got) => {
    const [, cluster, submitted] =
      / report job \S+(?: --cluster (\S+))?(?: --submitted (\S+))?$/.exec(got as string) ?? [];
    const isMeant = (run: FleetRun): boolean => {
      const us = run.isRecorded ? run.submitUs : startOf(run);
      const isThen = submitted === undefined || secondOf(us) === secondOf(Date.parse(submitted) * 1000);
      return isThen && (cluster === undefined || run.cluster === cluster);
    };
    const selected = bearers.filter(isMeant).sort((a, b) => startOf(b) - startOf(a))[0];
    return selected?.job === job.job ? undefined : `a command that shows job ${job.job}`;
  };
}

function secondOf(us: number): number {
  return Math.floor(us / 1e6);
}

/** The least certain way. */
function sharingOf({ ways }: JobTruth): Way {
  return (['equal', 'stated', 'whole'] as const).find((way) => ways.has(way)) ?? 'whole';
}

function amountsOf(truth: OwnedTruth): Record<string, Expected> {
  const { ownedUs, ownedGpuUs, sampledUs, attributedUs, samples } = truth;
  return {
    ownedUs,
    ownedGpuUs: ownedGpuUs === ownedUs ? undefined : near(ownedGpuUs),
    sampledUs,
    attributedUs: near(attributedUs),
    samples,
  };
}

function deviceOf(truth: DeviceTruth, isAged: boolean): Expected {
  const { uuid, node, index, model, memoryBytes, instance } = truth.ledger.device;
  const gauges = GAUGES.flatMap(([key, column]) => {
    const gauge = truth.gauges.get(column);
    return gauge === undefined ? [] : [[key, { ...gaugeOf(gauge), ...barsOf(key, gauge) }]];
  });
  return {
    gpu: uuid,
    node,
    index,
    model,
    memoryBytes,
    migProfile: instance?.profile,
    sliceRatio: instance === undefined ? undefined : ratioOf(truth.ledger),
    ...amountsOf(truth),
    gauges: Object.fromEntries(gauges) as Expected,
    energy: energyFields(truth.energy),
    lastActiveUs: truth.lastActiveUs,
    ...useOf(truth),
    idleSmRatio: belowOf(truth.ledger),
    smShares: sharesOf(truth, isAged),
    longestIdle: truth.longestIdle === undefined ? undefined : stretchOf(truth.longestIdle),
    events: [],
    causes: expectedCausesOf(truth),
  };
}

function useOf(truth: OwnedTruth): Record<string, Expected> {
  const { idleUs, idleKnownUs, ownKnownUs, usedUs } = truth;
  const isKnown = idleUs !== undefined;
  return {
    idleUs: isKnown ? near(idleUs, idleKnownUs) : undefined,
    idleKnownUs: near(ownKnownUs),
    usedUs: isKnown ? near(usedUs, idleKnownUs) : undefined,
    wastedUs: isKnown ? near(ownKnownUs - usedUs, idleKnownUs) : undefined,
  };
}

const PIPES = [
  ['tensor', 'tensor_active_ratio'],
  ['fp64', 'fp64_active_ratio'],
  ['fp32', 'fp32_active_ratio'],
  ['fp16', 'fp16_active_ratio'],
] as const;

/** Of samples that are gone buckets count in which both were known for equally long: which ones, the levels decide. */
function sharesOf({ smShares }: OwnedTruth, isAged: boolean): Expected {
  const told = PIPES.flatMap(([key, column]): [string, Expected][] => {
    const share = smShares.get(column);
    if (share === undefined) return [];
    const { ratio, knownUs, isAlike } = share;
    return [[key, isAged && !isAlike ? NOT_COMPARED : { ratio: near(ratio), knownUs }]];
  });
  if (told.length > 0 && told.every(([, share]) => share === NOT_COMPARED)) return NOT_COMPARED;
  return told.length === 0 ? undefined : Object.fromEntries(told);
}

function stretchOf({ lengthUs, fromUs, isAtLeast }: StretchTruth): Record<string, Expected> {
  return { lengthUs, fromUs, isAtLeast: isAtLeast || undefined };
}

/** Of its devices. */
function limitsOf({ devices }: JobTruth): Expected {
  const { fleet } = devices[0]!.ledger;
  return {
    ...toldLimits(
      devices.map(({ ledger }) => ledger.device),
      fleet.idleLimits,
    ),
  };
}

/** Of the first of those devices that were idle for longest. */
function longestOf({ devices }: JobTruth): Expected {
  const lengths = devices.map(({ longestIdle }) => longestIdle?.lengthUs ?? -1);
  const { longestIdle, ledger } = devices[lengths.indexOf(Math.max(...lengths))]!;
  return longestIdle === undefined ? undefined : { gpu: ledger.device.uuid, ...stretchOf(longestIdle) };
}

function gaugeOf({ mean, min, max, knownUs }: GaugeTruth): Record<string, Expected> {
  return { mean: mean === undefined ? null : near(mean), min, max, knownUs };
}

/** Ranks of one device are the middles of bars of a histogram, never beyond what was measured. */
function barsOf(key: string, gauge: GaugeTruth): Record<string, Expected> {
  const width = BAR_WIDTHS.get(key);
  if (width === undefined || rankOf(gauge, 0.5) === undefined) return {};
  const about =
    (q: number): Check =>
    (got) => {
      const truth = rankOf(gauge, q)!;
      const isWithin = typeof got === 'number' && got >= gauge.min && got <= gauge.max;
      return isWithin && Math.abs(got - truth) <= width / 2 + 1e-9 ? undefined : `within a bar of ${truth}`;
    };
  return { p50: about(0.5), p95: about(0.95), barWidth: width };
}

function exactRanksOf(key: string, gauge: GaugeTruth): Record<string, Expected> {
  return BAR_WIDTHS.has(key) ? { p50: rankOf(gauge, 0.5), p95: rankOf(gauge, 0.95) } : {};
}

function jobGaugeOf(
  key: string,
  column: string,
  gauge: GaugeTruth,
  { truth: { series, devices }, isAged }: { readonly truth: JobTruth; readonly isAged: boolean },
): Expected {
  const means = devices.flatMap(({ gauges }) => gauges.get(column)?.mean ?? []);
  return {
    key,
    column,
    ...gaugeOf(gauge),
    ...(isAged ? barsOf(key, gauge) : exactRanksOf(key, gauge)),
    spread: means.length < 2 ? undefined : near(Math.max(...means) - Math.min(...means), Math.max(...means)),
    series: series.get(column)!.map((mean) => (mean === null ? null : near(mean))),
  };
}

function notMeasuredOf({ gauges }: OwnedTruth): Expected {
  const blank = GAUGES.filter(([, column]) => !gauges.has(column)).map(([key]) => key);
  return [
    { keys: NO_LANE, reason: 'no lane records it' },
    ...(blank.length === 0 ? [] : [{ keys: blank, reason: 'the device gave no values' }]),
  ];
}
