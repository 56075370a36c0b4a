import { COMPATS } from '../../core/exposition/family.ts';
import type * as values from '../values.ts';

/** What Prometheus scrapes. Who may scrape stands in a file of its own, for which there is a format that everybody knows. */
export const METRICS_KEYS = {
  about: 'metrics for Prometheus, as dcgm-exporter has them: docs/from-dcgm-exporter.md',
  keys: {
    listen: {
      type: (is: typeof values) => is.metricsAddress.exactOptional(),
      doc: '`run` serves `/metrics` there: an address and a port, or `:9400` for all addresses of this machine',
      unset: 'nowhere; `gpuledger exporter` serves `:9400`',
      example: '127.0.0.1:9400',
    },
    counters_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'counters CSV of dcgm-exporter: what is served, under which names',
      unset: 'every field of the lanes, by its DCGM name',
      example: '/etc/dcgm-exporter/default-counters.csv',
    },
    web_config_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: "TLS and users, in the format of Prometheus' exporter-toolkit, read again when it changes",
      unset: 'plain HTTP for everybody who can reach it',
      example: '/etc/gpuledger/web-config.yml',
    },
    compat: {
      type: (is: typeof values) => is.oneOf(COMPATS).default('4.8.4'),
      doc: 'as which release of dcgm-exporter where two differ: `4.8.2` (and older: label `Hostname`) or `4.8.4` (label `hostname`)',
      flag: '--compat <release>',
    },
    job_shares: {
      type: (is: typeof values) => is.truth.default(false),
      doc: 'adds the family `gpuledger_job_share_ratio`: by it values of shared devices are divided, so that sums over jobs stay true',
      flag: '--job-label-shares',
      as: 'hasJobShares',
    },
    jobstats: {
      type: (is: typeof values) => is.truth.default(false),
      doc: "adds the series of jobstats' exporter, `nvidia_gpu_…` with the labels `jobid` and `userid`, for `jobstats` and its board",
      flag: '--jobstats',
      as: 'hasJobstats',
    },
    read_timeout: {
      type: (is: typeof values) => is.durationMs({ minMs: 100, maxMs: 600_000 }).prefault('10s'),
      doc: 'how long a scraper may take to ask',
      as: 'readTimeoutMs',
    },
    write_timeout: {
      type: (is: typeof values) => is.durationMs({ minMs: 100, maxMs: 600_000 }).prefault('30s'),
      doc: 'how long a scraper may take to read the answer',
      as: 'writeTimeoutMs',
    },
    concurrent_scrapes: {
      type: (is: typeof values) => is.whole({ min: 1, max: 1000 }).default(16),
      doc: 'scrapes at a time; further ones are told to come again (503)',
      as: 'concurrentScrapesMax',
    },
  },
} as const;
