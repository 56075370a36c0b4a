/**
 * Made-up jobs of two clusters that bear the same ids and names of nodes, and what hooks would have told of them. Nothing of
 * gpuledger is used here.
 */

/** One run of a job, as it was in truth. Times in epoch µs. */
export interface TrueRun {
  /** Cluster, id, and how often the id had come round: what a job is. */
  readonly job: string;
  readonly cluster: string;
  readonly jobId: string;
  readonly user: string;
  readonly arrayJobId?: string;
  readonly hetJobId?: string;
  /** How often it had been requeued before. */
  readonly count: number;
  readonly isRequeued: boolean;
  readonly submitUs: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly places: readonly { readonly node: string; readonly gpus: readonly string[] }[];
}

/** What a hook on a node, or on the controller, leaves behind. */
export interface HookRecord {
  readonly event: 'start' | 'end';
  readonly atUs: number;
  /** '': the controller. */
  readonly node: string;
  /** Of an end, none where the hook cannot tell. */
  readonly gpus: readonly string[];
  /** Second at which the run began, where the hook is told. */
  readonly saysStartS?: number;
  /** As Slurm tells it: an epilog of a run that is requeued already has the next count. */
  readonly count: number;
  readonly run: TrueRun;
}

export type Random = () => number;

const S = 1e6;
const T0_US = 1_700_000_000e6;
const DAY_US = 86_400e6;
const GPUS_PER_NODE = 4;
const NODES = ['n1', 'n2'] as const;
/** Slurm keeps a requeued job back for two minutes. */
const REQUEUE_US = 121 * S;
/** In this cluster GPUs are cut into shards: several jobs may have one. */
export const SHARED_CLUSTER = 'b';
const JOBS_PER_CLUSTER = 15;
/** After so many jobs the controller loses its state, and ids begin again. */
const JOBS_PER_TURN = 8;
const LOST_RATIO = 0.12;

export function between(random: Random, min: number, max: number): number {
  return Math.floor(min + random() * (max - min));
}

export function shuffled<T>(random: Random, list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
}

export const gpuNamesOf = (cluster: string, node: string): string[] =>
  Array.from({ length: GPUS_PER_NODE }, (_, at) => `GPU-${cluster}-${node}-${at}`);

/** All runs of thirty jobs: single ones, on two nodes, tasks of arrays, components of heterogeneous jobs, requeued ones. */
export function worldOf(random: Random): TrueRun[] {
  return ['a', SHARED_CLUSTER].flatMap((cluster) => clusterOf(cluster, random));
}

interface Plan {
  readonly jobId: string;
  readonly arrayJobId?: string;
  readonly hetJobId?: string;
}

function clusterOf(cluster: string, random: Random): TrueRun[] {
  const runs: TrueRun[] = [];
  const freeUs = new Map<string, number>();
  let nowUs = T0_US;
  for (const [turn, plans] of turnsOf(random).entries()) {
    nowUs = Math.max(nowUs, ...runs.map(({ endUs }) => endUs)) + (turn === 0 ? 0 : 2 * DAY_US);
    for (const [index, plan] of plans.entries()) {
      nowUs += between(random, 0, 60 * S);
      const job = `${cluster}/${plan.jobId}/${turn}`;
      const whose = { ...plan, job, cluster, user: `user-${turn}-${index}` };
      const last = random() < 0.3 ? between(random, 1, 3) : 0;
      let earliestUs = nowUs;
      let submitUs = nowUs - between(random, 1, 60) * S;
      for (let count = 0; count <= last; count += 1) {
        const places = placesOf(cluster, random);
        const gpus = places.flatMap((place) => place.gpus);
        const free = cluster === SHARED_CLUSTER ? [] : gpus.map((gpu) => freeUs.get(gpu) ?? 0);
        const startUs = Math.max(earliestUs, ...free) + between(random, 0, 30 * S);
        const endUs = startUs + between(random, 2 * S, 600 * S);
        runs.push({ ...whose, count, isRequeued: count < last, submitUs, startUs, endUs, places });
        for (const gpu of gpus) freeUs.set(gpu, endUs + 2 * S);
        submitUs = Math.floor(endUs / S) * S + S;
        earliestUs = endUs + REQUEUE_US;
      }
    }
  }
  return runs;
}

