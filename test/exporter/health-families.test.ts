/** Goal: Prometheus is told of the collector what its account says, and nothing that is not known. Method: accounts by hand, the whole text beside them. */
import { expect, test } from 'vitest';
import { renderExposition } from '../../src/core/exposition/render.ts';
import type { LaneAccount } from '../../src/delivery/lane-accounts.ts';
import { healthFamilies } from '../../src/exporter/health-families.ts';

const fine: LaneAccount = {
  lane: 'fast',
  table: 'gpu_fast',
  intervalMs: 1_000,
  ringFillRatio: 0.25,
  sampledRows: 1_000_100,
  acknowledgedRows: 1_000_000,
  heldRows: 60,
  spooledRows: 30,
  refusedRows: 7,
  droppedRows: 3,
  spoolBytes: 4096,
  batches: 12,
  failedBatches: 1,
  sentBytes: 5,
  lastAcknowledgedMs: 9,
  lastSendMs: 125,
  sendMsMean: 1,
  sendMsMax: 2,
};
const account: LaneAccount = { ...fine, spoolOldestMs: 40_000, problem: 'the table is suspended' };

const linesOf = (lanes: readonly LaneAccount[]): string[] =>
  renderExposition(
    healthFamilies({
      ...{ version: '1.2.3', lanes, lateTicks: [['fast', 4]], nowMs: 100_500 },
      sampling: { callMs: 1500, calls: 12_000, callsMs: 30_250, clockSteps: 2 },
    }),
    '4.8.4',
  )
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('#'));

const NODE = [
  'gpuledger_build_info{version="1.2.3"} 1',
  'gpuledger_clock_steps_total 2',
  'gpuledger_source_call_seconds 1.5',
  'gpuledger_source_calls_seconds_total 30.25',
  'gpuledger_source_calls_total 12000',
  'gpuledger_ticks_late_total{lane="fast"} 4',
];

test('of a lane that has a store', () => {
  const lane = 'lane="fast",table="gpu_fast"';
  expect(linesOf([account])).toEqual(
    [
      ...NODE,
      `gpuledger_ring_fill_ratio{${lane}} 0.25`,
      `gpuledger_rows_sampled_total{${lane}} 1.0001e+06`,
      `gpuledger_rows_total{${lane},fate="acknowledged"} 1e+06`,
      `gpuledger_rows_total{${lane},fate="dropped"} 3`,
      `gpuledger_rows_total{${lane},fate="refused"} 7`,
      `gpuledger_rows_waiting{${lane},place="memory"} 60`,
      `gpuledger_rows_waiting{${lane},place="spool"} 30`,
      `gpuledger_spool_age_seconds{${lane}} 60.5`,
      `gpuledger_spool_bytes{${lane}} 4096`,
      `gpuledger_store_batches_failed_total{${lane}} 1`,
      `gpuledger_store_batches_total{${lane}} 12`,
      `gpuledger_store_last_send_seconds{${lane}} 0.125`,
      `gpuledger_table_held{${lane}} 1`,
    ].sort(),
  );
});

test('an empty spool has no age, a store that was never sent to no time, and a clock that was set back no negative age', () => {
  const lines = linesOf([{ ...fine, batches: 0, failedBatches: 0 }]);
  expect(lines.filter((line) => /age|last_send/.test(line))).toEqual([]);
  expect(lines).toContain('gpuledger_table_held{lane="fast",table="gpu_fast"} 0');
  const later = linesOf([{ ...fine, spoolOldestMs: 200_000 }]);
  expect(later).toContain('gpuledger_spool_age_seconds{lane="fast",table="gpu_fast"} 0');
});

test('of sampling that nobody records', () => {
  expect(linesOf([])).toEqual(NODE);
});
