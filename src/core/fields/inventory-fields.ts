/** Facts about a device or its node that DCGM has as fields: number → column of `gpu_inventory`, a row for each start. */
const COLUMN_BY_FIELD_ID: ReadonlyMap<number, string> = new Map([
  [1, 'driver'],
  [2, 'nvml_version'],
  [3, 'process_name'],
  [50, 'model'],
  [51, 'brand'],
  [52, 'gpu_index'],
  [53, 'serial'],
  [54, 'gpu'],
  [55, 'minor'],
  [56, 'inforom_oem_version'],
  [57, 'pci_bus_id'],
  [80, 'inforom_ecc_version'],
  [81, 'inforom_power_version'],
  [82, 'inforom_image_version'],
  [85, 'vbios_version'],
  [250, 'memory_bytes'],
]);

/** The column of `gpu_inventory` that holds what this field says; undefined when none does. */
export function inventoryColumnOf(fieldId: number): string | undefined {
  return COLUMN_BY_FIELD_ID.get(fieldId);
}
