import { findField } from '../../src/core/fields/find-field.ts';
import type { SampledLane } from '../../src/core/sampling/source.ts';

export function laneOf(index: number, name: string, intervalMs: number, ids: readonly number[]): SampledLane {
  const fields = ids.map((id) => {
    const field = findField(id);
    if (field === undefined) throw new Error(`no field ${id}`);
    return field;
  });
  return { index, name, intervalMs, fields };
}

/** The 12 profiling fields and 28 device fields of the measurements in docs/sources.md. */
// prettier-ignore
export const FORTY_FIELDS = [
  1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012,
  155, 156, 157, 100, 101, 102, 150, 140, 190, 203, 204, 206, 207, 250, 251, 252, 253, 254,
  160, 164, 202, 235, 236, 237, 238, 240, 241, 243,
];
