import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { nearestFieldNames } from '../../../schemas/nearest.ts';
import { FIELD_CATALOGUE } from '../../../src/core/fields/field-catalogue.ts';
import { findField, findFieldByDcgmName } from '../../../src/core/fields/find-field.ts';
import { defaultLanes, energyColumnOf, laneFieldProblem } from '../../../src/core/fields/lane.ts';
import { RING_DEFAULT_SPAN_MS, RING_DEFAULT_TICKS_MIN } from '../../../src/core/fields/limits.ts';

/** Columns that every sample table has besides its fields. */
const FIXED_COLUMNS = [
  'ts',
  'node',
  'gpu',
  'job_id',
  'owners',
  'dt_us',
  'energy_rise_joules',
  'energy_rise_dt_us',
];

function field(nameOrId: string | number) {
  const found = findField(nameOrId);
  if (found === undefined) throw new Error(`no field ${nameOrId}`);
  return found;
}

describe('the catalogue', () => {
  test('is what the generator makes of the data', () => {
    const check = (): string =>
      execFileSync(process.execPath, ['scripts/generate-fields.ts', '--check'], { encoding: 'utf8' });
    expect(check).not.toThrow();
  });

  test('has all fields, each id once', () => {
    const ids = FIELD_CATALOGUE.flatMap(({ id, baseUnitId }) => [
      id,
      ...(baseUnitId === undefined ? [] : [baseUnitId]),
    ]);
    expect(ids).toHaveLength(694);
    expect(new Set(ids).size).toBe(694);
    expect(ids.filter((id) => id >= 1600).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 51 }, (_, index) => 1600 + index),
    );
  });

  test('has a column of its own for every field, apart from the columns that every table has', () => {
    const columns = FIELD_CATALOGUE.map(({ column }) => column);
    expect(new Set([...columns, ...FIXED_COLUMNS]).size).toBe(columns.length + FIXED_COLUMNS.length);
    for (const column of columns) expect(column).toMatch(/^[a-z][a-z0-9_]*$/);
  });

  test('resolves every spelling to its own field', () => {
    for (const one of FIELD_CATALOGUE) {
      for (const key of [one.id, String(one.id), one.name, ...one.aliases, one.column]) {
        expect(findField(key), `${key}`).toBe(one);
      }
    }
  });

  test.each([
    [156, 'energy_joules', 'joules', 0.001, 'counter'],
    [252, 'fb_used_bytes', 'bytes', 1_048_576, 'gauge'],
    [100, 'sm_clock_hertz', 'hertz', 1e6, 'gauge'],
    [203, 'gpu_util_ratio', 'ratio', 0.01, 'gauge'],
    [150, 'gpu_temp_celsius', 'celsius', 1, 'gauge'],
    [155, 'power_watts', 'watts', 1, 'gauge'],
    [112, 'throttle_reasons_mask', 'mask', 1, 'state'],
    [240, 'power_violation_seconds', 'seconds', 1e-9, 'counter'],
    [449, 'nvlink_bandwidth_bytes_per_second', 'bytes_per_second', 1_024_000, 'gauge'],
    [1002, 'sm_active_ratio', 'ratio', 1, 'gauge'],
    [1009, 'pcie_tx_bytes_per_second', 'bytes_per_second', 1, 'gauge'],
    [1080, 'hostmem_cache_hit_ratio', 'ratio', 0.01, 'gauge'],
    [1040, 'nvlink_l0_tx_bytes_per_second', 'bytes_per_second', 1, 'gauge'],
    [1091, 'pcie_tx_bytes_total', 'bytes', 1, 'counter'],
    [1120, 'cpu_clock_current_hertz', 'hertz', 1_000, 'gauge'],
    [400, 'nvlink_crc_flit_error_count_l0', 'count', 1, 'counter'],
  ])('field %i is the column %s in %s', (id, column, unit, scale, kind) => {
    expect(field(id)).toMatchObject({ column, unit, scale, kind });
  });

  test('every column of a measured quantity ends in its unit', () => {
    for (const { column, unit, isCurated, id } of FIELD_CATALOGUE) {
      if (['count', 'code', 'lanes', 'mask'].includes(unit)) continue;
      const word = isCurated ? new RegExp(`_${unit}$`) : new RegExp(`(^|_)${unit}(_|$)`);
      expect(column, `field ${id}`).toMatch(word);
    }
  });

  test('marks the profiling fields', () => {
    const profiling = FIELD_CATALOGUE.filter(({ isProfiling }) => isProfiling).map(({ id }) => id);
    expect(profiling.every((id) => (id > 1000 && id < 1100) || id === 1532 || id === 1533)).toBe(true);
    expect(profiling).toHaveLength(FIELD_CATALOGUE.filter(({ name }) => name.includes('_PROF_')).length);
  });

  test('knows the names of all generations', () => {
    expect(field('DCGM_FI_PROF_SM_UTIL_RATIO').id).toBe(1002);
    expect(field('DCGM_FI_DEV_CLOCK_THROTTLE_REASONS').id).toBe(112);
    expect(field('dcgm_gpu_utilization').id).toBe(203);
    expect(findField('DCGM_FI_PROF_SM_ACTIV')).toBeUndefined();
    expect(findField('dcgm_fi_dev_gpu_temp')).toBeUndefined();
  });

  test.each([
    [1600, 'DCGM_FI_DEV_BAR1_CAPACITY_BYTES', 90, 'bar1_total_bytes', 1_048_576],
    [1603, 'DCGM_FI_DEV_SM_CLOCK_HERTZ', 100, 'sm_clock_hertz', 1e6],
    [1611, 'DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL', 156, 'energy_joules', 1e-3],
    [1612, 'DCGM_FI_DEV_FAN_SPEED_RATIO', 191, 'fan_speed_ratio', 1e-2],
    // Up to 4.6 the name was that of 203.
    [1613, 'DCGM_FI_DEV_GPU_UTIL_RATIO', 203, 'gpu_util_ratio', 1e-2],
    [1617, 'DCGM_FI_DEV_GPU_POWER_THROTTLE_SECONDS_TOTAL', 240, 'power_violation_seconds', 1e-9],
    [1627, 'DCGM_FI_DEV_FB_USED_BYTES', 252, 'fb_used_bytes', 1_048_576],
    [
      1642,
      'DCGM_FI_DEV_NVLINK_THROUGHPUT_L12_BYTES_PER_SECOND',
      446,
      'nvlink_bandwidth_l12_bytes_per_second',
      1_024_000,
    ],
    [
      1648,
      'DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND',
      449,
      'nvlink_bandwidth_bytes_per_second',
      1_024_000,
    ],
  ])('%i, %s, is field %i in base units', (baseUnitId, name, id, column, scale) => {
    expect(field(baseUnitId)).toMatchObject({ id, column, scale });
    expect(field(name)).toBe(field(id));
    expect(findFieldByDcgmName(name)).toBe(field(id));
  });

  test('looks a DCGM name up without ids and columns', () => {
    expect(findFieldByDcgmName('DCGM_FI_DEV_SM_CLOCK')?.id).toBe(100);
    expect(findFieldByDcgmName('100')).toBeUndefined();
    expect(findFieldByDcgmName('sm_clock_hertz')).toBeUndefined();
  });

  test.each([
    ['DCGM_FI_PROF_SM_ACTIV', 'DCGM_FI_PROF_SM_ACTIVE'],
    ['GPU_TEMP', 'DCGM_FI_DEV_GPU_TEMP'],
    ['sm_active', 'sm_active_ratio'],
    ['power_wats', 'power_watts'],
  ])('%s was meant to be %s', (written, meant) => {
    expect(nearestFieldNames(written)[0]).toBe(meant);
  });

  test('suggests nothing for what is near to nothing', () => {
    expect(nearestFieldNames('zzzzzzzzzzzzzzzz')).toEqual([]);
  });
});

