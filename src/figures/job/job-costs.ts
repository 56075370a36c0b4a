import type { Cause } from '../../core/analysis/causes.ts';
import { addCosts, costsOf, type Costs, type CostRates, type ModelTime } from '../../core/costs/costs.ts';
import type { HourEnergy } from '../../core/costs/hourly-grams.ts';
import { costBasis } from '../cost-basis.ts';
import { energyOf } from '../quantity.ts';
import type { DeviceCauses } from './causes/figures.ts';
import type { JobInterval, SliceRatios } from './facts.ts';
import type { JobCosts, JobDevice, JobFacts } from './figures.ts';
import { emptySums, type SampleSums } from './rows/scan.ts';

/** By device, what it drew for the job and in which hour. Of a device that is missing that is not known. */
export type EnergyHours = ReadonlyMap<string, readonly HourEnergy[]>;

/** @param hours needed where grams are by the hour */
export function jobCosts(
  { devices, causes }: Pick<JobFacts, 'devices' | 'causes'>,
  rates: CostRates,
  hours: EnergyHours,
): JobCosts {
  const own = new Map(
    devices.map((device) => [device.gpu, deviceCosts(device, rates, hours.get(device.gpu))]),
  );
  const byDevice = causes === undefined || 'why' in causes ? [] : causes.devices;
  return {
    ...costBasis(rates, [...hours.values()].flat()),
    all: addCosts([...own.values()]),
    devices: own,
    causes: causeCosts(byDevice, devices, rates),
  };
}

/** What is asked of a device: times are those of the job on it. */
type BilledDevice = Pick<
  JobDevice,
  'model' | 'ownedUs' | 'sampledUs' | 'attributedUs' | 'sliceRatio' | 'energy'
>;

function deviceCosts(
  { energy: { best }, ...device }: BilledDevice,
  rates: CostRates,
  hours: readonly HourEnergy[] | undefined,
): Costs {
  return costsOf(rates, [billedTime(device)], { joules: best?.value, knownUs: best?.knownUs ?? 0, hours });
}

/**
 * What is paid for: all of the time for which the job owned the device, by its part of it, as far as that was seen, and by slices, as
 * causes have it.
 */
function billedTime({
  model,
  ownedUs,
  sampledUs,
  attributedUs,
  sliceRatio,
}: Omit<BilledDevice, 'energy'>): ModelTime {
  const part = sampledUs > 0 ? attributedUs / sampledUs : (sliceRatio ?? 1);
  return { model, us: Math.round(ownedUs * part), isSizeKnown: sliceRatio !== undefined };
}

/** What one of many runs cost. @param sums of its devices, those of MIG instances by slices */
export function runCosts(
  intervals: readonly JobInterval[],
  sums: ReadonlyMap<string, SampleSums>,
  {
    modelOf,
    sliceRatios,
  }: { readonly modelOf: (gpu: string) => string | undefined; readonly sliceRatios: SliceRatios },
  rates: CostRates,
): Costs {
  const devices = [...Map.groupBy(intervals, ({ gpu }) => gpu)].map(([gpu, own]) => {
    const device = sums.get(gpu) ?? emptySums();
    const ownedUs = own.reduce((us, { startUs, endUs }) => us + endUs - startUs, 0);
    const facts = { model: modelOf(gpu), sliceRatio: sliceRatios.get(gpu), energy: energyOf(device) };
    return deviceCosts({ ...device, ...facts, ownedUs }, rates, undefined);
  });
  return addCosts(devices);
}

function causeCosts(
  byDevice: readonly DeviceCauses[],
  devices: readonly JobDevice[],
  rates: CostRates,
): JobCosts['causes'] {
  // In which hours a cause drew what is not looked up.
  const ofCauses = { ...rates, gramsPerKwh: undefined, rgu: undefined };
  const costs = new Map<Cause, Costs[]>();
  for (const { gpu, causes } of byDevice) {
    const { model, sliceRatio } = devices.find((device) => device.gpu === gpu)!;
    for (const [cause, { us, joules }] of causes) {
      const time = { model, us, isSizeKnown: sliceRatio !== undefined };
      const energy = { joules, knownUs: joules === undefined ? 0 : us, hours: undefined };
      costs.set(cause, [...(costs.get(cause) ?? []), costsOf(ofCauses, [time], energy)]);
    }
  }
  return new Map([...costs].map(([cause, some]) => [cause, addCosts(some)]));
}
