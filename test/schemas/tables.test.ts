/** The DDL of the tables and rollups as text; `schema-apply.test.ts` runs it. */
import { describe, expect, test } from 'vitest';
import { FIELD_CATALOGUE } from '../../src/core/fields/field-catalogue.ts';
import { inventoryFactOf } from '../../src/core/devices/inventory-facts.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { allTables, createTableSql, quoteName, quoteText, sampleTable } from '../../schemas/tables.ts';
import { createViewSql, histogramsOf, seenRiseSql, viewsOf } from '../../schemas/views.ts';

const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '2 YEARS', rollup1d: '' };
const profiling = defaultLanes[0]!;
const device = defaultLanes[1]!;

function oneFieldLane(id: number, intervalMs = 1_000): (typeof defaultLanes)[number] {
  const fields = profiling.fields.filter((field) => field.id === id);
  return { ...profiling, name: 'one', table: 'gpu_one', intervalMs, fields };
}

describe('sample tables', () => {
  test('keep the order of the wire, with the time first, and have one row per device and time', () => {
    expect(createTableSql(sampleTable(oneFieldLane(155), RETENTION))).toBe(
      `CREATE TABLE IF NOT EXISTS "gpu_one" (
  "ts" TIMESTAMP,
  "cluster" SYMBOL,
  "node" SYMBOL,
  "gpu" SYMBOL,
  "job_id" VARCHAR,
  "owners" LONG,
  "owner_set" LONG,
  "dt_us" LONG,
  "power_watts" DOUBLE
) TIMESTAMP(ts) PARTITION BY DAY TTL 14 DAYS WAL
DEDUP UPSERT KEYS("ts", "gpu")`,
    );
  });

  test('have the rise of the energy exactly where the energy is', () => {
    const names = (lane: typeof profiling): string[] =>
      sampleTable(lane, RETENTION).columns.map(({ name }) => name);
    expect(names(profiling).slice(-2)).toEqual(['energy_rise_joules', 'energy_rise_dt_us']);
    expect(names(device)).not.toContain('energy_rise_joules');
  });

  test('of lanes below a second have a partition per hour', () => {
    expect(sampleTable(oneFieldLane(155, 100), RETENTION).partitionBy).toBe('HOUR');
    expect(sampleTable(oneFieldLane(155, 1_000), RETENTION).partitionBy).toBe('DAY');
  });

  test('are kept for ever without a retention', () => {
    expect(createTableSql(sampleTable(device, { raw: '' }))).not.toContain('TTL');
  });
});

