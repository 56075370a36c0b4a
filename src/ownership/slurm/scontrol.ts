import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expandHostlist, expandRanges, splitOutsideBrackets } from '../../core/devices/hostlist.ts';

const run = promisify(execFile);
const SCONTROL_TIMEOUT_MS = 10_000;
const SCONTROL_BYTES_MAX = 8 << 20;

/** Positions of the GPUs of a job per node. */
export type GpuPositions = ReadonlyMap<string, readonly number[]>;

/**
 * Asks the controller which GPUs a running job has. For nodes with GPUs of several types, whose hooks are told only a
 * part of them. Never called by a hook.
 * @throws when scontrol is not there, fails, or does not answer in time.
 */
export async function askScontrol(slurmConf: string, jobId: string): Promise<GpuPositions> {
  const { stdout } = await run('scontrol', ['-d', 'show', 'job', jobId], {
    timeout: SCONTROL_TIMEOUT_MS,
    maxBuffer: SCONTROL_BYTES_MAX,
    env: { ...process.env, SLURM_CONF: slurmConf, LC_ALL: 'C' },
  });
  return gpuPositionsOf(stdout, jobId);
}

/**
 * Reads `Nodes=n[1-2] … GRES=gpu:h100:2(IDX:0-1)` lines of the block of `jobId`: the answer about the last task of an
 * array holds the blocks of the whole array. Empty once the job is completing.
 */
export function gpuPositionsOf(text: string, jobId: string): GpuPositions {
  const positions = new Map<string, number[]>();
  const block = text
    .split(/\n(?=JobId=)/)
    .find((one) => new RegExp(`^JobId=${jobId}\\b`).test(one.trimStart()));
  for (const [, nodes, gres] of block?.matchAll(/\bNodes=(\S+)\s.*?\bGRES=(\S+)/g) ?? []) {
    const indices = splitOutsideBrackets(gres!).flatMap(indicesOf);
    for (const node of expandHostlist(nodes!)) {
      positions.set(
        node,
        [...new Set([...(positions.get(node) ?? []), ...indices])].sort((a, b) => a - b),
      );
    }
  }
  return positions;
}

/** `gpu:v100:2(IDX:0-1,3)`, the type may be absent; shards and MPS name their GPU. */
function indicesOf(entry: string): number[] {
  const match = /^(?:gpu|shard|mps)\b[^(]*\(IDX:([0-9,-]*)\)$/.exec(entry.replace(/^gres\//, ''));
  return match === null ? [] : [...expandRanges(match[1]!)].map(Number);
}
