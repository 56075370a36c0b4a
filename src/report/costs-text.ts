import type { Amount, Costs, CostRates } from '../core/costs/costs.ts';
import { isOwned, type CapacityFigures } from '../figures/capacity/figures.ts';
import { needsHours, type CostBasis } from '../figures/cost-basis.ts';
import type { JobFigures } from '../figures/job/figures.ts';
import type { TaskAmounts } from '../figures/job/tasks-figures.ts';
import {
  formatCoverage,
  formatEnergy,
  formatGpuHours,
  formatGrams,
  formatGrouped,
  formatMoment,
  formatMoney,
  formatNumber,
  formatCount,
  NOT_KNOWN,
} from './text/format-quantity.ts';
import { harmless, wrap } from './text/table-text.ts';

/** What is known of less is told to be a part. */
const WHOLE_RATIO_MIN = 0.999;

/** What the job cost, and of how much of it that is known. */
export function jobCostLines({ costs, devices }: JobFigures, width: number): string[] {
  if (costs === undefined) return [];
  const { rates, all } = costs;
  const unrated = (key: 'gpuHours' | 'rguHours'): string[] =>
    devices.flatMap(({ gpu, model, sliceRatio }) => {
      const { covered = 0, of = 0 } = costs.devices.get(gpu)?.[key] ?? {};
      if (covered >= of) return [];
      return sliceRatio === undefined ? ['an instance of unknown size'] : [modelText(model)];
    });
  const texts = [
    gpuCostText(all, rates, unrated('gpuHours')),
    rguText(all, unrated('rguHours')),
    energyCostText(all, rates),
    ...missingHoursTexts(costs, all, 'in which hours the rest was drawn has aged out'),
  ].filter((text) => text !== undefined);
  return texts.flatMap((text) => wrap(harmless(text), width, '  ', '    '));
}

function modelText(model: string | undefined): string {
  return model ?? 'GPUs of unknown model';
}

function gpuCostText({ gpuHours }: Costs, rates: CostRates, unpriced: readonly string[]): string | undefined {
  if (gpuHours === undefined) return undefined;
  if (gpuHours.value === undefined)
    return unpriced.length === 0 ? undefined : `cost not known: not priced (${listed(unpriced)})`;
  return `cost ${formatMoney(gpuHours.value, rates.currency)} for ${partOfHours(gpuHours, 'priced', unpriced)}`;
}

function rguText({ rguHours }: Costs, unrated: readonly string[]): string | undefined {
  if (rguHours?.value === undefined) return undefined;
  return `${formatNumber(rguHours.value, 4)} RGU-hours for ${partOfHours(rguHours, 'rated', unrated)}`;
}

/** `40.2 of 55.9 GPU-hours (not priced: NVIDIA L40S)`. */
function partOfHours({ covered, of }: Amount, word: 'priced' | 'rated', left: readonly string[]): string {
  if (covered >= of) return formatGpuHours(of);
  return `${bareGpuHours(covered)} of ${formatGpuHours(of)} (not ${word}: ${listed(left)})`;
}

function bareGpuHours(us: number): string {
  return formatGpuHours(us).replace(/\s*GPU-hours$/, '');
}

function listed(names: readonly string[]): string {
  return [...new Set(names)].join(', ');
}

/** `energy cost 55.97 EUR · 35.4 kg CO2e (with PUE 1.3)`; undefined where neither is known. */
export function energyCostText({ energy, carbon }: Costs, rates: CostRates): string | undefined {
  const told = [
    ...(energy?.value === undefined ? [] : [`energy cost ${formatMoney(energy.value, rates.currency)}`]),
    ...(carbon?.value === undefined ? [] : [`${formatGrams(carbon.value)} CO2e`]),
  ];
  if (told.length === 0) return undefined;
  const { pue } = rates;
  const part =
    energy !== undefined && energy.covered < WHOLE_RATIO_MIN * energy.of
      ? [`over ${formatCoverage(energy.covered / energy.of)} of the time`]
      : [];
  const notes = [pue === undefined ? 'of the GPUs alone' : `with PUE ${pue}`, ...part];
  return `${told.join(' · ')} (${notes.join(', ')})`;
}

