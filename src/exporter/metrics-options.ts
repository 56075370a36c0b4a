import { hostname } from 'node:os';
import { isLoopback } from '../config/addresses.ts';
import { readCounters } from '../config/config-file.ts';
import type { Config } from '../config/config.ts';
import type { MetricsOptions } from './metrics.ts';
import type { MetricsStyle } from './render-metrics.ts';

/** Of the configuration alone, as `run` serves it. @throws OperatingError where the counters file is no good */
export async function metricsOptionsOf(config: Config): Promise<MetricsOptions> {
  const { countersFile } = config.metrics;
  return {
    ...config.metrics,
    listen: config.metrics.listen,
    ...(countersFile === undefined ? {} : { counters: await readCounters(countersFile) }),
    style: styleOf(config),
  };
}

/** Upstream's. */
const DEFAULT_WINDOW_MS = 300_000;

/** As dcgm-exporter names series without flags. */
export function styleOf(config: Config): MetricsStyle {
  return {
    compat: config.metrics.compat,
    hostname: hostnameOf(config),
    isOldNamespace: false,
    areBlanksReplaced: false,
    isHostless: false,
    devices: config.devices,
    hasJobShares: config.metrics.hasJobShares,
    hasJobstats: config.metrics.hasJobstats,
    hasHealth: true,
    delayMsOf: delayOf(config),
    windows: { xidMs: DEFAULT_WINDOW_MS, reasonsMs: DEFAULT_WINDOW_MS },
  };
}

/** Of a host engine elsewhere its own name; else that which Kubernetes gives the node, or the system. */
function hostnameOf({ dcgm, source }: Config): string {
  const [, host] = /^(?:tcp:\/\/)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::\d+)?$/.exec(dcgm.engine) ?? [];
  const isElsewhere =
    source === 'dcgm' &&
    host !== undefined &&
    host !== 'embedded' &&
    !isLoopback(host.replace(/^\[|\]$/g, ''));
  const { NODE_NAME: node = '' } = process.env;
  if (isElsewhere) return host;
  return node === '' ? hostname() : node;
}

/**
 * Rows of a host engine are put together from its series: a row is whole half an interval and two seconds after its time, and is there with
 * the next reading, at most an interval later. Until its successor is, it may be 2.5 intervals and two seconds old; one is for whoever is late.
 */
const WHOLE_AFTER_MS = 3_000;

/** What an engine keeps is fetched once a flush, where that is rarer. */
function delayOf({ source, dcgm, flush }: Config): MetricsStyle['delayMsOf'] {
  if (source !== 'dcgm' || dcgm.engine === 'embedded') return () => 0;
  const fetchedMs = dcgm.route === 'poll' ? 0 : flush.intervalMs;
  return (intervalMs) => WHOLE_AFTER_MS + Math.max(0, fetchedMs - intervalMs);
}
