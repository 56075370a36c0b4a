import type { Counters } from '../../schemas/counters-csv.ts';
import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { ExporterCounts } from '../core/exposition/exporter-counts.ts';
import { countedFieldOf } from '../core/exposition/exporter-families.ts';
import { CONTENT_TYPES } from '../core/exposition/family.ts';
import { JOBSTATS_SOURCES } from '../core/exposition/jobstats-families.ts';
import type { Field } from '../core/fields/field.ts';
import { startCounting, type Counting } from './counting.ts';
import { serveMetrics, type MetricsServerOptions } from './http/serve-metrics.ts';
import type { MetricsFeed } from './metrics-feed.ts';
import { renderMetrics, saysSomething, type MetricsStyle } from './render-metrics.ts';
import { servedOf, servedOfLanes, type ServedCounters } from './served-counters.ts';

/** What is served, and how. */
export interface MetricsOptions extends Omit<Config['metrics'], 'listen'> {
  /** Undefined: nobody is served. */
  readonly listen: MetricsServerOptions['listen'] | undefined;
  readonly style: MetricsStyle;
  /** Undefined: every field of the lanes. */
  readonly counters?: Counters;
}

/** What Prometheus scrapes of the sampling that is under way. */
export interface Metrics {
  /**
   * Gets ready for these options: listens where nobody does yet. Until `show` the former ones are served, and `/health` says that they are
   * about to change.
   * @throws OperatingError where the address, or the file of TLS and users, is no good; what was served before still is
   */
  prepare(options: MetricsOptions): Promise<void>;
  /** From now on this is served, as it was prepared. */
  readonly show: (feed: MetricsFeed) => void;
  /** Hears of XIDs, to count them. */
  readonly hear: Tell;
  /** What was prepared is not wanted after all. */
  readonly giveUp: () => void;
  close(): Promise<void>;
}

interface Shown {
  readonly feed: MetricsFeed;
  /** Whose place it took, the newest first: more than one where it was reloaded before it could say anything. */
  readonly formers: readonly MetricsFeed[];
  readonly served: ServedCounters;
  readonly style: MetricsStyle;
}

export function createMetrics(tell: Tell): Metrics {
  let shown: Shown | undefined;
  let prepared: MetricsOptions | undefined;
  let counting: Counting | undefined;
  let server: { readonly options: MetricsOptions; readonly close: () => Promise<void> } | undefined;

  async function open(options: MetricsOptions): Promise<void> {
    if (options.listen === undefined) return;
    const opened = await serveMetrics({
      ...options,
      ...{ listen: options.listen, tell },
      isReloading: () => prepared !== undefined,
      render: () =>
        shown === undefined
          ? { text: '', contentType: CONTENT_TYPES[options.compat] }
          : renderMetrics(shown.feed, shown.formers, shown.served, shown.style, countedNow(shown.feed)),
    });
    server = { options, close: () => opened.close() };
    tell({ level: 'info', code: 'exporter.serving', sentence: `metrics at ${opened.address}/metrics` });
  }

  /** Two cannot listen on one address: there the former one goes first, and comes back where the next one cannot be. */
  async function exchange(former: NonNullable<typeof server>, options: MetricsOptions): Promise<void> {
    const isSamePlace = placeOf(former.options) === placeOf(options);
    if (isSamePlace && options.listen === 'systemd')
      throw new OperatingError('how the socket of systemd is served cannot change while it is', {
        ...{ code: 'exporter.socket', exit: 'config', hints: ['restart the service'] },
      });
    if (isSamePlace) await former.close();
    server = undefined;
    try {
      await open(options);
    } catch (thrown) {
      if (isSamePlace) await open(former.options);
      else server = former;
      throw thrown;
    }
    if (!isSamePlace) await former.close();
  }

  const countedNow = (feed: MetricsFeed): ExporterCounts => {
    counting!.look(feed);
    return counting!.counts;
  };

  return {
    async prepare(options) {
      counting ??= startCounting(options.style.windows, () => shown?.feed);
      if (server === undefined) await open(options);
      else if (signatureOf(server.options) !== signatureOf(options)) await exchange(server, options);
      prepared = options;
    },
    show(feed) {
      if (prepared === undefined) return;
      const { counters, countersFile = 'the counters', style, listen } = prepared;
      prepared = undefined;
      if (listen === undefined) return;
      const served =
        counters === undefined
          ? servedOfLanes(feed.lanes.map(({ lane }) => lane))
          : servedOf(counters, countersFile);
      const made = [
        ...served.counters,
        ...served.exporterCounters.map(({ name }) => ({ name, field: countedFieldOf(name)! })),
        ...(style.hasJobstats ? JOBSTATS_SOURCES : []),
      ];
      for (const sentence of [...served.warnings, ...unsampled(made, feed)])
        tell({ level: 'warn', code: 'exporter.not_served', sentence });
      if (shown !== undefined) counting?.look(shown.feed);
      const nowUs = feed.nowUs();
      const formers = shown === undefined ? [] : [shown.feed, ...shown.formers];
      shown = {
        feed,
        formers: formers.filter((former) => saysSomething(former, nowUs, style)),
        ...{ served, style },
      };
    },
    hear(notice) {
      counting?.hear(notice);
    },
    giveUp() {
      prepared = undefined;
    },
    async close() {
      counting?.stop();
      await server?.close();
      server = undefined;
    },
  };
}

function placeOf({ listen }: MetricsOptions): string {
  return JSON.stringify(listen ?? 'nowhere');
}

/** Equal for options under which the same server goes on. */
function signatureOf(options: MetricsOptions): string {
  const { listen, webConfigFile, readTimeoutMs, writeTimeoutMs, concurrentScrapesMax } = options;
  return JSON.stringify({ listen, webConfigFile, readTimeoutMs, writeTimeoutMs, concurrentScrapesMax });
}

/** Families whose field no lane samples. */
function unsampled(
  made: readonly { readonly name: string; readonly field: Field }[],
  { lanes }: MetricsFeed,
): string[] {
  const sampled = new Set(lanes.flatMap(({ lane }) => lane.fields.map(({ id }) => id)));
  return made
    .filter(({ field }) => !sampled.has(field.id))
    .map(({ name, field }) => {
      const what = name === field.name ? 'it' : field.name;
      return `${name} is not served: no lane samples ${what}`;
    });
}
