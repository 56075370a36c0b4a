import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expandHostlist } from '../../src/core/devices/hostlist.ts';
import { gpuPositionsOf } from '../../src/ownership/slurm/scontrol.ts';

/** What is true of one run of a job on one node, told by Slurm and by the job itself, never by our hooks. Epoch µs. */
export interface TrueStay {
  readonly jobId: string;
  /** 0 for the first time the job was given nodes, 1 for the next. */
  readonly occurrence: number;
  readonly node: string;
  /** Positions of its GPUs; undefined when the job never came so far as to ask. */
  readonly gpus: readonly number[] | undefined;
  /** Shards that it was given of the one GPU that it has a part of; undefined where it has none. */
  readonly shards: number | undefined;
  /** The controller's log: allocation, and completion of the epilog on this node. */
  readonly allocatedUs: number;
  readonly completedUs: number;
  /** The job's own stamps: it surely ran in each of these spans. */
  readonly inner: readonly { readonly firstUs: number; readonly lastUs: number }[];
}

interface Told {
  readonly gpus: readonly number[];
  readonly shards: number | undefined;
  readonly inner: { firstUs: number; lastUs: number }[];
}

export function readTruth(controllerLog: string, truthDir: string): TrueStay[] {
  const told = readStamps(truthDir);
  const log = readFileSync(controllerLog, 'utf8');
  const allocations = new Map<string, { readonly us: number; readonly nodes: readonly string[] }[]>();
  const completions = new Map<string, number[]>();
  for (const line of log.split('\n')) {
    const given =
      /^\[([^\]]+)\] sched: (?:Allocate|_slurm_rpc_allocate_resources) JobId=(\S+) NodeList=(\S+)/.exec(
        line,
      ) ?? /^\[([^\]]+)\] sched\/backfill: _start_job: Started JobId=(\S+) in \S+ on (\S+)/.exec(line);
    // A job that has to wait is announced without nodes.
    if (given !== null && given[3] !== '(null)') {
      push(allocations, jobIdOf(given[2]!), { us: timeOf(given[1]!), nodes: expandHostlist(given[3]!) });
    }
    const done = /^\[([^\]]+)\] debug2: _slurm_rpc_epilog_complete: JobId=(\S+) Node=(\S+)/.exec(line);
    if (done !== null) push(completions, `${jobIdOf(done[2]!)} ${done[3]!}`, timeOf(done[1]!));
  }
  return [...allocations].flatMap(([jobId, given]) =>
    given.flatMap(({ us: allocatedUs, nodes }, occurrence) =>
      nodes.map((node): TrueStay => {
        const nextUs = given[occurrence + 1]?.us ?? Infinity;
        const ends = (completions.get(`${jobId} ${node}`) ?? []).filter(
          (us) => us >= allocatedUs && us <= nextUs,
        );
        const own = told.get(`${jobId}.${occurrence}.${node}`);
        const completedUs = ends.at(-1) ?? Infinity;
        return {
          jobId,
          occurrence,
          node,
          gpus: own?.gpus,
          shards: own?.shards,
          allocatedUs,
          completedUs,
          inner: own?.inner ?? [],
        };
      }),
    ),
  );
}

/** Files `JOB.RESTART.NODE.PID.stamps` and `.scontrol` that `payload.sh` wrote. */
function readStamps(directory: string): Map<string, Told> {
  const told = new Map<string, Told>();
  for (const file of readdirSync(directory)) {
    if (!file.endsWith('.stamps')) continue;
    const [jobId, restart, node] = file.split('.') as [string, string, string];
    const key = `${jobId}.${restart}.${node}`;
    const stamps = readFileSync(join(directory, file), 'utf8').trim().split('\n');
    const answer = readFileSync(join(directory, file.replace(/stamps$/, 'scontrol')), 'utf8');
    const gpus = gpuPositionsOf(answer, jobId).get(node) ?? [];
    const shards = shardsOf(answer);
    const one = told.get(key) ?? { gpus, shards, inner: [] };
    // The line that a kill cut in two is no stamp.
    const times = stamps
      .filter((stamp) => /^\d+\.\d{6}$/.test(stamp))
      .map((stamp) => Math.round(Number(stamp) * 1e6));
    if (gpus.length > 0 && times.length > 0) one.inner.push({ firstUs: times[0]!, lastUs: times.at(-1)! });
    told.set(key, gpus.length > 0 ? { ...one, gpus, shards } : one);
  }
  return told;
}

/** `GRES=shard:2(IDX:0)`: the jobs of this run bear no name that looks like it. */
function shardsOf(answer: string): number | undefined {
  const count = / GRES=shard:(\d+)\(IDX:\d+\)/.exec(answer)?.[1];
  return count === undefined ? undefined : Number(count);
}

/** `12`, or `11_3(14)` for a task of an array: 14. */
function jobIdOf(name: string): string {
  return /\((\d+)\)$/.exec(name)?.[1] ?? name;
}

/** The log tells local time, in milliseconds. */
function timeOf(stamp: string): number {
  return new Date(stamp).getTime() * 1000;
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  lists.set(key, [...(lists.get(key) ?? []), item]);
}