/** The jobs between one loss of the controller's state and the next: ids count up from 700 in each. */
function turnsOf(random: Random): Plan[][] {
  const turns: Plan[][] = [[]];
  let id = 700;
  for (let made = 0; made < JOBS_PER_CLUSTER;) {
    if (made >= JOBS_PER_TURN && turns.length === 1) {
      turns.push([]);
      id = 700;
    }
    const first = String(id);
    const kind = random();
    // The last task of an array has the array's own id.
    if (kind < 0.2)
      turns.at(-1)!.push(...[id + 1, id].map((raw) => ({ jobId: String(raw), arrayJobId: first })));
    else if (kind < 0.4)
      turns.at(-1)!.push(...[id, id + 1].map((raw) => ({ jobId: String(raw), hetJobId: first })));
    else turns.at(-1)!.push({ jobId: first });
    id += 2;
    made += kind < 0.4 ? 2 : 1;
  }
  return turns;
}

function placesOf(cluster: string, random: Random): TrueRun['places'] {
  const nodes = random() < 0.25 ? NODES : [NODES[between(random, 0, 2)]!];
  return nodes.map((node) => {
    const gpus = shuffled(random, gpuNamesOf(cluster, node)).slice(0, between(random, 1, 3));
    return { node, gpus: gpus.sort() };
  });
}

/** What the hooks of all nodes told of these runs. */
export function recordsOf(runs: readonly TrueRun[], random: Random): HookRecord[] {
  return runs.flatMap((run) =>
    run.places.flatMap(({ node, gpus }): HookRecord[] => {
      const { count, isRequeued, startUs, endUs } = run;
      const begunUs = startUs + between(random, 10_000, 500_000);
      const endedUs = endUs + between(random, 5_000, 500_000);
      const ended = {
        ...{ atUs: endedUs, node, gpus },
        ...(random() < 0.4 ? { saysStartS: Math.floor(startUs / S) } : {}),
      };
      return [
        { event: 'start', atUs: begunUs, node, gpus, count, run },
        { event: 'end', ...ended, count: count + (isRequeued ? 1 : 0), run },
      ];
    }),
  );
}

/** What the hooks of the controllers told of them, with a part of it lost: they know no devices. */
export function controllerRecordsOf(runs: readonly TrueRun[], random: Random): HookRecord[] {
  return runs
    .flatMap((run): HookRecord[] => {
      const { count, isRequeued, startUs, endUs } = run;
      const told = { node: '', gpus: [], run };
      return [
        { ...told, event: 'start', atUs: startUs + 1_000, count },
        { ...told, event: 'end', atUs: endUs + 3_000, count: count + (isRequeued ? 1 : 0) },
      ];
    })
    .filter(() => random() > LOST_RATIO);
}

/** The same, and some epilogs once more: soon after, or days later, when the id may be another job's. */
export function withSecondEnds(records: readonly HookRecord[], random: Random): HookRecord[] {
  return records.flatMap((record) => {
    if (record.event === 'start' || random() > 0.2) return [record];
    const laterUs = random() < 0.5 ? between(random, S, 100 * S) : 2 * DAY_US + between(random, 0, 3600 * S);
    return [record, { ...record, atUs: record.atUs + laterUs }];
  });
}

/**
 * Some of the records, as they would be left after losses; of some only which devices they were of is lost. Of two that
 * follow each other on a device, or of one job on a node, not both are lost where nothing could tell any more that the former
 * owner had gone.
 */
export function someLost(records: readonly HookRecord[], random: Random): HookRecord[] {
  /** Devices and jobs of a node whose last end was lost. */
  const open = new Set<string>();
  const inTime = [...records].sort((a, b) => a.atUs - b.atUs);
  return inTime.flatMap((record) => {
    const { event, node, run } = record;
    const gpus = run.places.find((place) => place.node === node)!.gpus;
    const touched = [`${run.cluster}/${node}/${run.jobId}`, ...gpus];
    const mustStay = event === 'start' && touched.some((one) => open.has(one));
    const isLost = !mustStay && random() < LOST_RATIO;
    if (event === 'end' && isLost) for (const one of touched) open.add(one);
    if (event === 'start' && !isLost) for (const one of touched) open.delete(one);
    if (!isLost) return [event === 'end' && random() < 0.1 ? { ...record, gpus: [] } : record];
    return event === 'start' && random() < 0.3 ? [{ ...record, gpus: gpus.map(unresolvedOf(record)) }] : [];
  });
}

/** What stands for a device that was only told by its position. */
const unresolvedOf =
  ({ node, run }: HookRecord) =>
  (gpu: string): string =>
    `unresolved:${run.cluster}/${node}:${gpu.at(-1)}`;
