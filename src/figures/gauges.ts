import type { Lane } from '../core/fields/lane.ts';
import { GAUGE_FIELD_IDS } from '../core/fields/well-known.ts';
import type { DeviceTimes } from './levels.ts';
import type { Unit } from './quantity.ts';

/** The levels that reports show. The numeric DCGM field is the key; the column comes from the catalogue. */
export const GAUGES = {
  smActive: { fieldId: GAUGE_FIELD_IDS.smActive, unit: 'ratio' },
  tensorActive: { fieldId: GAUGE_FIELD_IDS.tensorActive, unit: 'ratio' },
  dramActive: { fieldId: GAUGE_FIELD_IDS.dramActive, unit: 'ratio' },
  engineActive: { fieldId: GAUGE_FIELD_IDS.engineActive, unit: 'ratio' },
  gpuUtil: { fieldId: GAUGE_FIELD_IDS.gpuUtil, unit: 'ratio' },
  power: { fieldId: GAUGE_FIELD_IDS.power, unit: 'watts' },
  memoryUsed: { fieldId: GAUGE_FIELD_IDS.memoryUsed, unit: 'bytes' },
  pcieSent: { fieldId: GAUGE_FIELD_IDS.pcieSent, unit: 'bytes_per_second' },
  pcieReceived: { fieldId: GAUGE_FIELD_IDS.pcieReceived, unit: 'bytes_per_second' },
  nvlinkSent: { fieldId: GAUGE_FIELD_IDS.nvlinkSent, unit: 'bytes_per_second' },
  nvlinkReceived: { fieldId: GAUGE_FIELD_IDS.nvlinkReceived, unit: 'bytes_per_second' },
} as const satisfies Readonly<Record<string, { fieldId: number; unit: Unit }>>;

export type GaugeKey = keyof typeof GAUGES;

/** In the order in which they are shown. */
export const GAUGE_KEYS = Object.keys(GAUGES) as readonly GaugeKey[];

/** Gauges whose median and 95th percentile are worth two more passes over the samples. */
export const GAUGES_WITH_PERCENTILES: readonly GaugeKey[] = [
  'smActive',
  'tensorActive',
  'dramActive',
  'power',
];

/** What a report reads from one lane's table. */
export interface LaneGauges {
  readonly lane: Lane;
  /** Gauge and its column, in the order of `GAUGES`. */
  readonly gauges: readonly (readonly [GaugeKey, string])[];
  /** True where the table has `energy_rise_joules`, and this lane's is to be summed. */
  readonly hasEnergy: boolean;
  /** Of which devices and when; of all and always where it is undefined. */
  readonly times?: DeviceTimes;
}
