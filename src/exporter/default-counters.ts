import type { Counters } from '../../schemas/counters-csv.ts';
import { assert } from '../core/base/assert.ts';
import { findFieldByDcgmName } from '../core/fields/find-field.ts';
import { laneFieldProblem } from '../core/fields/lane.ts';

/** The rows of the counters file that dcgm-exporter comes with, for a node on which there is none. Only NVLink's differs in type. */
// prettier-ignore
const ROWS: readonly (readonly [name: string, type: string])[] = [
  ['DCGM_FI_DEV_SM_CLOCK', 'gauge'], ['DCGM_FI_DEV_MEM_CLOCK', 'gauge'],
  ['DCGM_FI_DEV_MEMORY_TEMP', 'gauge'], ['DCGM_FI_DEV_GPU_TEMP', 'gauge'],
  ['DCGM_FI_DEV_POWER_USAGE', 'gauge'], ['DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 'counter'],
  ['DCGM_FI_DEV_PCIE_REPLAY_COUNTER', 'counter'],
  ['DCGM_FI_DEV_GPU_UTIL', 'gauge'], ['DCGM_FI_DEV_MEM_COPY_UTIL', 'gauge'],
  ['DCGM_FI_DEV_ENC_UTIL', 'gauge'], ['DCGM_FI_DEV_DEC_UTIL', 'gauge'],
  ['DCGM_FI_DEV_XID_ERRORS', 'gauge'],
  ['DCGM_FI_DEV_FB_FREE', 'gauge'], ['DCGM_FI_DEV_FB_USED', 'gauge'], ['DCGM_FI_DEV_FB_RESERVED', 'gauge'],
  ['DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL', 'gauge'],
  ['DCGM_FI_DEV_VGPU_LICENSE_STATUS', 'gauge'],
  ['DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS', 'counter'], ['DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS', 'counter'],
  ['DCGM_FI_DEV_ROW_REMAP_FAILURE', 'gauge'],
  ['DCGM_FI_DRIVER_VERSION', 'label'],
  ['DCGM_FI_PROF_GR_ENGINE_ACTIVE', 'gauge'], ['DCGM_FI_PROF_PIPE_TENSOR_ACTIVE', 'gauge'],
  ['DCGM_FI_PROF_DRAM_ACTIVE', 'gauge'],
  ['DCGM_FI_PROF_PCIE_TX_BYTES', 'gauge'], ['DCGM_FI_PROF_PCIE_RX_BYTES', 'gauge'],
];

export function defaultCounters(): Counters {
  const rows = ROWS.map(([name, type], index) => {
    const field = findFieldByDcgmName(name);
    assert(field !== undefined, `${name} is a field`);
    return { line: index + 1, name, type, help: field.help, field };
  });
  const fields = rows
    .filter(({ type, field }) => type !== 'label' && laneFieldProblem(field) === undefined)
    .map(({ field }) => field);
  return { rows, fields, warnings: [] };
}
