import { WHOLE_SLICES } from '../../src/core/devices/mig-slices.ts';
import { IDLE_SM_RATIO } from '../../src/core/fields/well-known.ts';
import { isCountedSql } from '../../src/figures/quantity.ts';
import {
  counterSummands,
  gaugeSummands,
  idleSummands,
  TIME,
  type Summand,
} from '../../src/figures/summands.ts';

/** What panels add up: by the same expressions as the reports. */

const ACTIVITY: readonly Summand[] = gaugeSummands('sm', 'sm_active_ratio');
const IDLE = idleSummands('sm_active_ratio', IDLE_SM_RATIO).idle;
const POWER: readonly Summand[] = gaugeSummands('power', 'power_watts');

/** `dt_us`, `sm_sum`, `sm_us`, `idle5_us`, `power_sum`, `power_us`, `counter_joules`, `counter_us`. */
export const AMOUNTS: readonly Summand[] = [TIME, ...ACTIVITY, IDLE, ...POWER, ...counterSummands()];

/** Joules of one job on one device: the counter's where that counts, else the integral of power. */
export const BEST_JOULES =
  `CASE WHEN ${isCountedSql({ joules: 'counter_joules', us: 'counter_us', power: 'power_sum' })} THEN counter_joules` +
  ` WHEN power_us > 0 THEN power_sum / 1e6 END`;

/** Smallest and largest value of a step. */
export function extremes(prefix: string, column: string): readonly Summand[] {
  return [
    { name: `${prefix}_min`, rollup: `${column}_min`, raw: `s.${column}` },
    { name: `${prefix}_max`, rollup: `${column}_max`, raw: `s.${column}` },
  ];
}

/** Of the whole GPU, by the words of its model's name. */
const WHOLE = WHOLE_SLICES.map(([words, slices]) => `WHEN model ~ '${words.source}' THEN ${slices}`).join(
  ' ',
);

/**
 * `gpu`, `label`, `size`: the part of a GPU that a device is by compute slices, 1 of a GPU, NULL of an instance of which that is not
 * known. As the inventory last said.
 */
export const DEVICES = `SELECT gpu, parent, CASE WHEN parent IS NULL THEN 1.0
      WHEN slices <= CASE ${WHOLE} END THEN slices * 1.0 / CASE ${WHOLE} END END AS size,
    CASE WHEN gpu_index IS NULL THEN concat(node, ' ', gpu) WHEN parent IS NULL THEN concat(node, ':', gpu_index)
      ELSE concat(node, ':', gpu_index, ' ', mig_profile, ' ', substring(gpu, 5, 8)) END AS label
  FROM (
    SELECT node, gpu, parent, gpu_index, model, mig_profile,
      cast(substring(mig_profile, strpos(mig_profile, 'g') - 1, 1) AS INT) AS slices
    FROM gpu_inventory WHERE ts <= @to LATEST ON ts PARTITION BY gpu
  )`;

/** The newest row of `jobs` that tells, of each id. */
export function named(columns: readonly string[]): string {
  return `SELECT job_id, ${columns.join(', ')} FROM (SELECT ts, job_id, ${columns.join(', ')} FROM jobs WHERE ts < @to LATEST ON ts PARTITION BY job_id)`;
}

/** Rows of the chosen cluster, or of all. */
export const inCluster = (row: string): string => `(@cluster = '' OR ${row}cluster = @cluster)`;
