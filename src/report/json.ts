import { keptColumns } from '../../schemas/tables.ts';
import type { IdleLimits } from '../core/fields/idle-limits.ts';
import { installedJson } from './capacity/installed-json.ts';
import type { CapacityFigures, CapacityRow, CapacitySums } from '../figures/capacity/figures.ts';
import type { GaugeKey } from '../figures/gauges.ts';
import type { CauseAmounts } from '../figures/job/causes/figures.ts';
import type {
  Dips,
  GaugeFigures,
  IdleStretch,
  JobDevice,
  JobFigures,
  JobGauge,
  OwnedFigures,
  ThrottleEffect,
} from '../figures/job/figures.ts';
import type { JobsFigures, JobsRow } from '../figures/job/jobs-figures.ts';
import type { TaskAmounts, TaskFigures, TasksFigures } from '../figures/job/tasks-figures.ts';
import type { Energy } from '../figures/quantity.ts';
import type { WhatIf } from '../figures/right-size/figures.ts';
import { longestIdleOf } from '../figures/job/assemble.ts';
import { analysisJson, boundsJson } from './analysis-json.ts';
import { causesJson, deviceCausesJson } from './causes-json.ts';
import { costRatesJson, costsJson } from './costs-json.ts';
import { findingJson } from './finding-json.ts';
import { hostJson } from './host/host-json.ts';
import { historyJson } from './history/history-json.ts';
import { NOT_MEASURED_REASONS, rollupText } from './text/wording.ts';
import { verdictText } from './verdict-text.ts';

/** Gaps that are listed one by one; all are counted. */
const GAPS_LISTED_MAX = 20;

/** The account of a job as JSON: numbers in base units with the unit in the name, what is not known left out. */
export function jobJson(figures: JobFigures): string {
  const { job, all, gaps, startUs, endUs, isOpen, boundaryUs, sharing, nodeEvents } = figures;
  return textOf({
    ...job,
    isSynthetic: figures.isSynthetic,
    startUs,
    endUs,
    isOpen,
    boundaryUs,
    sharing,
    areSharesScaled: figures.areSharesScaled ? true : undefined,
    ...amountsOf(all),
    coverageRatio: all.coverage?.value,
    oldestSampleUs: figures.oldestSampleUs,
    isFromKeptFigures: figures.origin === 'kept' ? true : undefined,
    isFromRollups: figures.origin === 'rollups' ? true : undefined,
    undividedUs: figures.undividedUs === 0 ? undefined : figures.undividedUs,
    mixedUs: figures.mixedUs === 0 ? undefined : figures.mixedUs,
    invalidRollups: figures.invalidRollups.length === 0 ? undefined : figures.invalidRollups.map(rollupText),
    gapCount: gaps?.length,
    gapUs: gaps?.reduce((sum, gap) => sum + gap.toUs - gap.fromUs, 0),
    gaps: gaps?.slice(0, GAPS_LISTED_MAX),
    unplacedGaps: figures.unplacedGaps.count === 0 ? undefined : figures.unplacedGaps,
    causes: causesJson(figures),
    devices: figures.devices.map((device) => ({
      ...deviceOf(device),
      causes: deviceCausesJson(figures.causes, device.gpu),
      costs: costsJson(figures.costs?.devices.get(device.gpu)),
    })),
    gauges: figures.gauges.map(jobGaugeOf),
    energy: energyOf(all.energy),
    costs: costsJson(figures.costs?.all),
    costRates: costRatesJson(figures.costs),
    ...useOf(all),
    idleLimits: idleLimitsOf(figures.idleLimits),
    smShares: sharesOf(all),
    longestIdle: longestOf(figures),
    lastActiveUs: all.lastActiveUs,
    nodeEvents,
    dips: figures.dips === undefined ? undefined : dipsOf(figures.dips),
    throttleEffects: figures.throttleEffects.map(throttleOf),
    host: hostJson(figures.host),
    ...analysisJson(figures.analysis),
    bounds: figures.bounds === undefined ? undefined : boundsJson(figures.bounds),
    notMeasured: figures.notMeasured.map(({ keys, why }) => ({ keys, reason: NOT_MEASURED_REASONS[why] })),
    history: figures.history === undefined ? undefined : historyJson(figures.history),
    verdict: verdictText(figures),
    findings: figures.findings.map(findingJson),
    rulesNotTold: figures.rulesNotTold.length === 0 ? undefined : figures.rulesNotTold,
    rulesKept: figures.rulesKept.length === 0 ? undefined : figures.rulesKept,
  });
}

function amountsOf({
  ownedUs,
  ownedGpuUs,
  sampledUs,
  attributedUs,
  samples,
}: Pick<OwnedFigures, 'ownedUs' | 'ownedGpuUs' | 'sampledUs' | 'attributedUs' | 'samples'>): object {
  const gpuTime = ownedGpuUs === ownedUs ? {} : { ownedGpuUs };
  return { ownedUs, ...gpuTime, sampledUs, attributedUs, samples };
}

