/**
 * A QuestDB TTL in one spelling, since the server gives `14 DAYS` back as 2 weeks.
 * @param unit `DAYS`, `DAY`, `WEEK`, … in any case; @returns `336 h`, `24 months`, or `0` for ever
 */
export function normalTtl(value: number, unit: string): string {
  if (value === 0) return '0';
  const singular = unit.toUpperCase().replace(/S$/, '');
  const months = MONTHS[singular];
  return months === undefined ? `${value * (HOURS[singular] ?? NaN)} h` : `${value * months} months`;
}

/** The same for the text of a configuration; absent or empty is for ever. */
export function normalTtlText(ttl: string | undefined): string {
  const [, value = '0', unit = ''] = /^(\d+)\s*(\w+)$/.exec(ttl ?? '') ?? [];
  return normalTtl(Number(value), unit);
}

const HOURS: Readonly<Record<string, number>> = { H: 1, HOUR: 1, D: 24, DAY: 24, W: 168, WEEK: 168 };
const MONTHS: Readonly<Record<string, number>> = { M: 1, MONTH: 1, Y: 12, YEAR: 12 };
