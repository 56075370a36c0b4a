import { parseDeviceSelector } from '../core/devices/device-selector.ts';
import type { Device } from '../core/devices/device.ts';
import {
  deviceFamilies,
  STALE_INTERVALS,
  type NewestOfLane,
  type OwnerAt,
} from '../core/exposition/device-families.ts';
import type { LabelStyle } from '../core/exposition/device-labels.ts';
import type { ExporterCounts } from '../core/exposition/exporter-counts.ts';
import { exporterFamilies, type CountWindows } from '../core/exposition/exporter-families.ts';
import { jobstatsFamilies } from '../core/exposition/jobstats-families.ts';
import { shareFamily } from '../core/exposition/share-family.ts';
import { CONTENT_TYPES } from '../core/exposition/family.ts';
import { renderExposition } from '../core/exposition/render.ts';
import { partsOf } from '../core/jobs/device-parts.ts';
import { healthFamilies } from './health-families.ts';
import type { MetricsFeed } from './metrics-feed.ts';
import type { ServedCounters } from './served-counters.ts';

/** How an exposition is made. */
export interface MetricsStyle extends LabelStyle {
  /** As `-d` of dcgm-exporter: a GPU beside its instances has series where it is named. */
  readonly devices: string;
  readonly hasJobShares: boolean;
  /** Whether the series of jobstats' exporter are there too. */
  readonly hasJobstats: boolean;
  /** Whether it is told how the collector itself is. */
  readonly hasHealth: boolean;
  /** How much later than its time a sample may come, ms: an engine that others share has it first. */
  readonly delayMsOf: (intervalMs: number) => number;
  /** Over how much time XIDs and throttling are counted. */
  readonly windows: CountWindows;
}

/**
 * The text that a scrape gets now. It asks no library and no store.
 * @param formers whose place the feed has taken: what they said last is so until the feed says more, or it is old
 * @param counts of what dcgm-exporter counts by itself
 */
export function renderMetrics(
  feed: MetricsFeed,
  formers: readonly MetricsFeed[],
  served: ServedCounters,
  style: MetricsStyle,
  counts: ExporterCounts,
): { readonly text: string; readonly contentType: string } {
  feed.refreshJobs();
  const nowUs = feed.nowUs();
  const lanes = [feed, ...formers].flatMap((one) => newestOf(one, style));
  const devices = servedDevices(feed.devices, style.devices);
  const { lastXid } = counts;
  const asked = { ...served, style, devices, lanes, nowUs, ownersAt: ownersOf(feed), lastXid };
  const families = [
    ...deviceFamilies(asked),
    ...exporterFamilies({ ...asked, counts, windows: style.windows }),
    ...(style.hasJobShares ? [shareFamily(asked)] : []),
    ...(style.hasJobstats ? jobstatsFamilies({ ...asked, devices: feed.devices, uidOf: uidOf(feed) }) : []),
    ...(style.hasHealth ? healthFamilies(feed.health()) : []),
  ];
  return { text: renderExposition(families, style.compat), contentType: CONTENT_TYPES[style.compat] };
}

/** Whether a sample of it is not old yet. */
export function saysSomething(feed: MetricsFeed, nowUs: number, style: MetricsStyle): boolean {
  return newestOf(feed, style).some(({ rows, fields, devices, staleAfterUs }) =>
    devices.some((_, device) => Math.abs(nowUs - rows[device * (1 + fields.length)]!) <= staleAfterUs),
  );
}

function newestOf({ devices, lanes }: MetricsFeed, style: MetricsStyle): NewestOfLane[] {
  return lanes.map(({ lane, newest }) => ({
    fields: lane.fields,
    staleAfterUs: (STALE_INTERVALS * lane.intervalMs + style.delayMsOf(lane.intervalMs)) * 1000,
    devices,
    rows: newest.read(),
  }));
}

/** A GPU that is cut is sampled for what its instances do not have; it has series of its own where it is asked for. */
function servedDevices(devices: readonly Device[], selector: string): readonly Device[] {
  const areGpusNamed = parseDeviceSelector(selector).gpus !== undefined;
  return areGpusNamed ? devices : devices.filter(({ isCut }) => isCut !== true);
}

function uidOf({ ownership }: MetricsFeed): (gpu: string, jobId: string) => number | undefined {
  return (gpu, jobId) => ownership.uidOf(gpu, jobId);
}

function ownersOf({ ownership }: MetricsFeed): (gpu: string, tsUs: number) => readonly OwnerAt[] {
  return (gpu, tsUs) =>
    partsOf(ownership.ownersAt(gpu, tsUs))
      .filter(({ startUs, endUs }) => startUs < tsUs && tsUs <= endUs)
      .map(({ jobId, part }) => ({ jobId, part }));
}
