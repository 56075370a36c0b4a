import type { Found, JobDevice, JobFacts } from '../figures.ts';

/** What a scheduler's commands take as an id, and as the name of a node: whatever else somebody is called goes into no command. */
const SLURM_ID = /^\d{1,10}$/;
const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/;

/**
 * Slurm alone tells of submission, SLUID, state and components of jobs; whose hooks told of a job without them is not stored. The jobs
 * of the synthetic source are told in its words.
 */
function isOfSlurm({ job: { sluid, submitUs, state, hetJobId } }: JobFacts): boolean {
  return [sluid, submitUs, state, hetJobId].some((told) => told !== undefined);
}

/** What to type; undefined where there is nothing, or nobody knows for which scheduler. */
export function commandOf(found: Found, facts: JobFacts): string | undefined {
  const { isOpen, devices } = facts;
  if (found.rule === 'crash-loop' || found.rule === 'regressed') return besideCommand(found.typedIds);
  if (!isOfSlurm(facts)) return undefined;
  if (found.rule === 'unused') {
    const used = devices.length - found.devices.length;
    if (used > 0) return gpusCommand(devices, used);
    return isOpen ? cancel(facts) : undefined;
  }
  if (found.rule === 'fragmented') return `#SBATCH --nodes=${found.nodesEnough}`;
  // Each process writes its stack, where it is made to when it is aborted.
  if (found.rule === 'hang') return found.isOpen ? cancel(facts, '--signal=ABRT ') : undefined;
  if (found.rule === 'idle-tail') return isOpen && !found.isCutOff ? cancel(facts) : undefined;
  const isSlow = found.rule === 'computes-longest' && found.slowest.why === 'device';
  return isSlow && NODE_NAME.test(found.device.node) ? `#SBATCH --exclude=${found.device.node}` : undefined;
}

/** Whoever ran them: their accounts one after the other. */
function besideCommand(typedIds: readonly string[]): string | undefined {
  return typedIds.length < 2 ? undefined : `gpuledger report job ${typedIds.join(' ')}`;
}

function cancel({ job: { jobId } }: JobFacts, how = ''): string | undefined {
  return SLURM_ID.test(jobId) ? `scancel ${how}${jobId}` : undefined;
}

/** Instances are asked for by their profile, which sites name as they like. */
function gpusCommand(devices: readonly JobDevice[], count: number): string | undefined {
  if (devices.some(({ migProfile }) => migProfile !== undefined)) return undefined;
  const nodes = new Set(devices.map(({ node }) => node)).size;
  return nodes === 1 ? `#SBATCH --gres=gpu:${count}` : `#SBATCH --gpus=${count}`;
}
