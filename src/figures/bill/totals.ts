import { decimalOf, digitsAt, largestRemainder, minorPlaces, type Decimal } from '../../core/costs/exact.ts';
import { rateOf } from '../../core/costs/model-rates.ts';
import type { Bill, BillLine, BillTerms } from './figures.ts';

/** Over what the lines of a printed bill are summed. */
export const BILL_GROUPINGS = ['account', 'user', 'device'] as const;
export type BillGrouping = (typeof BILL_GROUPINGS)[number];

/** What is said of a line, or of all: whole numbers that add up to those of all, in any grouping. */
export interface BillAmounts {
  readonly seconds: bigint;
  /** What of them has a price; undefined where none has, or nothing is priced. */
  readonly cost: bigint | undefined;
  /** Time that has no price, µs; 0 where nothing is priced. */
  readonly unpricedUs: number;
  /** What is given back of the cost; undefined where nothing is configured. */
  readonly credit: bigint | undefined;
  readonly wattHours: bigint | undefined;
  readonly energyUs: number;
  readonly energyCost: bigint | undefined;
  readonly grams: bigint | undefined;
}

/** Money is in the smallest coin of the currency. */
export interface BillRow extends BillAmounts {
  /** Of the account, the user or the device; undefined where nobody told. */
  readonly name: string | undefined;
  /** The next three of a device. */
  readonly node: string | undefined;
  readonly model: string | undefined;
  readonly cluster: string | undefined;
  readonly ownedUs: number;
  /** Time in units of a ten thousandth of an hour, which add up, too. */
  readonly hours10k: bigint;
  readonly idleTailUs: number;
}

export interface BillTotals {
  readonly by: BillGrouping;
  /** The one that was asked for; undefined where all were. */
  readonly cluster: string | undefined;
  /** Decimals of money. */
  readonly places: number;
  /** Most time first; of the same, by name. */
  readonly rows: readonly BillRow[];
  readonly all: Omit<BillRow, 'name' | 'node' | 'model' | 'cluster'>;
  /** Models that have no price, ascending; undefined among them is a model that nobody told. */
  readonly unpricedModels: readonly (string | undefined)[];
  /** Instances of which it is not known how large they are. */
  readonly unsizedDevices: number;
}

/** A bill by groups. @param cluster only the lines of this one */
export function billTotals({ head, lines }: Bill, by: BillGrouping, cluster?: string): BillTotals {
  const { terms } = head;
  const asked = cluster === undefined ? lines : lines.filter((line) => line.cluster === cluster);
  const groups = [...Map.groupBy(asked, (line) => groupKey(line, by))]
    .map(([key, own]) => ({ key, own, ownedUs: sumOf(own, ({ ownedUs }) => ownedUs) }))
    .sort((a, b) => b.ownedUs - a.ownedUs || (a.key < b.key ? -1 : 1));
  const columns = columnsOf(
    terms,
    groups.map(({ own }) => own),
  );
  const rows = groups.map(({ own, ownedUs }, index): BillRow => {
    const [first] = own as [BillLine];
    const isDevice = by === 'device';
    return {
      name: isDevice ? first.gpu : first[by],
      node: isDevice ? first.node : undefined,
      model: isDevice ? first.model : undefined,
      cluster: isDevice ? first.cluster : undefined,
      ownedUs,
      idleTailUs: sumOf(own, ({ idleTailUs }) => idleTailUs),
      unpricedUs: sumOf(own, (line) => (isUnpriced(line, terms) ? line.ownedUs : 0)),
      energyUs: sumOf(own, ({ energyUs }) => energyUs),
      ...columns[index]!,
    };
  });
  const unpriced = asked.filter((line) => isUnpriced(line, terms));
  return {
    ...{ by, cluster, places: minorPlaces(terms.currency), rows, all: allOf(rows, terms) },
    unpricedModels: [
      ...new Set(unpriced.filter(({ isSizeKnown }) => isSizeKnown).map(({ model }) => model)),
    ].sort(),
    unsizedDevices: new Set(unpriced.filter(({ isSizeKnown }) => !isSizeKnown).map(({ gpu }) => gpu)).size,
  };
}

function groupKey(line: BillLine, by: BillGrouping): string {
  return JSON.stringify(by === 'device' ? [line.cluster, line.gpu] : [line[by]]);
}

/** Time of a device whose model has no price, where others have one. */
export function isUnpriced(line: BillLine, terms: BillTerms): boolean {
  return terms.gpuHour !== undefined && priceOf(line, terms) === undefined;
}

function priceOf({ model, isSizeKnown }: BillLine, { gpuHour }: BillTerms): number | undefined {
  return gpuHour === undefined || !isSizeKnown ? undefined : rateOf(gpuHour, model);
}

type Columns = Pick<
  BillRow,
  'seconds' | 'hours10k' | 'cost' | 'credit' | 'wattHours' | 'energyCost' | 'grams'
>;

const HOUR_US = 3_600_000_000n;

