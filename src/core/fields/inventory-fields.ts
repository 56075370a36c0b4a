/** Facts about a device or its node that DCGM has as fields: number → column of `gpu_inventory`, a row for each start. */
const COLUMN_BY_FIELD_ID: ReadonlyMap<number, string> = new Map([
  [1, 'driver'],
  [50, 'model'],
  [52, 'gpu_index'],
  [54, 'gpu'],
  [57, 'pci_bus_id'],
  [250, 'memory_bytes'],
]);

/** The column of `gpu_inventory` that holds what this field says; undefined when none does. */
export function inventoryColumnOf(fieldId: number): string | undefined {
  return COLUMN_BY_FIELD_ID.get(fieldId);
}
