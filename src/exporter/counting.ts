import type { Notice } from '../core/base/notice.ts';
import { createExporterCounts, type ExporterCounts } from '../core/exposition/exporter-counts.ts';
import type { CountWindows } from '../core/exposition/exporter-families.ts';
import { THROTTLE_FIELD_ID } from '../core/fields/well-known.ts';
import type { MetricsFeed } from './metrics-feed.ts';

/** What dcgm-exporter counts by itself, over all samplings that are served one after the other. */
export interface Counting {
  readonly counts: ExporterCounts;
  /** Takes XIDs from rows of `gpu_events`. */
  readonly hear: (notice: Notice) => void;
  /** Takes what was sampled since the last look. */
  readonly look: (feed: MetricsFeed) => void;
  readonly stop: () => void;
}

/** Rings keep some hundred samples for it. */
const LOOK_MS = 1_000;

/** @param feedNow undefined before the first */
export function startCounting(
  { xidMs, reasonsMs }: CountWindows,
  feedNow: () => MetricsFeed | undefined,
): Counting {
  const counts = createExporterCounts(Math.max(xidMs, reasonsMs) * 1000, Date.now() * 1000);
  const look = (feed: MetricsFeed): void => {
    // A sample of two lanes is one: the faster one's.
    const [lane] = feed.lanes
      .filter(({ lane: { fields } }) => fields.some(({ id }) => id === THROTTLE_FIELD_ID))
      .sort((a, b) => a.lane.intervalMs - b.lane.intervalMs);
    for (const [device, { uuid }] of feed.devices.entries())
      lane?.recent?.take(device, (tsUs, mask) => {
        counts.reasons(uuid, tsUs, mask);
      });
  };
  const looking = setInterval(() => {
    const feed = feedNow();
    if (feed !== undefined) look(feed);
  }, LOOK_MS).unref();
  return {
    counts,
    look,
    hear({ events = [] }) {
      for (const { kind, gpu, tsUs, code } of events)
        if (kind === 'xid' && gpu !== undefined && code !== undefined) counts.xid(gpu, tsUs, code);
    },
    stop() {
      clearInterval(looking);
    },
  };
}
