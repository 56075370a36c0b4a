import type { Bounds } from '../figures/job/analysis/bounds.ts';
import type { Gauge30, JobAnalysis, Slowest, StepFigures } from '../figures/job/analysis/figures.ts';

/** What windows of a job tell, as JSON: keys of what could not be looked for are left out. */
export function analysisJson({ steps, slowest, gauge30 }: JobAnalysis): object {
  return {
    steps: steps === undefined ? undefined : stepsOf(steps),
    slowest: slowest === undefined ? undefined : slowestOf(slowest),
    gauge30: gauge30 === undefined ? undefined : gaugeOf(gauge30),
  };
}

function stepsOf({ intervalUs, found, firstLightUs, drainUs }: StepFigures): object {
  const around = { intervalUs, firstLightUs, drainUs };
  if ('none' in found) return { none: found.none, ...around };
  const { periodUs, periodMinUs, periodMaxUs, driftRatio, explained, windowsAgreed, windowsSeen } = found;
  return {
    periodUs,
    periodMinUs,
    periodMaxUs,
    driftRatio,
    explainedRatio: explained,
    windowsAgreed,
    windows: windowsSeen,
    count: Math.round(found.activeUs / periodUs),
    activeUs: found.activeUs,
    joulesPerStep: found.joulesPerStep,
    single: found.single,
    ...around,
  };
}

function slowestOf({ gpu, kind, deviceCount, ratio, othersRatio, leads, why, ...rest }: Slowest): object {
  const { lostUsMax, linkErrors, pcieLanes } = rest;
  return {
    gpu,
    kind,
    deviceCount,
    ratio,
    othersRatio,
    leadsRatio: leads,
    why,
    lostUsMax,
    linkErrors: linkErrors === 0 ? undefined : linkErrors,
    pcieLanes,
  };
}

function gaugeOf({ windowUs, phases, mean, meanMin, meanMax, lowMin, lowMax, peak }: Gauge30): object {
  return {
    windowUs,
    phases,
    smMean: mean,
    smMeanMin: meanMin,
    smMeanMax: meanMax,
    smLow: lowMin,
    smLowMissed: lowMax,
    powerPeakWatts: peak?.max,
    powerPeakMissedWatts: peak?.min,
  };
}

/** Bounds, no measurements: activities times what the data sheet says. */
export function boundsJson({ workClass, roof, tensorRatio, dramRatio, peaks }: Bounds): object {
  return {
    class: workClass,
    roof,
    mfuMax: tensorRatio,
    memoryRatio: dramRatio,
    tensorFlopsMax: peaks === undefined ? undefined : tensorRatio * peaks.tensorFlops,
    tensorFlopsPeak: peaks?.tensorFlops,
    memoryBytesPerSecond: peaks === undefined ? undefined : dramRatio * peaks.memoryBytesPerSecond,
    memoryBytesPerSecondPeak: peaks?.memoryBytesPerSecond,
    peaksOf: peaks?.model,
    peaksSource: peaks?.source,
  };
}
