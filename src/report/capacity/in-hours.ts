import { HOUR_US } from '../../core/base/hour.ts';
import type { CsvRow } from '../text/csv-lines.ts';

const KWH_JOULES = 3.6e6;

/** Columns that have another name than that of their unit. */
const NAMES: Readonly<Record<string, string>> = {
  attributed_us: 'gpu_hours',
  energy_best_joules: 'energy_kwh',
  energy_best_known_us: 'energy_known_hours',
  // RGU-hours are a column already: this is the GPU time that they are of.
  rgu_us: 'rgu_gpu_hours',
};
const UNITS = [
  { base: '_us', shown: '_hours', size: HOUR_US },
  { base: '_joules', shown: '_kwh', size: KWH_JOULES },
  { base: '_grams', shown: '_kg', size: 1000 },
] as const;

/** A row in base units, in those that people reckon in: hours, kWh, kg. Columns are named by them. */
export function inHours(row: CsvRow): CsvRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const unit = UNITS.find(({ base }) => name.endsWith(base));
      if (unit === undefined) return [name, value];
      const shown = NAMES[name] ?? `${name.slice(0, -unit.base.length)}${unit.shown}`;
      return [shown, typeof value === 'number' ? value / unit.size : value];
    }),
  );
}
