import { ENERGY_FIELD_ID, type Lane } from '../core/lane.ts';

/** The levels that a report knows how to show. The numeric DCGM field is the key; the column comes from the catalogue. */
export const GAUGES = {
  smActive: { fieldId: 1002, label: 'SM active', unit: 'ratio' },
  tensorActive: { fieldId: 1004, label: 'tensor active', unit: 'ratio' },
  dramActive: { fieldId: 1005, label: 'DRAM active', unit: 'ratio' },
  engineActive: { fieldId: 1001, label: 'engine active', unit: 'ratio' },
  gpuUtil: { fieldId: 203, label: 'any kernel ran', unit: 'ratio' },
  power: { fieldId: 155, label: 'power', unit: 'watts' },
  memoryUsed: { fieldId: 252, label: 'memory', unit: 'bytes' },
  pcieSent: { fieldId: 1009, label: 'PCIe sent', unit: 'bytes_per_second' },
  pcieReceived: { fieldId: 1010, label: 'PCIe received', unit: 'bytes_per_second' },
  nvlinkSent: { fieldId: 1011, label: 'NVLink sent', unit: 'bytes_per_second' },
  nvlinkReceived: { fieldId: 1012, label: 'NVLink received', unit: 'bytes_per_second' },
} as const;

export type GaugeKey = keyof typeof GAUGES;

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
  /** True where the table has `energy_rise_joules`, and this lane's is the one to sum. */
  readonly hasEnergy: boolean;
}

/**
 * Which gauge is read from which lane: of the lanes that hold it, the one with the shortest interval. The first lane of
 * the answer is the one whose samples decide coverage: it holds most gauges.
 */
export function gaugesByLane(lanes: readonly Lane[]): LaneGauges[] {
  const byInterval = [...lanes].sort((a, b) => a.intervalMs - b.intervalMs);
  const energyLane = byInterval.find((lane) => lane.fields.some((field) => field.id === ENERGY_FIELD_ID));
  const taken = new Map<Lane, [GaugeKey, string][]>();
  for (const key of Object.keys(GAUGES) as GaugeKey[]) {
    for (const lane of byInterval) {
      const field = lane.fields.find((candidate) => candidate.id === GAUGES[key].fieldId);
      if (field === undefined) continue;
      taken.set(lane, [...(taken.get(lane) ?? []), [key, field.column]]);
      break;
    }
  }
  if (energyLane !== undefined && !taken.has(energyLane)) taken.set(energyLane, []);
  return [...taken]
    .map(([lane, gauges]) => ({ lane, gauges, hasEnergy: lane === energyLane }))
    .sort((a, b) => b.gauges.length - a.gauges.length);
}