function deviceOf(device: JobDevice): object {
  const { gpu, node, index, model, memoryBytes, migProfile, sliceRatio, events } = device;
  const gauges = Object.entries(device.gauges).map(([key, gauge]) => [key, gaugeOf(gauge)]);
  return {
    gpu,
    node,
    index,
    model,
    memoryBytes,
    migProfile,
    sliceRatio: migProfile === undefined ? undefined : sliceRatio,
    ...amountsOf(device),
    gauges: Object.fromEntries(gauges) as object,
    energy: energyOf(device.energy),
    lastActiveUs: device.lastActiveUs,
    ...useOf(device),
    idleSmRatio: device.idleSmRatio,
    smShares: sharesOf(device),
    longestIdle: device.longestIdle === undefined ? undefined : stretchOf(device.longestIdle),
    events,
  };
}

/** What was made of the time in which SM activity was known: what is not used was allocated and not used. */
function useOf({ idle, used }: OwnedFigures): object {
  return {
    idleUs: idle?.value,
    idleKnownUs: idle?.knownUs ?? 0,
    usedUs: used?.value,
    wastedUs: used === undefined ? undefined : used.knownUs - used.value,
  };
}

/** Below which SM activity devices count as idle: of all, and of models whose names begin so. */
export function idleLimitsOf({ smRatio, models }: IdleLimits): object {
  return { smRatio, models: models === undefined ? undefined : (Object.fromEntries(models) as object) };
}

/** Left out where nothing is known. */
function sharesOf({ smShares }: OwnedFigures): object | undefined {
  const told = Object.entries(smShares).map(([pipe, { value, knownUs }]) => [
    pipe,
    { ratio: value, knownUs },
  ]);
  return told.length === 0 ? undefined : (Object.fromEntries(told) as object);
}

function stretchOf({ lengthUs, fromUs, isAtLeast }: IdleStretch): object {
  return { lengthUs, fromUs, isAtLeast: isAtLeast ? true : undefined };
}

/** Of all devices, with the device. */
function longestOf(figures: JobFigures): object | undefined {
  const found = longestIdleOf(figures);
  return found === undefined ? undefined : { gpu: found.device.gpu, ...stretchOf(found.stretch) };
}

/** A mean over no time is null, so that whoever reads it finds the key. */
function gaugeOf({ mean, min, max, p50, p95 }: GaugeFigures): object {
  return {
    mean: mean?.value ?? null,
    min: min?.value,
    max: max.value,
    knownUs: max.knownUs,
    p50: p50?.value,
    p95: p95?.value,
    barWidth: p50?.barWidth,
  };
}

function jobGaugeOf(gauge: JobGauge): object {
  const { key, spread, series } = gauge;
  return { key, column: columnOf(key), ...gaugeOf(gauge), spread: spread?.value, series };
}

/** Column of the sample tables, from which the unit can be read too. */
function columnOf(key: GaugeKey): string {
  return keptColumns(key).column;
}

function energyOf({ counter, power, best, divided }: Energy): object {
  return {
    bestJoules: best?.value,
    bestUs: best?.knownUs ?? 0,
    counterJoules: counter?.value,
    counterUs: counter?.knownUs ?? 0,
    powerJoules: power?.value,
    powerUs: power?.knownUs ?? 0,
    dividedJoules: divided?.value,
    dividedUs: divided?.knownUs,
  };
}

function dipsOf({ count, floor, lengthUs, periodUs, timeRatio }: Dips): object {
  return { count, floorRatio: floor.value, lengthUs, periodUs, timeRatio };
}

function throttleOf({ event, gpu, sm, othersSm }: ThrottleEffect): object {
  return { event, gpu, smRatio: sm.value, othersSmRatio: othersSm.value };
}

/** The account of an array or a heterogeneous job as JSON, by the same rules. */
export function tasksJson(figures: TasksFigures): string {
  const { tasks, all, invalidRollups, idleLimits, costBasis, ...rest } = figures;
  return textOf({
    ...rest,
    invalidRollups: invalidRollups.length === 0 ? undefined : invalidRollups.map(rollupText),
    idleLimits: idleLimitsOf(idleLimits),
    costRates: costRatesJson(costBasis),
    ...taskAmountsOf(all),
    tasks: tasks.map(taskOf),
  });
}

function taskOf(row: TaskFigures): object {
  const { task, jobId, run, runCount, state, exitCode, startUs, endUs, isOpen, command } = row;
  const who = { task, jobId, run, runCount, state, exitCode, startUs, endUs, isOpen };
  return { ...who, ...taskAmountsOf(row), command };
}

function taskAmountsOf(amounts: TaskAmounts): object {
  return {
    devices: amounts.devices,
    ...amountsOf(amounts),
    coverageRatio: amounts.coverage?.value,
    energy: energyOf(amounts.energy),
    ...useOf(amounts),
    smActiveMean: amounts.smActive?.value,
    smKnownUs: amounts.smActive?.knownUs ?? 0,
    costs: costsJson(amounts.costs),
  };
}

