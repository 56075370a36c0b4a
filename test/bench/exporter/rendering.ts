import { Gauge, Registry } from 'prom-client';
import type { Device } from '../../../src/core/devices/device.ts';
import type { Field } from '../../../src/core/fields/field.ts';
import { findField } from '../../../src/core/fields/find-field.ts';
import { createExporterCounts } from '../../../src/core/exposition/exporter-counts.ts';
import { XID_FIELD_ID } from '../../../src/core/fields/well-known.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import { Ring } from '../../../src/core/ring/ring.ts';
import { fedLane, type MetricsFeed } from '../../../src/exporter/metrics-feed.ts';
import { renderMetrics, type MetricsStyle } from '../../../src/exporter/render-metrics.ts';
import { servedOfLanes } from '../../../src/exporter/served-counters.ts';
import {
  addTick,
  DEVICE_COUNT,
  FIELD_COUNT,
  fields as ringFields,
  INTERVAL_US,
  makeSamples,
  shapeOf,
  START_US,
} from '../filled-ring.ts';
import { interleave, type Measurement } from '../measurement.ts';

/**
 * One scrape of a node, half of whose GPUs have a job: out of the newest samples by our renderer, and by prom-client as a program
 * would use it. It has to empty its gauges first: the series of a job that has ended would stay.
 */
const ROUNDS = 9;
const SCRAPES = 200;
const WARM_UP_SCRAPES = 300;
const TICKS = 64;
const HOST = 'gpu-node-0123';
const RATIO_GOAL = 0.5;

const devices: readonly Device[] = Array.from({ length: DEVICE_COUNT }, (_, index) => ({
  uuid: `GPU-5a1d3f0${index}-8c41-4b7e-9d2a-6f3e0b7c915${index}`,
  node: HOST,
  index,
  model: 'NVIDIA H200',
  memoryBytes: 150_754_820_096,
  driver: '580.95.05',
  pciBusId: `00000000:${index}F:00.0`,
}));
/** In the place of XIDs, whose two labels more would be another family's. */
const STAND_IN = findField('DCGM_FI_DEV_POWER_MGMT_LIMIT')!;
const fields = ringFields.map((field) => (field.id === XID_FIELD_ID ? STAND_IN : field));
const lane = {
  ...{ name: 'bench', table: 'gpu_bench', schedule: 'continuous', fields },
  ...{ intervalMs: INTERVAL_US / 1000, capacityTicks: TICKS },
};
const style: MetricsStyle = {
  ...{ compat: '4.8.4', hostname: HOST, devices: 'f' },
  ...{ isOldNamespace: false, areBlanksReplaced: false, isHostless: false },
  ...{ hasJobShares: false, hasHealth: false, hasJobstats: false },
  delayMsOf: () => 0,
  windows: { xidMs: 300_000, reasonsMs: 300_000 },
};

interface Node {
  readonly feed: MetricsFeed;
  /** Samples the next tick. */
  readonly tick: () => void;
}

function createNode(): Node {
  const ring = new Ring(shapeOf(TICKS));
  const samples = makeSamples(TICKS);
  const ownership = new Ownership();
  for (const { uuid, index } of devices.slice(0, DEVICE_COUNT / 2))
    ownership.apply({
      ...{ kind: 'start', atUs: START_US - 1, node: HOST, gpu: uuid, jobId: `42${index}7` },
      ...{ run: 0, share: 1, source: 'bench' },
    });
  let ticks = 0;
  const nowUs = (): number => START_US + ticks * INTERVAL_US;
  return {
    feed: {
      ...{ devices, nowUs, ownership, lanes: [fedLane(lane, ring)] },
      refreshJobs: () => undefined,
      health: () => {
        throw new Error('nobody asks for it here');
      },
    },
    tick() {
      ticks += 1;
      addTick(ring, nowUs(), samples[ticks % TICKS]!);
      ring.release(ring.peek(Infinity, ({ from, to }) => to - from).to);
    },
  };
}

