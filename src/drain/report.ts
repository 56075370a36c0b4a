import type { Ledger } from '../core/base/ledger.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { EngineTask } from './engines.ts';
import type { KeptLane, KeptSamples } from '../source/dcgm/kept-source.ts';
import type { CollectorStat } from '../questdb/rows/small-tables.ts';

export interface LaneReport {
  readonly lane: string;
  readonly rows: number;
  readonly refusedRows: number;
  /** Values that could not be true and became NULL. */
  readonly implausibleValues: number;
  readonly gaps: number;
  /** Summed over the devices. */
  readonly gapSeconds: number;
  /** From the newest stored row of the device that is furthest behind to the engine's now; absent without any row. */
  readonly lagSeconds?: number;
  /** Epoch µs: the newest stored row of that device; the next drain goes on there. */
  readonly watermarkUs?: number;
}

export interface EngineReport {
  readonly engine: string;
  readonly node: string;
  readonly version: string;
  readonly devices: number;
  readonly lanes: readonly LaneReport[];
  readonly clockOffsetUs: number;
  /** Whether anybody told whose jobs ran there. */
  readonly areJobsTold: boolean;
  readonly warnings: readonly string[];
}

/** As if every row were written; the receiver knows what became of them. */
export function laneReport(
  lane: Lane,
  { rows, gaps, implausibleValues }: KeptLane,
  kept: KeptSamples,
  before: ReadonlyMap<string, RowBefore>,
): LaneReport {
  const newest = kept.devices.map(({ uuid }) => before.get(uuid)?.tsUs ?? -Infinity);
  for (let row = 0; row < rows.count; row += 1) {
    const device = rows.deviceOf(row);
    newest[device] = Math.max(newest[device]!, rows.tsUs[row]!);
  }
  const watermarkUs = Math.min(...newest.filter(Number.isFinite));
  const gapUs = gaps.reduce((sum, { tsUs, endUs }) => sum + ((endUs ?? tsUs) - tsUs), 0);
  return {
    lane: lane.name,
    rows: rows.count,
    refusedRows: 0,
    implausibleValues,
    gaps: gaps.length,
    gapSeconds: gapUs / 1e6,
    ...(Number.isFinite(watermarkUs)
      ? { watermarkUs, lagSeconds: (kept.engineNowUs - watermarkUs) / 1e6 }
      : {}),
  };
}

/** What the row of a lane in `collector_stats` says beside its ledger. */
export type LaneStat = Omit<CollectorStat, keyof Ledger>;

export function statOf(report: LaneReport, kept: KeptSamples, task: EngineTask, version: string): LaneStat {
  const { cluster } = kept.devices[0]!;
  return {
    tsUs: Math.floor(kept.engineNowUs),
    ...(cluster === undefined ? {} : { cluster }),
    node: task.node,
    lane: report.lane,
    source: 'dcgm',
    version,
    implausibleValues: report.implausibleValues,
    engineOffsetUs: Math.round(kept.clockOffsetUs),
    rssBytes: process.memoryUsage.rss(),
  };
}
