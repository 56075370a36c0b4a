import { gzipSync } from 'node:zlib';
import type { JobDevice, JobFigures } from '../../figures/job/figures.ts';

/** What stands in place of a summary of which there is nothing: jobstats itself writes that. */
const NOTHING_KNOWN = 'None';

/** Of one node by the number of each GPU. A key is there where something is known of it. */
interface Js1Node {
  /** Highest, bytes. */
  readonly gpu_used_memory?: Readonly<Record<string, number>>;
  /** Bytes. */
  readonly gpu_total_memory?: Readonly<Record<string, number>>;
  /** Mean, percent. */
  readonly gpu_utilization?: Readonly<Record<string, number>>;
}

/**
 * A job that has ended as one line without its end, as jobstats keeps it in Slurm's AdminComment and reportseff reads it: `JS1:` and
 * base64 of gzipped JSON; `JS1:None` where no GPU of it was seen. What we do not measure (CPUs, memory of the host) has no key.
 */
export function js1Line({
  devices,
  startUs,
  endUs,
}: Pick<JobFigures, 'devices' | 'startUs' | 'endUs'>): string {
  const nodes = [...Map.groupBy(devices, ({ node }) => node)]
    .map(([node, own]) => [node, nodeOf(own)] as const)
    .filter(([, told]) => Object.keys(told).length > 0);
  if (nodes.length === 0) return `JS1:${NOTHING_KNOWN}`;
  const summary = {
    nodes: Object.fromEntries(nodes),
    total_time: Math.round((endUs - startUs) / 1e6),
    gpus: devices.length,
  };
  return `JS1:${gzipSync(JSON.stringify(summary)).toString('base64')}`;
}

function nodeOf(devices: readonly JobDevice[]): Js1Node {
  const told = devices.flatMap((device) => {
    const percent = utilizationOf(device);
    return percent === undefined ? [] : [{ key: keyOf(device, devices), percent, memory: memoryOf(device) }];
  });
  const filled = told.flatMap(({ key, memory }) => (memory === undefined ? [] : [{ key, ...memory }]));
  return {
    ...(filled.length === 0
      ? {}
      : {
          gpu_used_memory: Object.fromEntries(filled.map(({ key, used }) => [key, used])),
          gpu_total_memory: Object.fromEntries(filled.map(({ key, total }) => [key, total])),
        }),
    ...(told.length === 0
      ? {}
      : { gpu_utilization: Object.fromEntries(told.map(({ key, percent }) => [key, percent])) }),
  };
}

/** What nvidia-smi calls utilization, as in jobstats: the part of the time in which any kernel ran, in percent. */
function utilizationOf({ gauges }: JobDevice): number | undefined {
  const mean = (gauges.gpuUtil?.mean ?? gauges.engineActive?.mean)?.value;
  return mean === undefined ? undefined : Math.round(mean * 1000) / 10;
}

/**
 * Both or none, and only beside a utilization: for a GPU with a memory reportseff prints 0 % where one of the others is missing, and
 * jobstats fails.
 */
function memoryOf({ gauges, memoryBytes }: JobDevice): { used: number; total: number } | undefined {
  const used = gauges.memoryUsed?.max.value;
  if (used === undefined || memoryBytes === undefined || memoryBytes === 0) return undefined;
  return { used: Math.round(used), total: memoryBytes };
}

/** Its number on the node; its UUID where that is not known, or where instances of one GPU have it too. */
function keyOf({ index, gpu }: JobDevice, ofNode: readonly JobDevice[]): string {
  const isAlone = ofNode.filter((other) => other.index === index).length === 1;
  return index !== undefined && isAlone ? String(index) : gpu;
}
