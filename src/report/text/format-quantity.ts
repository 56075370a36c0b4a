/** Numbers as people read them, each with its unit; base units in, text out. */
import { HOUR_US } from '../../core/base/hour.ts';
import type { Energy, Quantity } from '../../figures/quantity.ts';

const THIN = ' ';

/** What stands where nothing is known. */
export const NOT_KNOWN = '–';

/** A measured figure in the form of its unit, or `–`. */
export function formatQuantity(figure: Quantity | undefined): string {
  if (figure === undefined) return NOT_KNOWN;
  const { value, unit } = figure;
  switch (unit) {
    case 'ratio':
      return formatRatio(value);
    case 'watts':
      return formatWatts(value);
    case 'joules':
      return formatEnergy(value);
    case 'bytes':
      return formatMemory(value);
    case 'bytes_per_second':
      return formatRate(value);
    case 'microseconds':
      return formatGpuHours(value);
  }
}

/** `1 gap`, `3 gaps`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Three significant digits at most, no exponent: 28.6, 118, 2.1, 0.04; a little is not nothing: `<0.001`. */
export function formatNumber(value: number, digits = 3): string {
  if (value === 0) return '0';
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1;
  const decimals = Math.max(0, Math.min(3, digits - Math.max(whole, 0)));
  const text = value.toFixed(decimals);
  if (isTooSmall(value, decimals)) return leastText(decimals);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** Whether these decimals would show nothing of it. */
function isTooSmall(value: number, decimals: number): boolean {
  return value > 0 && Number(value.toFixed(decimals)) === 0;
}

function leastText(decimals: number): string {
  return `<${(10 ** -decimals).toFixed(decimals)}`;
}

/** `1,204.3`. */
export function formatGrouped(value: number, decimals: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** `71 %`; below 1 % one decimal, so that a little is not nothing. */
export function formatRatio(ratio: number): string {
  const percent = ratio * 100;
  if (percent === 0) return `0${THIN}%`;
  if (percent < 0.1) return `<${THIN}0.1${THIN}%`;
  return `${percent < 0.95 ? percent.toFixed(1) : percent.toFixed(0)}${THIN}%`;
}

/** Coverage is never rounded up to the whole: `99.98 %`, and `100 %` only for 100 %. */
export function formatCoverage(ratio: number): string {
  if (ratio >= 1) return `100${THIN}%`;
  return `${String(Math.floor(ratio * 10_000) / 100)}${THIN}%`;
}

export function formatWatts(watts: number): string {
  return `${isTooSmall(watts, 0) ? leastText(0) : watts.toFixed(0)}${THIN}W`;
}

/** `28.6 kWh`; less than a tenth in Wh. */
export function formatEnergy(joules: number): string {
  const kilowattHours = joules / 3.6e6;
  if (kilowattHours >= 0.1) return `${formatNumber(kilowattHours)}${THIN}kWh`;
  return `${formatNumber(kilowattHours * 1000)}${THIN}Wh`;
}

/**
 * The texts of a column of energies: one unit and as many decimals as the largest needs.
 * @param energies in joules; undefined is `–`.
 */
export function formatEnergies(energies: readonly (Quantity<'joules'> | undefined)[]): string[] {
  const largest = Math.max(0, ...energies.map((energy) => energy?.value ?? 0)) / 3.6e6;
  const [unit, size] = largest >= 0.1 ? (['kWh', 3.6e6] as const) : (['Wh', 3.6e3] as const);
  const top = (largest * 3.6e6) / size;
  const decimals = top >= 1000 ? 0 : top >= 10 ? 1 : top >= 1 ? 2 : 3;
  return energies.map((energy) =>
    energy === undefined ? NOT_KNOWN : `${formatLittle(energy.value / size, decimals)}${THIN}${unit}`,
  );
}

/** The same of what reports show, `÷` behind each of which something is a part of the energy of GPUs that are cut. */
export function energyTexts(energies: readonly Energy[]): string[] {
  const texts = formatEnergies(energies.map(({ best }) => best));
  if (energies.every(({ divided }) => divided === undefined)) return texts;
  return texts.map((text, index) => `${text} ${energies[index]!.divided === undefined ? ' ' : '÷'}`);
}

/** What rounding leaves of a sum of microseconds is no time. */
const TIME_US_MIN = 0.5;

/** `1,204.3`; less than what the decimals can show is `<0.1`. */
function formatLittle(value: number, decimals: number): string {
  return isTooSmall(value, decimals) ? leastText(decimals) : formatGrouped(value, decimals);
}

/** A cell of a column of hours. */
export function formatHours(us: number, decimals: number): string {
  return us < TIME_US_MIN ? formatGrouped(0, decimals) : formatLittle(us / HOUR_US, decimals);
}

/** Decimals that hours are shown with, all of a column alike. */
export function hourDecimals(largestHours: number): number {
  return largestHours >= 10 ? 1 : largestHours >= 1 ? 2 : 3;
}

/** Memory in GiB, the unit that the vendor's tools count in. */
export function formatMemory(bytes: number): string {
  return `${formatNumber(bytes / 2 ** 30)}${THIN}GiB`;
}

/** `2.1 GB/s`, decimal as links are rated. */
export function formatRate(bytesPerSecond: number): string {
  for (const [unit, size] of [
    ['GB/s', 1e9],
    ['MB/s', 1e6],
    ['kB/s', 1e3],
  ] as const) {
    if (bytesPerSecond >= size) return `${formatNumber(bytesPerSecond / size, 2)}${THIN}${unit}`;
  }
  return `${isTooSmall(bytesPerSecond, 0) ? leastText(0) : bytesPerSecond.toFixed(0)}${THIN}B/s`;
}

/** `55.9 GPU-hours`; short ones with more digits. */
export function formatGpuHours(us: number): string {
  const hours = us < TIME_US_MIN ? 0 : us / HOUR_US;
  return `${hours >= 100 ? formatGrouped(hours, 1) : formatNumber(hours)}${THIN}GPU-hours`;
}

/** `5.1 GPU-hours (12 device-hours, MIG instances by slices)`. */
export function ownedText({
  ownedUs,
  ownedGpuUs,
}: {
  readonly ownedUs: number;
  readonly ownedGpuUs: number;
}): string {
  const hours = formatGpuHours(ownedGpuUs);
  if (ownedGpuUs === ownedUs) return hours;
  return `${hours} (${formatGpuHours(ownedUs).replace('GPU', 'device')}, MIG instances by slices)`;
}

/** `3 h 29 min 37 s`, `11 s`, `0.4 s`, `2 d 3 h`: at most three units, the smallest dropped when it says nothing. */
export function formatSpan(us: number): string {
  if (us < 10e6 && us % 1e6 !== 0) return `${formatNumber(us / 1e6, 2)}${THIN}s`;
  const seconds = Math.round(us / 1e6);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const shown = parts.slice(0, seconds >= 86_400 ? 3 : 4).filter(([count]) => count > 0);
  return shown.length === 0 ? `0${THIN}s` : shown.map(([count, unit]) => `${count}${THIN}${unit}`).join(THIN);
}

/** `512 ms`, `6.71 s`, `2 min 3 s`: a length that is known to three digits. */
export function formatStep(us: number): string {
  if (us < 1e6) return `${formatNumber(us / 1e3)}${THIN}ms`;
  return us < 100e6 ? `${formatNumber(us / 1e6)}${THIN}s` : formatSpan(us);
}

/** `± 1 s`, `± 100 ms`. */
export function formatInterval(us: number): string {
  return us < 1e6 ? `${formatNumber(us / 1e3)}${THIN}ms` : formatSpan(us);
}

/** `09:02:11` UTC. */
export function clockTime(us: number): string {
  return new Date(us / 1000).toISOString().slice(11, 19);
}

/** `2026-11-21` UTC. */
export function calendarDate(us: number): string {
  return new Date(us / 1000).toISOString().slice(0, 10);
}

/** `2026-11-21 09:02:11 UTC`. */
export function formatMoment(us: number): string {
  return `${calendarDate(us)} ${clockTime(us)} UTC`;
}

/** `09:02:11 → 12:31:48 UTC` with the dates that are needed to understand it. */
export function formatPeriod(fromUs: number, toUs: number): string {
  const [from, to] = [calendarDate(fromUs), calendarDate(toUs)];
  const end = from === to ? clockTime(toUs) : `${to} ${clockTime(toUs)}`;
  return `${from} ${clockTime(fromUs)} → ${end} UTC`;
}

/** `1,204.30 EUR`: rounded here and nowhere else. */
export function formatMoney(value: number, currency = ''): string {
  return `${formatLittle(value, 2)}${THIN}${currency}`;
}

/** `8.7 kg`; little in g, much in t. */
export function formatGrams(grams: number): string {
  if (grams >= 1e6) return `${formatNumber(grams / 1e6)}${THIN}t`;
  return grams >= 100 ? `${formatNumber(grams / 1e3)}${THIN}kg` : `${formatNumber(grams)}${THIN}g`;
}
