import { shellWord } from '../../core/base/shell.ts';
import { isoMicroseconds } from '../sql-text.ts';

/** Which of the jobs that bear one id is meant; the newest of those that fit. */
export interface JobSelector {
  readonly cluster?: string | undefined;
  /** When one of its runs was submitted, or began where nobody told; epoch µs. A whole second stands for all of it. */
  readonly submittedUs?: number | undefined;
}

interface Shown extends JobSelector {
  /** Undefined: the newest. */
  readonly run?: number | undefined;
}

/** The command that shows a run of a job, as a shell takes it. */
export function jobCommand(jobId: string, { cluster, submittedUs, run }: Shown): string {
  const id = shellWord(jobId);
  const flags = [
    ...(cluster === undefined ? [] : [`--cluster ${shellWord(cluster)}`]),
    ...(submittedUs === undefined ? [] : [`--submitted ${timeText(submittedUs)}`]),
    ...(run === undefined ? [] : [`--run ${run}`]),
  ];
  const words = jobId.startsWith('-') ? [...flags, `-- ${id}`] : [id, ...flags];
  return `gpuledger report job ${words.join(' ')}`;
}

function timeText(us: number): string {
  return us % 1e6 === 0 ? `${new Date(us / 1000).toISOString().slice(0, 19)}Z` : isoMicroseconds(us);
}
