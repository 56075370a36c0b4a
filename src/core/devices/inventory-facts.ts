import type { Device } from './device.ts';

/** What is known of a device at the start of a collector, and never sampled. */
interface InventoryFact {
  /** Column of `gpu_inventory`. */
  readonly column: string;
  /** The DCGM field that says the same, of the device or of its node. */
  readonly fieldId?: number;
  /** A column of words, or of whole numbers. */
  readonly kind: 'symbol' | 'long';
  /** Undefined where the source does not tell. */
  readonly of: (device: Device) => string | number | undefined;
}

/** In the order in which a row is written: words before numbers. */
// prettier-ignore
export const INVENTORY_FACTS: readonly InventoryFact[] = [
  { column: 'cluster', kind: 'symbol', of: ({ cluster }) => cluster },
  { column: 'node', kind: 'symbol', of: ({ node }) => node },
  { column: 'gpu', fieldId: 54, kind: 'symbol', of: ({ uuid }) => uuid },
  { column: 'model', fieldId: 50, kind: 'symbol', of: ({ model }) => model },
  { column: 'parent', kind: 'symbol', of: ({ parentUuid }) => parentUuid },
  { column: 'mig_profile', kind: 'symbol', of: ({ migProfile }) => migProfile },
  { column: 'pci_bus_id', fieldId: 57, kind: 'symbol', of: ({ pciBusId }) => pciBusId },
  { column: 'driver', fieldId: 1, kind: 'symbol', of: ({ driver }) => driver },
  { column: 'serial', fieldId: 53, kind: 'symbol', of: ({ facts }) => facts?.serial },
  { column: 'brand', fieldId: 51, kind: 'symbol', of: ({ facts }) => facts?.brand },
  { column: 'vbios_version', fieldId: 85, kind: 'symbol', of: ({ facts }) => facts?.vbiosVersion },
  { column: 'inforom_image_version', fieldId: 82, kind: 'symbol', of: ({ facts }) => facts?.inforomImageVersion },
  { column: 'inforom_oem_version', fieldId: 56, kind: 'symbol', of: ({ facts }) => facts?.inforomOemVersion },
  { column: 'inforom_ecc_version', fieldId: 80, kind: 'symbol', of: ({ facts }) => facts?.inforomEccVersion },
  { column: 'inforom_power_version', fieldId: 81, kind: 'symbol', of: ({ facts }) => facts?.inforomPowerVersion },
  { column: 'nvml_version', fieldId: 2, kind: 'symbol', of: ({ facts }) => facts?.nvmlVersion },
  { column: 'process_name', fieldId: 3, kind: 'symbol', of: ({ facts }) => facts?.processName },
  { column: 'gpu_index', fieldId: 52, kind: 'long', of: ({ index }) => index },
  { column: 'minor', fieldId: 55, kind: 'long', of: ({ minor }) => minor },
  { column: 'gpu_instance', kind: 'long', of: ({ gpuInstanceId }) => gpuInstanceId },
  { column: 'compute_instance', kind: 'long', of: ({ computeInstanceId }) => computeInstanceId },
  { column: 'memory_bytes', fieldId: 250, kind: 'long', of: ({ memoryBytes }) => memoryBytes },
];

/** The fact that this field says; undefined when none does. */
export function inventoryFactOf(fieldId: number): InventoryFact | undefined {
  return INVENTORY_FACTS.find((fact) => fact.fieldId === fieldId);
}
