/** Amounts of a bill: whole numbers as long as they are added up, and rounded once. */

/** `digits` / 10^`places`. */
export interface Decimal {
  readonly digits: bigint;
  readonly places: number;
}

/** A number as it is written: 0.1 is a tenth, and not the double beside it. @param value finite, not negative */
export function decimalOf(value: number): Decimal {
  const [, whole = '', part = '', exponent = '0'] =
    /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  const places = part.length - Number(exponent);
  const digits = BigInt(whole + part);
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
}

/** The digits of a number with so many places, which are as many as it has or more. */
export function digitsAt({ digits, places }: Decimal, wanted: number): bigint {
  return digits * 10n ** BigInt(wanted - places);
}

/**
 * Fractions with one denominator as whole numbers that add up to their sum, rounded half up: each is rounded down, and what is then
 * missing goes to those with the largest remainders, of two alike to the first. So none differs by 1 or more from what it is, unless
 * others may have no more.
 * @param numerators not negative
 * @param most of each; all together at least the sum, rounded
 */
export function largestRemainder(
  numerators: readonly bigint[],
  denominator: bigint,
  most?: readonly bigint[],
): bigint[] {
  const sum = numerators.reduce((all, one) => all + one, 0n);
  const whole = numerators.map((one) => one / denominator);
  let missing = rounded(sum, denominator) - whole.reduce((all, one) => all + one, 0n);
  const byRemainder = numerators
    .map((one, index) => ({ index, remainder: one % denominator }))
    .sort((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  while (missing > 0n)
    for (const { index } of byRemainder) {
      if (missing === 0n) break;
      if (most !== undefined && whole[index]! >= most[index]!) continue;
      whole[index]! += 1n;
      missing -= 1n;
    }
  return whole;
}

/** Half up. */
export function rounded(numerator: bigint, denominator: bigint): bigint {
  return (2n * numerator + denominator) / (2n * denominator);
}

/** `1234.50` of 123450 with two places: for programs. */
export function decimalText(whole: bigint, places: number): string {
  const sign = whole < 0n ? '-' : '';
  const digits = String(whole < 0n ? -whole : whole).padStart(places + 1, '0');
  const point = digits.length - places;
  return places === 0 ? sign + digits : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Decimals of the smallest coin of a currency: 2, of some 0 or 3. A word that is no currency has 2. */
export function minorPlaces(currency: string | undefined): number {
  if (currency === undefined || !/^[A-Za-z]{3}$/.test(currency)) return 2;
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.resolvedOptions().maximumFractionDigits ?? 2;
}