/** The account of many jobs as JSON, by the same rules, in the order that was asked for. */
export function jobsJson(figures: JobsFigures): string {
  const { rows, all, invalidRollups, idleLimits, costBasis, ...rest } = figures;
  return textOf({
    ...rest,
    invalidRollups: invalidRollups.length === 0 ? undefined : invalidRollups.map(rollupText),
    idleLimits: idleLimitsOf(idleLimits),
    costRates: costRatesJson(costBasis),
    all: all === undefined ? undefined : { ...taskAmountsOf(all), lostUs: all.lostUs },
    rows: rows.map(jobsRowOf),
  });
}

/** A run of a list. */
export function jobsRowOf(row: JobsRow): object {
  const { typedId, jobId, run, runCount, cluster, name, user, account, partition, qos, state, exitCode } =
    row;
  const who = {
    typedId,
    jobId,
    run,
    runCount,
    cluster,
    name,
    user,
    account,
    partition,
    qos,
    state,
    exitCode,
  };
  const { startUs, endUs, isOpen, nodes, lostUs, causes, rules, command } = row;
  const kept = { lostUs, causes: causes && causesUsOf(causes), findings: rules };
  return { ...who, startUs, endUs, isOpen, nodes, ...taskAmountsOf(row), ...kept, command };
}

/** By the names that the report of one job has for them. */
function causesUsOf(causes: CauseAmounts): object {
  return Object.fromEntries([...causes].map(([cause, { us }]) => [cause, us]));
}

/** The account of the fleet as JSON, by the same rules. */
export function capacityJson(figures: CapacityFigures, whatIfs: readonly WhatIf[] = []): string {
  return textOf({
    by: figures.by,
    also: figures.also.length === 0 ? undefined : figures.also,
    every: figures.every,
    timeZone: figures.timeZone,
    cluster: figures.cluster,
    where: figures.where.length === 0 ? undefined : figures.where,
    top: figures.top,
    askedFromUs: figures.askedFromUs,
    askedToUs: figures.askedToUs,
    fromUs: figures.fromUs,
    toUs: figures.toUs,
    roundedTo: figures.roundedTo,
    isAged: figures.isAged ? true : undefined,
    devices: figures.devices,
    migInstances: figures.migInstances,
    nodes: figures.nodes,
    knownUs: figures.knownUs,
    isSynthetic: figures.isSynthetic,
    samples: figures.samples,
    sampledUs: figures.sampledUs,
    rows: figures.rows.map(rowOf),
    installed: installedJson(figures.installed),
    all: { ...sumsOf(figures.all), jobs: figures.all.jobs },
    sharedUs: figures.sharedUs,
    areSharesScaled: figures.areSharesScaled ? true : undefined,
    undividedUs: figures.undividedUs === 0 ? undefined : figures.undividedUs,
    unknownSlicesUs: figures.unknownSlicesUs === 0 ? undefined : figures.unknownSlicesUs,
    lastSigns: figures.lastSigns.length === 0 ? undefined : figures.lastSigns,
    reusedIdsLeft: figures.reusedIdsLeft === 0 ? undefined : figures.reusedIdsLeft,
    billing: figures.billing,
    closeIdsLeft: figures.closeIdsLeft === 0 ? undefined : figures.closeIdsLeft,
    invalidRollups: figures.invalidRollups.map(rollupText),
    idleLimits: idleLimitsOf(figures.idleLimits),
    costRates: costRatesJson(figures.costBasis),
    isNarrowed: figures.isNarrowed,
    hasActivity: figures.hasActivity,
    whatIfs: whatIfs.length === 0 ? undefined : whatIfs,
  });
}

function rowOf(row: CapacityRow): object {
  const { kind, name, also, cluster, period, unownedUs, unownedEnergy, jobs } = row;
  const nobodys =
    unownedUs === undefined
      ? {}
      : { unownedUs, unownedJoules: unownedEnergy?.value, unownedEnergyUs: unownedEnergy?.knownUs ?? 0 };
  // A name that nobody told keeps its place.
  const further = also.length === 0 ? undefined : also.map((other) => other ?? null);
  return { kind, name, also: further, cluster, period, ...sumsOf(row), ...nobodys, jobs };
}

function sumsOf({ attributedUs, instanceUs, idle, smActive, wasted, energy, costs }: CapacitySums): object {
  return {
    attributedUs,
    instanceUs: instanceUs > 0 ? instanceUs : undefined,
    idleUs: idle?.value,
    idleKnownUs: idle?.knownUs ?? 0,
    wastedUs: wasted?.value,
    smActiveMean: smActive?.value,
    smKnownUs: smActive?.knownUs ?? 0,
    ...energyOf(energy),
    costs: costsJson(costs),
  };
}

/** Keys whose value is undefined are left out by `JSON.stringify`. */
function textOf(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