describe('all tables', () => {
  test('have ts first, a key that begins with it, and no column twice', () => {
    for (const { columns, upsertKeys } of allTables(defaultLanes, RETENTION)) {
      const names = columns.map(({ name }) => name);
      expect(names[0]).toBe('ts');
      expect(upsertKeys[0]).toBe('ts');
      expect(new Set(names).size).toBe(names.length);
      expect(upsertKeys.every((key) => names.includes(key))).toBe(true);
    }
  });

  test('gpu_inventory has every column that people are sent to instead of a sampled one', () => {
    const inventory = allTables(defaultLanes, RETENTION).find(({ name }) => name === 'gpu_inventory')!;
    const named = FIELD_CATALOGUE.map(({ id }) => inventoryFactOf(id)?.column).filter(
      (name) => name !== undefined,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(inventory.columns.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
  });

  test('ownership and jobs are kept for ever', () => {
    const kept = allTables(defaultLanes, RETENTION).filter(({ ttl }) => ttl === undefined);
    expect(kept.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['gpu_ownership', 'jobs', 'gpu_inventory']),
    );
  });
});

describe('rollups', () => {
  test('a gauge keeps its sum over time, the time in which it was known, and its maximum', () => {
    const [minutes, hours, days] = viewsOf(oneFieldLane(155), RETENTION);
    expect(createViewSql(minutes)).toBe(
      `CREATE MATERIALIZED VIEW IF NOT EXISTS "gpu_one_1m" WITH BASE "gpu_one" REFRESH IMMEDIATE PERIOD(LENGTH 1m DELAY 15s) AS (
SELECT "ts", "cluster", "node", "gpu", "job_id", "owners", "owner_set", count() AS "row_count", sum("dt_us") AS "dt_us", sum(CASE WHEN "dt_us" > 0 THEN 1 ELSE 0 END) AS "step_count", min("ts") AS "first_ts", max("ts") AS "last_ts", first("dt_us") AS "first_dt_us", sum("power_watts" * "dt_us") AS "power_watts_dtsum", sum(CASE WHEN "power_watts" IS NOT NULL THEN "dt_us" END) AS "power_watts_dt", min("power_watts") AS "power_watts_min", max("power_watts") AS "power_watts_max" FROM "gpu_one" SAMPLE BY 1m
) PARTITION BY DAY TTL 90 DAYS`,
    );
    const sums =
      'sum("row_count") AS "row_count", sum("dt_us") AS "dt_us", sum("step_count") AS "step_count", min("first_ts") AS "first_ts", ' +
      'max("last_ts") AS "last_ts", first("first_dt_us") AS "first_dt_us", sum("power_watts_dtsum") AS "power_watts_dtsum", ' +
      'sum("power_watts_dt") AS "power_watts_dt", min("power_watts_min") AS "power_watts_min", max("power_watts_max") AS "power_watts_max"';
    expect(createViewSql(hours)).toContain(`${sums} FROM "gpu_one_1m" SAMPLE BY 1h`);
    expect(createViewSql(days)).toContain(`${sums} FROM "gpu_one_1h" SAMPLE BY 1d`);
  });

  test('the time in each bar of a gauge with percentiles is kept of owned devices', () => {
    const [histogram, ...others] = histogramsOf(oneFieldLane(155), RETENTION);
    expect(others).toEqual([]);
    expect(histogram!.views.map(createViewSql)).toEqual([
      `CREATE MATERIALIZED VIEW IF NOT EXISTS "gpu_one_power_watts_hist_1h" WITH BASE "gpu_one" REFRESH IMMEDIATE PERIOD(LENGTH 1h DELAY 60s) AS (
SELECT "ts", "gpu", "job_id", "owner_set", cast("power_watts" / 5 AS LONG) AS "bar", count() AS "row_count", sum("dt_us") AS "dt_us" FROM "gpu_one" WHERE "power_watts" IS NOT NULL AND "owners" > 0 SAMPLE BY 1h
) PARTITION BY MONTH TTL 2 YEARS`,
      `CREATE MATERIALIZED VIEW IF NOT EXISTS "gpu_one_power_watts_hist_1d" WITH BASE "gpu_one_power_watts_hist_1h" REFRESH IMMEDIATE PERIOD(LENGTH 1d DELAY 120s) AS (
SELECT "ts", "gpu", "job_id", "owner_set", "bar", sum("row_count") AS "row_count", sum("dt_us") AS "dt_us" FROM "gpu_one_power_watts_hist_1h" SAMPLE BY 1d
) PARTITION BY MONTH`,
    ]);
    expect(createViewSql(histogramsOf(oneFieldLane(1002), RETENTION)[0]!.views[0])).toContain(
      'cast("sm_active_ratio" * 100 AS LONG) AS "bar"',
    );
  });

  test('the energy counter keeps its rises, which an hour adds up', () => {
    const [minutes, hours] = viewsOf(oneFieldLane(156), RETENTION);
    expect(createViewSql(minutes)).toContain(
      'min("energy_joules") AS "energy_joules_min", max("energy_joules")',
    );
    const rises = [...createViewSql(minutes).matchAll(/sum\(([^,]+)\) AS "(energy_rise\w+)"/g)];
    expect(rises.map(([, of, name]) => [name, of])).toEqual([
      ['energy_rise_joules', seenRiseSql('').rise],
      ['energy_rise_dt_us', seenRiseSql('').riseDtUs],
    ]);
    expect(createViewSql(hours)).toContain('min("energy_joules_min") AS "energy_joules_min"');
    expect(createViewSql(hours)).toContain('sum("energy_rise_joules") AS "energy_rise_joules"');
  });

  test('idle time and the last active moment are kept by each limit, and coarser rollups have the latest moment', () => {
    const [minutes, hours, days] = viewsOf(oneFieldLane(1002), RETENTION).map(createViewSql);
    const idle = [...minutes!.matchAll(/, ([^,]+) AS "((?:idle|last_active)\w+)"/g)];
    const x = '"sm_active_ratio"';
    expect(idle.map(([, of, name]) => [name, of])).toEqual([
      ['idle_1pct_dt_us', `sum(CASE WHEN ${x} < 0.01 THEN "dt_us" WHEN ${x} IS NOT NULL THEN 0 END)`],
      ['last_active_1pct_ts', `max(CASE WHEN ${x} >= 0.01 THEN "ts" END)`],
      ['idle_2pct_dt_us', `sum(CASE WHEN ${x} < 0.02 THEN "dt_us" WHEN ${x} IS NOT NULL THEN 0 END)`],
      ['last_active_2pct_ts', `max(CASE WHEN ${x} >= 0.02 THEN "ts" END)`],
      ['idle_dt_us', `sum(CASE WHEN ${x} < 0.05 THEN "dt_us" END)`],
      ['last_active_ts', `max(CASE WHEN ${x} >= 0.05 THEN "ts" END)`],
      ['idle_10pct_dt_us', `sum(CASE WHEN ${x} < 0.1 THEN "dt_us" WHEN ${x} IS NOT NULL THEN 0 END)`],
      ['last_active_10pct_ts', `max(CASE WHEN ${x} >= 0.1 THEN "ts" END)`],
      ['idle_20pct_dt_us', `sum(CASE WHEN ${x} < 0.2 THEN "dt_us" WHEN ${x} IS NOT NULL THEN 0 END)`],
      ['last_active_20pct_ts', `max(CASE WHEN ${x} >= 0.2 THEN "ts" END)`],
    ]);
    for (const coarser of [hours, days])
      for (const [, , name = ''] of idle)
        expect(coarser).toContain(`${name.startsWith('idle') ? 'sum' : 'max'}("${name}") AS "${name}"`);
  });

  test.each([
    ['90 DAYS', 'DAY'],
    ['2 YEARS', 'MONTH'],
    ['6 MONTHS', 'MONTH'],
    ['52 WEEKS', 'DAY'],
  ])('a TTL of %s goes with partitions by %s', (ttl, partitionBy) => {
    expect(viewsOf(device, { ...RETENTION, rollup1h: ttl })[1].partitionBy).toBe(partitionBy);
  });
});

test('names and texts are quoted so that nothing in them ends the quotes', () => {
  expect(quoteName('a"b')).toBe('"a""b"');
  expect(quoteText("it's")).toBe("'it''s'");
});