/** Each column by itself is rounded to what its sum is. */
function columnsOf(terms: BillTerms, groups: readonly (readonly BillLine[])[]): Columns[] {
  const { kwhPrice, pue = 1, gramsPerKwh, gpuHour, idleTailCredit } = terms;
  const coins = 10n ** BigInt(minorPlaces(terms.currency));
  const prices = [
    ...(gpuHour?.models.values() ?? []),
    ...(gpuHour?.others === undefined ? [] : [gpuHour.others]),
  ];
  const places = Math.max(0, ...prices.map((price) => decimalOf(price).places));
  const money = (us: (line: BillLine) => number) => (line: BillLine) => {
    const price = priceOf(line, terms);
    return price === undefined ? undefined : BigInt(us(line)) * digitsAt(decimalOf(price), places) * coins;
  };
  const perHour = HOUR_US * 10n ** BigInt(places);
  const column = (
    of: (line: BillLine) => bigint | undefined,
    denominator: bigint,
    most?: readonly (bigint | undefined)[],
  ): (bigint | undefined)[] => roundedColumn(groups, of, denominator, most);
  const none = groups.map(() => undefined);
  const credit = decimalOf(idleTailCredit ?? 0);
  const energy = product(decimalOf(kwhPrice ?? 0), decimalOf(pue));
  const costs =
    gpuHour === undefined
      ? none
      : column(
          money(({ ownedUs }) => ownedUs),
          perHour,
        );
  const credits =
    idleTailCredit === undefined
      ? none
      : column(
          (line) => scaled(money(({ idleTailUs }) => idleTailUs)(line), credit.digits),
          perHour * 10n ** BigInt(credit.places),
          // Nobody is given back more than it pays.
          costs,
        );
  const millijoules = ({ millijoules }: BillLine): bigint | undefined =>
    millijoules === undefined ? undefined : BigInt(millijoules);
  const wattHours = column(millijoules, 3_600_000n);
  const energyCosts =
    kwhPrice === undefined
      ? none
      : column(
          (line) => scaled(millijoules(line), energy.digits * coins),
          3_600_000_000n * 10n ** BigInt(energy.places),
        );
  const grams =
    gramsPerKwh === undefined
      ? none
      : column(({ milligrams }) => (milligrams === undefined ? undefined : BigInt(milligrams)), 1000n);
  const seconds = column(({ ownedUs }) => BigInt(ownedUs), 1_000_000n);
  const hours = column(({ ownedUs }) => BigInt(ownedUs) * 10_000n, HOUR_US);
  return groups.map((_, index) => ({
    seconds: seconds[index]!,
    hours10k: hours[index]!,
    cost: costs[index],
    credit: credits[index],
    wattHours: wattHours[index],
    energyCost: energyCosts[index],
    grams: grams[index],
  }));
}

/** Undefined of groups in which nothing is known. */
function roundedColumn(
  groups: readonly (readonly BillLine[])[],
  of: (line: BillLine) => bigint | undefined,
  denominator: bigint,
  most: readonly (bigint | undefined)[] | undefined,
): (bigint | undefined)[] {
  const exact = groups.map((own) => {
    const known = own.map(of).filter((one) => one !== undefined);
    return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0n);
  });
  const whole = largestRemainder(
    exact.map((one) => one ?? 0n),
    denominator,
    most?.map((one) => one ?? 0n),
  );
  return whole.map((one, index) => (exact[index] === undefined ? undefined : one));
}

function scaled(value: bigint | undefined, by: bigint): bigint | undefined {
  return value === undefined ? undefined : value * by;
}

function product(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, places: a.places + b.places };
}

/** Σ of the rows: what they were rounded to add up to. */
function allOf(rows: readonly BillRow[], terms: BillTerms): BillTotals['all'] {
  const sum = (of: (row: BillRow) => bigint | undefined): bigint | undefined => {
    const known = rows.map(of).filter((one) => one !== undefined);
    return known.length === 0 ? undefined : known.reduce((all, one) => all + one, 0n);
  };
  return {
    ownedUs: sumOf(rows, ({ ownedUs }) => ownedUs),
    idleTailUs: sumOf(rows, ({ idleTailUs }) => idleTailUs),
    unpricedUs: sumOf(rows, ({ unpricedUs }) => unpricedUs),
    energyUs: sumOf(rows, ({ energyUs }) => energyUs),
    seconds: sum(({ seconds }) => seconds) ?? 0n,
    hours10k: sum(({ hours10k }) => hours10k) ?? 0n,
    cost: sum(({ cost }) => cost),
    credit: terms.idleTailCredit === undefined ? undefined : sum(({ credit }) => credit),
    wattHours: sum(({ wattHours }) => wattHours),
    energyCost: sum(({ energyCost }) => energyCost),
    grams: sum(({ grams }) => grams),
  };
}

function sumOf<One>(all: readonly One[], of: (one: One) => number): number {
  return all.reduce((sum, one) => sum + of(one), 0);
}

/** What is to be paid: the cost less what is given back. Undefined where nothing has a price. */
export function dueOf({ cost, credit }: Pick<BillAmounts, 'cost' | 'credit'>): bigint | undefined {
  return cost === undefined ? undefined : cost - (credit ?? 0n);
}