/** Energy of which the grams are not known, and which hours those are. */
function missingHoursTexts({ missingHoursUs }: CostBasis, { carbon }: Costs, otherwise: string): string[] {
  if (carbon === undefined || carbon.covered >= WHOLE_RATIO_MIN * carbon.of) return [];
  const known = `CO2e is of ${formatEnergy(carbon.covered)} of ${formatEnergy(carbon.of)}`;
  const [first] = missingHoursUs;
  if (first === undefined) return [`${known}: ${otherwise}`];
  return [
    `${known}: costs.grams_file has no value of ${formatCount(missingHoursUs.length, 'hour')}, the first ${formatMoment(first)}`,
  ];
}

export interface CostColumn {
  readonly key: keyof Costs;
  readonly title: string;
  /** One per row. */
  readonly cells: readonly string[];
}

/** Columns of a table; those that are not configured are not there. */
export function costColumns(rates: CostRates, rows: readonly (Costs | undefined)[]): CostColumn[] {
  const column = (key: keyof Costs, title: string, show: (value: number) => string): CostColumn[] => {
    if (rows.every((row) => row?.[key] === undefined)) return [];
    const cells = rows.map((row) => {
      const value = row?.[key]?.value;
      return value === undefined ? NOT_KNOWN : show(value);
    });
    return [{ key, title, cells }];
  };
  const money = (value: number): string => formatMoney(value, rates.currency);
  return [
    ...column('gpuHours', 'cost', money),
    ...column('energy', 'energy cost', money),
    ...column('carbon', 'CO2e', formatGrams),
    ...column('rguHours', 'RGU-hours', (value) => formatGrouped(value, 1)),
  ];
}

/** What must be known to read those columns. @param all of all rows */
function costNotes({ rates }: CostBasis, all: Costs | undefined): string[] {
  if (all === undefined) return [];
  const { gpuHours, rguHours, energy, carbon } = all;
  const ofPart = (what: string, amount: Amount | undefined, why: string): string[] =>
    amount === undefined || amount.covered >= WHOLE_RATIO_MIN * amount.of
      ? []
      : [`${what} is of ${bareGpuHours(amount.covered)} of ${formatGpuHours(amount.of)}: ${why}.`];
  const ofEnergy = [
    ...(energy === undefined ? [] : ['energy cost']),
    ...(carbon === undefined ? [] : ['CO2e']),
  ];
  const pue = rates.pue === undefined ? 'of the GPUs alone' : `with PUE ${rates.pue}`;
  return [
    ...ofPart('cost', gpuHours, 'the rest is not priced (costs.gpu_hour)'),
    ...ofPart('RGU-hours', rguHours, 'the rest is not rated (costs.rgu)'),
    ...ofPart('energy cost', energy, 'of the rest no energy is known'),
    ...(ofEnergy.length === 0 ? [] : [`${ofEnergy.join(' and ')}: ${pue}, of the energy that is known.`]),
  ];
}

/** Columns of a table of jobs or tasks; none where nothing is configured. */
export function amountColumns(
  basis: CostBasis | undefined,
  rows: readonly Pick<TaskAmounts, 'costs'>[],
): CostColumn[] {
  if (basis === undefined) return [];
  return costColumns(
    basis.rates,
    rows.map(({ costs }) => costs),
  );
}

/** The notes of such a table. */
export function jobCostNotes(basis: CostBasis | undefined, all: Costs | undefined): string[] {
  if (basis === undefined) return [];
  const hourly = needsHours(basis.rates)
    ? ['CO2e by the hour is told of a single job: gpuledger report job ID.']
    : [];
  return [...costNotes(basis, all), ...hourly];
}

/** The notes of the account of the fleet. */
export function capacityCostNotes({ costBasis, all, rows }: CapacityFigures): string[] {
  if (costBasis === undefined || all.costs === undefined) return [];
  const isNobodys = rows.some(({ kind, costs }) => !isOwned(kind) && costs?.gpuHours?.value !== undefined);
  return [
    ...costNotes(costBasis, all.costs),
    ...(isNobodys
      ? ['cost of what no job owned is what those GPU-hours would cost; all is the sum of all rows.']
      : []),
    ...missingHoursTexts(
      costBasis,
      all.costs,
      'energy is not told apart by the hour in windows of more than 100 days',
    ).map((text) => `${text}.`),
  ];
}