describe('fields that cannot be columns', () => {
  test.each([
    [1, 'it is a string, and a column is a number; it is the column driver of gpu_inventory'],
    [172, 'it is a string, and a column is a number'],
    [60, 'it is a blob, and a column is a number'],
    [1649, 'it belongs to a vgpu, and a lane records GPUs'],
    [1650, 'nothing is known of field 1650 but its number'],
    [1100, 'it belongs to a cpu core, and a lane records GPUs'],
    [856, 'it belongs to a switch, and a lane records GPUs'],
    [6, 'it belongs to the whole node, and a lane records GPUs'],
  ])('field %i: %s', (id, reason) => {
    expect(laneFieldProblem(field(id))).toBe(reason);
  });

  test.each([150, 230, 1001, 1005, 4, 5, 526])('field %i can', (id) => {
    expect(laneFieldProblem(field(id))).toBeUndefined();
  });
});

describe('the default lanes', () => {
  test('hold each field once and remember ten minutes or more', () => {
    const ids = defaultLanes.flatMap((lane) => lane.fields.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    for (const { capacityTicks, intervalMs } of defaultLanes) {
      expect(capacityTicks).toBeGreaterThanOrEqual(RING_DEFAULT_TICKS_MIN);
      expect(capacityTicks * intervalMs).toBeGreaterThanOrEqual(RING_DEFAULT_SPAN_MS);
    }
  });

  test('account for energy in the profiling lane, and there only', () => {
    expect(defaultLanes.map((lane) => energyColumnOf(lane) >= 0)).toEqual([true, false, false]);
    expect(defaultLanes.map(({ table }) => table)).toEqual(['gpu_profiling', 'gpu_device', 'gpu_slow']);
  });
});
