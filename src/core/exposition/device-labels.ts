import { isInstance, type Device } from '../devices/device.ts';
import { inventoryFactOf } from '../devices/inventory-facts.ts';
import type { Compat, ExpositionLabel } from './family.ts';

/** How series are named, beside what a counters file says. */
export interface LabelStyle {
  readonly compat: Compat;
  readonly hostname: string;
  /** `uuid` instead of `UUID`. */
  readonly isOldNamespace: boolean;
  /** `NVIDIA-H200` instead of `NVIDIA H200`. */
  readonly areBlanksReplaced: boolean;
  /** Leaves the host out. */
  readonly isHostless: boolean;
}

/**
 * The labels of a device in the order in which dcgm-exporter prints them: those of a MIG instance begin with its GPU's.
 * @param parent of an instance, where it is known
 */
export function deviceLabels(
  device: Device,
  parent: Device | undefined,
  { compat, hostname, isOldNamespace, areBlanksReplaced, isHostless }: LabelStyle,
): ExpositionLabel[] {
  const { uuid, index, pciBusId = '' } = device;
  const modelName = (parent ?? device).model;
  const labels: ExpositionLabel[] = [
    ['gpu', String(index)],
    [isOldNamespace ? 'uuid' : 'UUID', device.parentUuid ?? uuid],
    ['pci_bus_id', parent?.pciBusId ?? pciBusId],
    ['device', `nvidia${index}`],
    ['modelName', areBlanksReplaced ? modelName.trim().replace(/\s+/g, '-') : modelName],
  ];
  if (isInstance(device)) {
    const { migProfile = '', gpuInstanceId, computeInstanceId } = device;
    labels.push(['GPU_I_PROFILE', migProfile], ['GPU_I_ID', String(gpuInstanceId ?? '')]);
    if (compat !== '4.8.2' && computeInstanceId !== undefined)
      labels.push(['GPU_CI_ID', String(computeInstanceId)]);
  }
  if (!isHostless) labels.push([compat === '4.8.2' ? 'Hostname' : 'hostname', hostname]);
  return labels;
}

/** What a row of the type `label` says of a device; undefined where its source does not tell. */
export function labelValue(device: Device, fieldId: number): string | undefined {
  const value = inventoryFactOf(fieldId)?.of(device);
  return value === undefined ? undefined : String(value);
}
