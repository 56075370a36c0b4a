import type { Family, Series } from '../core/exposition/family.ts';
import { shortestNumber } from '../core/exposition/sample-number.ts';
import type { LaneAccount } from '../delivery/lane-accounts.ts';

/** How a collector is, now. Counts are those of its account, over all lives of the state directory. */
export interface CollectorHealth {
  readonly version: string;
  /** Empty where nothing is recorded. */
  readonly lanes: readonly LaneAccount[];
  /** Of each sampled lane: ticks that were skipped in this life, since the one before them came late. */
  readonly lateTicks: readonly (readonly [lane: string, ticks: number])[];
  readonly sampling: SamplingHealth;
  /** Epoch ms. */
  readonly nowMs: number;
}

/** Of the sampling thread in this life, as `SamplerControl` counts it. */
interface SamplingHealth {
  /** How long the source has been inside one call; 0 when it is in none. */
  readonly callMs: number;
  /** Calls of the source that have ended, and what they took together. */
  readonly calls: number;
  readonly callsMs: number;
  /** How often the wall clock was set. */
  readonly clockSteps: number;
}

type LabelledNumber = readonly [value: number, labels?: Readonly<Record<string, string>>];

/** What Prometheus is told of the collector itself: `gpuledger_…`. What is not known, such as the age of an empty spool, is left out. */
export function healthFamilies(health: CollectorHealth): Family[] {
  const { version, lanes, nowMs } = health;
  const ofLanes = (numberOf: (lane: LaneAccount) => number | undefined): LabelledNumber[] =>
    lanes.flatMap((each) => {
      const value = numberOf(each);
      return value === undefined ? [] : [[value, { lane: each.lane, table: each.table }] as const];
    });
  const ofRows = (
    counts: (lane: LaneAccount) => Readonly<Record<string, number>>,
    label: string,
  ): LabelledNumber[] =>
    lanes.flatMap((each) =>
      Object.entries(counts(each)).map(
        ([name, rows]) => [rows, { lane: each.lane, table: each.table, [label]: name }] as const,
      ),
    );
  return [
    family('gpuledger_build_info', 'gauge', 'The version that runs.', [[1, { version }]]),
    family(
      'gpuledger_rows_sampled_total',
      'counter',
      'Rows that were sampled.',
      ofLanes(({ sampledRows }) => sampledRows),
    ),
    family(
      'gpuledger_rows_total',
      'counter',
      'What became of sampled rows: the store has them, it refused them, or they were lost.',
      ofRows(
        ({ acknowledgedRows, refusedRows, droppedRows }) => ({
          acknowledged: acknowledgedRows,
          refused: refusedRows,
          dropped: droppedRows,
        }),
        'fate',
      ),
    ),
    family(
      'gpuledger_rows_waiting',
      'gauge',
      'Sampled rows that the store does not have yet.',
      ofRows(({ heldRows, spooledRows }) => ({ memory: heldRows, spool: spooledRows }), 'place'),
    ),
    family(
      'gpuledger_spool_bytes',
      'gauge',
      'What the spool takes on disk.',
      ofLanes(({ spoolBytes }) => spoolBytes),
    ),
    family(
      'gpuledger_spool_age_seconds',
      'gauge',
      'For how long the oldest spooled rows have waited.',
      ofLanes(({ spoolOldestMs }) =>
        spoolOldestMs === undefined ? undefined : Math.max(0, nowMs - spoolOldestMs) / 1000,
      ),
    ),
    family(
      'gpuledger_ring_fill_ratio',
      'gauge',
      'How full the memory of samples is.',
      ofLanes(({ ringFillRatio }) => ringFillRatio),
    ),
    family(
      'gpuledger_store_batches_total',
      'counter',
      'Batches of which the store took rows.',
      ofLanes(({ batches }) => batches),
    ),
    family(
      'gpuledger_store_batches_failed_total',
      'counter',
      'Batches of which it did not take all.',
      ofLanes(({ failedBatches }) => failedBatches),
    ),
    family(
      'gpuledger_store_last_send_seconds',
      'gauge',
      'How long the store took for the last batch.',
      ofLanes(({ lastSendMs, batches, failedBatches }) =>
        batches + failedBatches === 0 ? undefined : lastSendMs / 1000,
      ),
    ),
    family(
      'gpuledger_table_held',
      'gauge',
      '1 where the store takes or shows no rows of the table, as one that is suspended.',
      ofLanes(({ problem }) => Number(problem !== undefined)),
    ),
    ...samplingFamilies(health),
  ];
}

function samplingFamilies({ lateTicks, sampling }: CollectorHealth): Family[] {
  return [
    family(
      'gpuledger_ticks_late_total',
      'counter',
      'Ticks that were skipped, since the one before them came late.',
      lateTicks.map(([lane, ticks]) => [ticks, { lane }] as const),
    ),
    family('gpuledger_source_call_seconds', 'gauge', 'How long the source has been inside one call.', [
      [sampling.callMs / 1000],
    ]),
    family('gpuledger_source_calls_total', 'counter', 'How often the source was asked for samples.', [
      [sampling.calls],
    ]),
    family('gpuledger_source_calls_seconds_total', 'counter', 'How long these took together.', [
      [sampling.callsMs / 1000],
    ]),
    family('gpuledger_clock_steps_total', 'counter', 'How often the clock of the node was set.', [
      [sampling.clockSteps],
    ]),
  ];
}

function family(name: string, type: string, help: string, numbers: readonly LabelledNumber[]): Family {
  const series = numbers.map(([value, labels = {}]): Series => ({
    labels: Object.entries(labels),
    number: shortestNumber(value),
  }));
  return { name, type, help, series };
}
