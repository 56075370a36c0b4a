import { HOUR_US } from '../../core/base/hour.ts';
import type { EndedRuns, UserFigures } from '../../figures/user/user-figures.ts';
import { costColumns } from '../costs-text.ts';
import {
  formatEnergies,
  formatHours,
  formatNumber,
  formatRatio,
  formatSpan,
  hourDecimals,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { tableText } from '../text/table-text.ts';

/** What is known of less is a part: it is not held against another. */
const WHOLE_RATIO_MIN = 0.95;
/** From here on it is told how many times as much it is. */
const TIMES_MIN = 3;
/** Less of a change rounds to none. */
const CHANGE_RATIO_MIN = 0.005;

/** An amount, and of which part of all it is known. */
interface Amount {
  readonly value: number;
  readonly knownRatio: number;
}

type Both<T> = readonly [now: T, before: T];

/** What was had and done, each beside what it was before; what is known of neither is left out. */
export function amountLines(figures: UserFigures): string[] {
  return tableText(amountCells(figures), ['left', 'right', 'right', 'left']);
}

/** The same as cells: a header, and a row for each. */
export function amountCells({ ended, before, costBasis }: UserFigures): readonly (readonly string[])[] {
  const both: Both<EndedRuns> = [ended, before];
  const ofBoth = <T>(of: (one: EndedRuns) => T): Both<T> => [of(ended), of(before)];
  const decimals = hourDecimals(Math.max(ended.ownedGpuUs, before.ownedGpuUs) / HOUR_US);
  const hours = (amounts: Both<Amount | undefined>): string[] =>
    amounts.map((amount) => (amount === undefined ? NOT_KNOWN : `${formatHours(amount.value, decimals)} h`));
  const [runs, owned, used, wasted, energy] = [
    ofBoth(({ runs }) => ({ value: runs, knownRatio: 1 })),
    ofBoth(ownedOf),
    ofBoth(usedOf),
    ofBoth(wastedOf),
    ofBoth(energyOf),
  ];
  const costs =
    costBasis === undefined
      ? []
      : costColumns(
          costBasis.rates,
          both.map((one) => one.costs),
        );
  const rows = [
    rowOf(
      'jobs',
      runs,
      runs.map(({ value }) => String(value)),
    ),
    rowOf('GPU-hours', owned, hours(owned)),
    rowOf('used', used, hours(used)),
    rowOf('wasted', wasted, hours(wasted)),
    rowOf('energy', energy, formatEnergies(both.map((one) => one.energy))),
    ...costs.map(({ key, title, cells }) =>
      rowOf(
        title,
        ofBoth((one) => costOf(one, key)),
        cells,
      ),
    ),
  ];
  const known = rows.filter(([, now, then]) => now !== NOT_KNOWN || then !== NOT_KNOWN);
  const span = formatSpan(ended.toUs - ended.fromUs);
  return [['', `these ${span}`, `the ${span} before`, ''], ...known];
}

function rowOf(label: string, amounts: Both<Amount | undefined>, cells: readonly string[]): string[] {
  return [label, ...cells, changeText(...amounts)];
}

/** How much of the time is told where that is not nearly all of it. */
export function knownTexts(ended: EndedRuns): string[] {
  if (ended.runs === 0) return [];
  const parts = [
    ['used and wasted', usedOf(ended)],
    ['energy', energyOf(ended)],
  ] as const;
  const texts = parts.flatMap(([what, amount]) =>
    amount === undefined || amount.knownRatio >= WHOLE_RATIO_MIN
      ? []
      : [`${what} of ${formatRatio(amount.knownRatio)} of the time`],
  );
  return texts.length === 0 ? [] : [`known: ${texts.join(', ')}.`];
}

function ownedOf({ ownedGpuUs, runs }: EndedRuns): Amount | undefined {
  // That nobody told of a job is no proof that there was none.
  return runs === 0 ? undefined : { value: ownedGpuUs, knownRatio: 1 };
}

function usedOf(ended: EndedRuns): Amount | undefined {
  const { used } = ended;
  return used && { value: used.value, knownRatio: knownRatioOf(ended, used.knownUs) };
}

function wastedOf(ended: EndedRuns): Amount | undefined {
  const { used } = ended;
  return used && { value: used.knownUs - used.value, knownRatio: knownRatioOf(ended, used.knownUs) };
}

function energyOf(ended: EndedRuns): Amount | undefined {
  const { energy } = ended;
  return energy && { value: energy.value, knownRatio: knownRatioOf(ended, energy.knownUs) };
}

/** Of the owned time what was sampled, and of that what was known. */
function knownRatioOf({ ownedUs, sampledUs, attributedUs }: EndedRuns, knownUs: number): number {
  if (ownedUs === 0 || attributedUs === 0) return 0;
  return Math.min(1, sampledUs / ownedUs) * Math.min(1, knownUs / attributedUs);
}

function costOf({ costs }: EndedRuns, key: keyof NonNullable<EndedRuns['costs']>): Amount | undefined {
  const amount = costs?.[key];
  if (amount?.value === undefined) return undefined;
  return { value: amount.value, knownRatio: amount.of === 0 ? 1 : amount.covered / amount.of };
}

/** `12 % less`, `8 % more`, `5.1 times as much`, `as before`; nothing where two amounts cannot be held against each other. */
function changeText(now: Amount | undefined, before: Amount | undefined): string {
  if (now === undefined || before === undefined || before.value <= 0) return '';
  if (Math.min(now.knownRatio, before.knownRatio) < WHOLE_RATIO_MIN) return '';
  const ratio = now.value / before.value;
  if (Math.abs(ratio - 1) < CHANGE_RATIO_MIN) return 'as before';
  if (ratio < 1) return `${formatRatio(1 - ratio)} less`;
  return ratio < TIMES_MIN ? `${formatRatio(ratio - 1)} more` : `${formatNumber(ratio, 2)} times as much`;
}