function ourScrape({ feed, tick }: Node): () => string {
  const served = servedOfLanes([lane]);
  const counts = createExporterCounts(0, 0);
  return () => {
    tick();
    return renderMetrics(feed, [], served, style, counts).text;
  };
}

const LABEL_NAMES = [
  ...['gpu', 'UUID', 'pci_bus_id', 'device', 'modelName', 'hostname', 'DCGM_FI_DRIVER_VERSION', 'hpc_job'],
];

function labelsOf({ uuid, index, pciBusId, model, driver }: Device): Record<string, string> {
  return {
    ...{ gpu: String(index), UUID: uuid, pci_bus_id: pciBusId!, device: `nvidia${index}` },
    ...{ modelName: model, hostname: HOST, DCGM_FI_DRIVER_VERSION: driver! },
  };
}

function promClientScrape({ feed, tick }: Node): () => Promise<string> {
  const register = new Registry();
  const gauges = fields.map(
    ({ name, help }) => new Gauge({ name, help, labelNames: LABEL_NAMES, registers: [register] }),
  );
  const labels = devices.map(labelsOf);
  const { newest } = feed.lanes[0]!;
  const inUnitOf = ({ type, scale }: Field, value: number): number =>
    type === 'int64' ? Math.round(value / scale) : value / scale;
  return async () => {
    tick();
    const values = newest.read();
    const of = devices.map(({ uuid }, device) => {
      const [owner] = feed.ownership.ownersAt(uuid, values[device * (1 + FIELD_COUNT)]!);
      return owner === undefined ? labels[device]! : { ...labels[device]!, hpc_job: owner.jobId };
    });
    gauges.forEach((gauge, column) => {
      gauge.reset();
      of.forEach((each, device) => {
        const value = values[device * (1 + FIELD_COUNT) + 1 + column]!;
        if (!Number.isNaN(value)) gauge.set(each, inUnitOf(fields[column]!, value));
      });
    });
    return await register.metrics();
  };
}

/** Labels in the order of their names, and the value: what a scraper has of a line. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, name, labels, value] = /^(\w+)\{(.*)\} (\S+)$/.exec(line)!;
      return [`${name!}{${labels!.split(',').sort().join(',')}}`, Number(value)];
    }),
  );
}

/** @throws Error where one text has what the other has not, or another value. */
function requireSame(ours: string, theirs: string): number {
  const [own, other] = [samplesOf(ours), samplesOf(theirs)];
  // Ours has six decimals, as dcgm-exporter.
  const wrong = [...own].filter(([series, value]) => !(Math.abs(value - (other.get(series) ?? NaN)) < 1e-6));
  if (wrong.length > 0 || own.size !== other.size)
    throw new Error(
      `${own.size} samples beside ${other.size}; not the same: ${JSON.stringify(wrong.slice(0, 3))}`,
    );
  return own.size;
}

/** @returns microseconds of CPU that one took */
async function cpuOf(times: number, scrape: () => string | Promise<string>): Promise<number> {
  const before = process.cpuUsage();
  for (let n = 0; n < times; n += 1) await scrape();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

export async function measureRendering(): Promise<Measurement> {
  const ours = ourScrape(createNode());
  const theirs = promClientScrape(createNode());
  for (let n = 0; n < WARM_UP_SCRAPES; n += 1) {
    const samples = requireSame(ours(), await theirs());
    if (n === 0) process.stderr.write(`  ${samples} samples, the same in both texts\n`);
  }
  const { value, baseline } = await interleave(
    ROUNDS,
    async () => await cpuOf(SCRAPES, ours),
    async () => await cpuOf(SCRAPES, theirs),
  );
  const goal = { text: `ratio ≤ ${RATIO_GOAL}`, isMet: value / baseline <= RATIO_GOAL };
  return { name: 'exporter_scrape_cpu', value, unit: 'µs CPU', baseline, goal };
}
