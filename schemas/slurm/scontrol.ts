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
 * From text about one job alone, whose details stand between `JOB_GRES=` and `MinCPUsNode=`: `Nodes=n[1-2] CPU_IDs=0 Mem=0
 * GRES=gpu:h100:2(IDX:0-1)`. Several jobs in one text cannot be told from a name that holds such lines.
 * @throws Error when another job or a second one seems to stand there, or those lines are not there once and unbroken
 */
export function parseGivenText(text: string, jobId: string): GivenDevices {
  const lines = text.split('\n');
  const heads = lines.filter(isHead);
  if (heads.length > 1) throw new Error(`${heads.length} jobs seem to stand in the text of job ${jobId}`);
  if (text.trim() !== '' && !lines[0]!.startsWith(`JobId=${jobId} `))
    throw new Error(`expected job ${jobId}, found ${JSON.stringify(lines[0]!.slice(0, 80))}`);
  const begins = indicesOf(lines, /^ {3}JOB_GRES=/);
  const ends = indicesOf(lines, /^ {3}MinCPUsNode=/);
  // A job without an allocation has no such line.
  if (begins.length === 0 && ends.length <= 1) return new Map();
  const details = lines.slice(begins[0]! + 1, ends[0]).map((line) => DETAIL_LINE.exec(line));
  if (begins.length !== 1 || ends.length !== 1 || details.some((detail) => detail === null))
    throw new Error(`the text of job ${jobId} holds lines that look like details of its devices`);
  const given = new Map<string, GivenDevice[]>();
  for (const [, nodes, gres] of details as RegExpExecArray[]) {
    const devices = givenOf(gres!);
    for (const node of expandHostlist(nodes!)) given.set(node, devices);
  }
  return given;
}

/**
 * The name by which scontrol shows the job alone, `11_3` or `12+0`, where its text seems to hold several jobs: the last task of
 * an array bears the array's number, the first part of a heterogeneous job that of all. Undefined where the text does not
 * tell one. What is made of a forged line shows another job, or none.
 */
export function nameAlone(text: string, jobId: string): string | undefined {
  const heads = text.split('\n').filter(isHead);
  if (heads.length <= 1) return undefined;
  const names = heads.flatMap((head) => {
    const [, id, array, task, whole, part] = PART_HEAD.exec(head) ?? [];
    if (id !== jobId) return [];
    return array === undefined ? `${whole}+${part}` : `${array}_${task}`;
  });
  return new Set(names).size === 1 ? names[0] : undefined;
}

const PART_HEAD = /^JobId=(\d+) (?:ArrayJobId=(\d+) ArrayTaskId=(\d+) |HetJobId=(\d+) HetJobOffset=(\d+) )/;

function isHead(line: string): boolean {
  return line.startsWith('JobId=');
}

const DETAIL_LINE = /^ {5}Nodes=(\S+) CPU_IDs=\S* Mem=\S* GRES=(\S*) *$/;

function indicesOf(lines: readonly string[], pattern: RegExp): number[] {
  return lines.flatMap((line, at) => (pattern.test(line) ? [at] : []));
}

/** Positions of all GPUs that are named, as a whole or in part. */
export function positionsOf(given: readonly GivenDevice[]): number[] {
  return [...new Set(given.map(({ position }) => position))].sort((a, b) => a - b);
}

/** Slurm counts no more of them on a node. */
const DEVICES_MAX = 1024;

/** @throws Error when it tells more devices than a node has, or names them by what is no number */
function givenOf(details: string): GivenDevice[] {
  const given: GivenDevice[] = [];
  for (const gres of parseGres(details)) {
    given.push(...devicesOf(gres));
    if (given.length > DEVICES_MAX) throw tooMany(details);
  }
  return given.sort((a, b) => a.position - b.position);
}

function tooMany(details: string): Error {
  return new Error(
    `expected at most ${DEVICES_MAX} devices of a node, found ${JSON.stringify(details.slice(0, 80))}`,
  );
}

/** `0-1,3` */
function positionsIn(ranges: string): number[] {
  const positions: number[] = [];
  for (const number of expandRanges(ranges)) {
    if (positions.length === DEVICES_MAX) throw tooMany(ranges);
    if (!/^\d+$/.test(number)) throw new Error(`expected positions of devices, found ${number.slice(0, 80)}`);
    positions.push(Number(number));
  }
  return positions;
}

/**
 * `gpu:v100:3(IDX:0-1,3)`; shards and MPS name their GPU as `shard:2(IDX:0)`, or, from 23.11 on, by what was given of what
 * each GPU of the node has: `shard:2(0/4,2/4)`. `(CNT:2)` tells no position.
 */
function devicesOf({ kind, count, inside = '' }: Gres): GivenDevice[] {
  const positions = /^IDX:([0-9,-]*)$/.exec(inside)?.[1];
  if (positions !== undefined) {
    const all = positionsIn(positions);
    const told = kind !== 'gpu' && all.length === 1 && count !== undefined ? { count } : {};
    return all.map((position) => ({ kind, position, ...told }));
  }
  if (!/^\d+\/\d+(,\d+\/\d+)*$/.test(inside)) return [];
  const parts = splitOutsideBrackets(inside);
  if (parts.length > DEVICES_MAX) throw tooMany(inside);
  return parts.flatMap((part, position) => {
    const [given, ofCount] = part.split('/').map(Number) as [number, number];
    return given === 0 ? [] : [{ kind, position, count: given, ofCount }];
  });
}
