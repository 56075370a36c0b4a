import * as z from 'zod';
import { expandHostlist, expandRanges, splitOutsideBrackets } from '../../src/core/devices/hostlist.ts';
import { parseGres, type Gres, type GresKind } from './gres.ts';

/**
 * What `scontrol -d show job` says of a job's devices, as JSON (from 23.02 on) or as text. In the text a user's own words (the
 * job's name, its comment) may look like anything; whatever is not certain there is an error.
 */

/** A GPU of a node that a job was given, or a part of one. */
export interface GivenDevice {
  readonly kind: GresKind;
  /** The GPU, as Slurm counts those of the node, from 0. */
  readonly position: number;
  /** Shards or MPS of it that were given. Absent where only the sum over several GPUs is told, and for whole GPUs. */
  readonly count?: number;
  /** Shards or MPS that it has. Told from 23.11 on. */
  readonly ofCount?: number;
}

/** Node → what the job was given there, ascending by position. */
export type GivenDevices = ReadonlyMap<string, readonly GivenDevice[]>;

const scontrolJob = z.object({
  job_id: z.number(),
  nodes: z.string().nullish(),
  gres_detail: z.array(z.string().nullish()).nullish(),
});
const scontrolReply = z.object({ jobs: z.array(scontrolJob) });

/**
 * From JSON. The answer about the last task of an array holds the jobs of the whole array. Empty once the job is completing.
 * @throws Error when it is no such reply, or does not tell which node has which device
 */
export function parseGivenJson(text: string, jobId: string): GivenDevices {
  const { jobs } = scontrolReply.parse(JSON.parse(text));
  const job = jobs.find((one) => String(one.job_id) === jobId);
  const details = job?.gres_detail ?? [];
  const nodes = expandHostlist(job?.nodes ?? '');
  if (details.length !== 0 && details.length !== nodes.length)
    throw new Error(`${details.length} lists of devices for ${nodes.length} nodes`);
  return new Map(
    nodes.flatMap((node, at) => (details.length === 0 ? [] : [[node, givenOf(details[at] ?? '')]])),
  );
}

/**
 * From text, whose details stand between `JOB_GRES=` and `MinCPUsNode=`: `Nodes=n[1-2] CPU_IDs=0 Mem=0
 * GRES=gpu:h100:2(IDX:0-1)`.
 * @throws Error when those lines are not there once and unbroken: a job's name may hold such lines as well
 */
export function parseGivenText(text: string, jobId: string): GivenDevices {
  const blocks = text.split(/^(?=JobId=)/m).filter((block) => new RegExp(`^JobId=${jobId}\\s`).test(block));
  if (blocks.length > 1) throw new Error(`${blocks.length} jobs call themselves ${jobId}`);
  const lines = (blocks[0] ?? '').split('\n');
  const begins = indicesOf(lines, /^ {3}JOB_GRES=/);
  const ends = indicesOf(lines, /^ {3}MinCPUsNode=/);
  // A job without an allocation has no such line.
  if (begins.length === 0 && ends.length <= 1) return new Map();
  const details = lines.slice(begins[0]! + 1, ends[0]).map((line) => DETAIL_LINE.exec(line));
  if (begins.length !== 1 || ends.length !== 1 || details.some((detail) => detail === null))
    throw new Error(`the text of job ${jobId} holds lines that look like details of its devices`);
  const given = new Map<string, GivenDevice[]>();
  for (const [, nodes, gres] of details as RegExpExecArray[]) {
    for (const node of expandHostlist(nodes!)) given.set(node, givenOf(gres!));
  }
  return given;
}

const DETAIL_LINE = /^ {5}Nodes=(\S+) CPU_IDs=\S* Mem=\S* GRES=(\S*) *$/;

function indicesOf(lines: readonly string[], pattern: RegExp): number[] {
  return lines.flatMap((line, at) => (pattern.test(line) ? [at] : []));
}

/** Positions of all GPUs that are named, as a whole or in part. */
export function positionsOf(given: readonly GivenDevice[]): number[] {
  return [...new Set(given.map(({ position }) => position))].sort((a, b) => a - b);
}

function givenOf(details: string): GivenDevice[] {
  return parseGres(details)
    .flatMap(devicesOf)
    .sort((a, b) => a.position - b.position);
}

/**
 * `gpu:v100:3(IDX:0-1,3)`; shards and MPS name their GPU as `shard:2(IDX:0)`, or, from 23.11 on, by what was given of what
 * each GPU of the node has: `shard:2(0/4,2/4)`. `(CNT:2)` tells no position.
 */
function devicesOf({ kind, count, inside = '' }: Gres): GivenDevice[] {
  const positions = /^IDX:([0-9,-]*)$/.exec(inside)?.[1];
  if (positions !== undefined) {
    const all = [...expandRanges(positions)].map(Number);
    const told = kind !== 'gpu' && all.length === 1 && count !== undefined ? { count } : {};
    return all.map((position) => ({ kind, position, ...told }));
  }
  if (!/^\d+\/\d+(,\d+\/\d+)*$/.test(inside)) return [];
  return splitOutsideBrackets(inside).flatMap((part, position) => {
    const [given, ofCount] = part.split('/').map(Number) as [number, number];
    return given === 0 ? [] : [{ kind, position, count: given, ofCount }];
  });
}
