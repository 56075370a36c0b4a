import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  nameAlone,
  parseGivenJson,
  parseGivenText,
  positionsOf,
  type GivenDevices,
} from '../../../schemas/slurm/scontrol.ts';
import { hasNoJson, ownEnvironment } from './command-output.ts';

const run = promisify(execFile);
const SCONTROL_TIMEOUT_MS = 10_000;
const SCONTROL_BYTES_MAX = 8 << 20;

/** Positions of the GPUs of a job per node. */
export type GpuPositions = ReadonlyMap<string, readonly number[]>;

/**
 * Asks the controller which GPUs, and which parts of GPUs, a running job has. For nodes with GPUs of several types, whose hooks
 * are told only a part of them, and for shards and MPS, of which they are told nothing. Never called by a hook.
 * @throws when scontrol is not there, fails, or does not answer in time, or when its answer is not certain.
 */
export type AskScontrol = (slurmConf: string, jobId: string) => Promise<GivenDevices>;

/** One that remembers whether this machine's scontrol speaks JSON. */
export function createScontrol(): AskScontrol {
  let speaksJson = true;
  return async (slurmConf, jobId) => {
    const show = async (name: string, ...parameters: string[]): Promise<string> => {
      const { stdout } = await run('scontrol', ['-d', ...parameters, 'show', 'job', name], {
        timeout: SCONTROL_TIMEOUT_MS,
        maxBuffer: SCONTROL_BYTES_MAX,
        env: { ...ownEnvironment(), SLURM_CONF: slurmConf },
      });
      return stdout;
    };
    if (speaksJson) {
      try {
        return parseGivenJson(await show(jobId, '--json'), jobId);
      } catch (thrown) {
        if (!(thrown instanceof Error && hasNoJson(thrown.message))) throw thrown;
        speaksJson = false;
      }
    }
    const text = await show(jobId);
    const alone = nameAlone(text, jobId);
    return parseGivenText(alone === undefined ? text : await show(alone), jobId);
  };
}

/**
 * The GPUs alone, from text that was asked for before.
 * @throws Error when it is not certain
 */
export function gpuPositionsOf(text: string, jobId: string): GpuPositions {
  return gpuPositions(parseGivenText(text, jobId));
}

function gpuPositions(given: GivenDevices): GpuPositions {
  return new Map([...given].map(([node, devices]) => [node, positionsOf(devices)]));
}
