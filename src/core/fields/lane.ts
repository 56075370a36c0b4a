import { assert } from '../base/assert.ts';
import { inventoryFactOf } from '../devices/inventory-facts.ts';
import { FIELD_CATALOGUE } from './field-catalogue.ts';
import type { Field } from './field.ts';
import { findField } from './find-field.ts';
import { defaultCapacityTicks } from './limits.ts';
import { ENERGY_FIELD_ID } from './well-known.ts';

/** One collection job: which fields are sampled how often, into which ring and which table. */
export interface Lane {
  /** Lower-case letters, digits and underscores, beginning with a letter. */
  readonly name: string;
  /** `gpu_<name>`. */
  readonly table: string;
  /** `continuous` (its own ticker), or a cron line with six fields, seconds first. */
  readonly schedule: string;
  /** Time between two ticks; of a cron line, the smallest. */
  readonly intervalMs: number;
  /** Columns of the table and of the ring, in this order, without repeats. */
  readonly fields: readonly Field[];
  /** Ticks that the ring holds. */
  readonly capacityTicks: number;
}

export function tableOf(laneName: string): string {
  return `gpu_${laneName}`;
}

/** Position of the cumulative energy among the lane's fields, or -1. */
export function energyColumnOf(lane: Pick<Lane, 'fields'>): number {
  return lane.fields.findIndex((field) => field.id === ENERGY_FIELD_ID);
}

const INSTANCE_ENTITIES: readonly string[] = ['gpu_instance', 'compute_instance'];
const GPU_ENTITIES: readonly string[] = ['gpu', ...INSTANCE_ENTITIES];

/**
 * Whether a MIG instance has this field. What only whole GPUs have is NULL for an instance whatever a library answers:
 * asked of an instance, DCGM and NVML answer some of it with the parent's value.
 */
export function isOfInstances({ entity }: Field): boolean {
  return INSTANCE_ENTITIES.includes(entity);
}

/**
 * What an engine answers of a GPU although it is of the node, or of the guest that a virtual GPU is in: how many GPUs there are, the
 * version of CUDA, the license. dcgm-exporter asks GPUs for them.
 */
const ANSWERED_OF_GPUS: readonly number[] = [4, 5, 526];

/** Why a field cannot be a column of a lane, and where else its value is; undefined when it can. */
export function laneFieldProblem(field: Field): string | undefined {
  if (field.type === 'unknown') return `nothing is known of field ${field.id} but its number`;
  if (field.type !== 'double' && field.type !== 'int64') {
    const kept = inventoryFactOf(field.id)?.column;
    const where = kept === undefined ? '' : `; it is the column ${kept} of gpu_inventory`;
    return `it is a ${field.type}, and a column is a number${where}`;
  }
  if (!GPU_ENTITIES.includes(field.entity) && !ANSWERED_OF_GPUS.includes(field.id)) {
    const owner = field.entity === 'none' ? 'the whole node' : `a ${field.entity.replace('_', ' ')}`;
    return `it belongs to ${owner}, and a lane records GPUs`;
  }
  return undefined;
}

/** DCGM lists these and never has a value for them, and NVML's call waits 20 ms; dcgm-exporter 4.8.3 and newer refuse them. */
const FIELD_INSTEAD: Readonly<Record<number, string>> = {
  200: 'DCGM_FI_PROF_PCIE_TX_BYTES',
  201: 'DCGM_FI_PROF_PCIE_RX_BYTES',
};

/** The field that says the same as one that no source has a value for; undefined for the others. */
export function fieldInstead(fieldId: number): string | undefined {
  return FIELD_INSTEAD[fieldId];
}

/** What may be offered to somebody who misspelt a lane's field. */
export function recordableFields(): readonly Field[] {
  return FIELD_CATALOGUE.filter(
    (field) => laneFieldProblem(field) === undefined && fieldInstead(field.id) === undefined,
  );
}

// prettier-ignore
const PROFILING_FIELD_IDS = [
  1001, 1002, 1003, 1004, 1005, // engine, SM, occupancy, tensor, DRAM
  1006, 1007, 1008, // FP64, FP32, FP16
  1009, 1010, 1011, 1012, // PCIe and NVLink, bytes per second
  155, 156, 100, 101, 252, 203, // power, energy, SM and memory clock, memory used, GPU utilisation
];

// prettier-ignore
const DEVICE_FIELD_IDS = [
  150, 140, // temperatures of GPU and memory
  102, 190, 112, 164, // video clock, P-state, throttle reasons, power limit in force
  204, 206, 207, // utilisation of memory copy, encoder, decoder
  251, 253, // memory free and reserved
  202, 230, // PCIe replays, last XID
];

// prettier-ignore
const SLOW_FIELD_IDS = [
  310, 311, 312, 313, // ECC
  390, 391, 392, 393, 394, 395, 396, // retired pages, remapped rows
  240, 241, 242, 243, 244, 245, 246, 247, // violations
  409, 419, 429, 439, // NVLink errors
  1501, // PCIe correctable errors
];

function fieldsOf(ids: readonly number[]): readonly Field[] {
  return ids.map((id) => {
    const field = findField(id);
    assert(
      field !== undefined && laneFieldProblem(field) === undefined,
      `field ${id} cannot be in a default lane`,
    );
    return field;
  });
}

function laneOf(name: string, schedule: string, intervalMs: number, ids: readonly number[]): Lane {
  const capacityTicks = defaultCapacityTicks(intervalMs);
  return { name, table: tableOf(name), schedule, intervalMs, fields: fieldsOf(ids), capacityTicks };
}

/** The lanes of a configuration that names none: what an account needs every second, the rest as often as it changes. */
export const defaultLanes: readonly Lane[] = [
  laneOf('profiling', 'continuous', 1_000, PROFILING_FIELD_IDS),
  laneOf('device', '*/10 * * * * *', 10_000, DEVICE_FIELD_IDS),
  laneOf('slow', '0 * * * * *', 60_000, SLOW_FIELD_IDS),
];
