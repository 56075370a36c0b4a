import * as z from 'zod';
import type { JobRecord } from '../src/core/jobs/job-fact.ts';

/**
 * What `squeue --json` and `sacct` say of jobs, in the versions that differ: 22.05 writes plain numbers and words, newer
 * ones wrap numbers in `{set, infinite, number}` and states in lists. Devices are in neither.
 */

export interface SlurmJob {
  readonly record: JobRecord;
  /** False when the scheduler says that it has no GPU; undefined when it does not say. */
  readonly hasGpus: boolean | undefined;
}

const wrapped = z.object({ set: z.boolean().optional(), number: z.number().optional() });
const number = z.union([z.number(), wrapped, z.null()]).transform((value) => {
  if (value === null || typeof value === 'number') return value ?? undefined;
  return value.set === false ? undefined : value.number;
});
const word = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value[0] : value));
const exitCode = z.union([
  // 22.05: the raw status of wait().
  z.number().transform((raw) => ((raw & 0x7f) > 0 ? 128 + (raw & 0x7f) : raw >> 8)),
  z
    .object({ return_code: number.optional(), signal: z.object({ id: number.optional() }).optional() })
    .transform(({ return_code: status, signal }) => ((signal?.id ?? 0) > 0 ? 128 + signal!.id! : status)),
]);

const squeueJob = z.object({
  job_id: z.number(),
  name: z.string().optional(),
  user_name: z.string().optional(),
  account: z.string().optional(),
  partition: z.string().optional(),
  qos: z.string().optional(),
  job_state: word,
  array_job_id: number.optional(),
  array_task_id: number.optional(),
  het_job_id: number.optional(),
  restart_cnt: number.optional(),
  node_count: number.optional(),
  start_time: number.optional(),
  end_time: number.optional(),
  exit_code: exitCode.optional().catch(undefined),
  tres_alloc_str: z.string().optional(),
  tres_per_node: z.string().optional(),
  tres_per_job: z.string().optional(),
});
const squeueReply = z.object({ jobs: z.array(z.unknown()) });

/** Jobs that end no more: they have a state and an end of their own. */
const LIVE_STATES = new Set([
  'PENDING',
  'RUNNING',
  'CONFIGURING',
  'COMPLETING',
  'SUSPENDED',
  'REQUEUED',
  'REQUEUE_HOLD',
]);

/**
 * Jobs that have begun, from the text of `squeue --json`; what cannot be understood of a job leaves that job out.
 * @throws when the text is no reply of squeue at all.
 */
export function parseSqueue(text: string): SlurmJob[] {
  const { jobs } = squeueReply.parse(JSON.parse(text));
  return jobs.flatMap((one): SlurmJob[] => {
    const parsed = squeueJob.safeParse(one);
    if (!parsed.success) return [];
    const job = parsed.data;
    const startUs = (job.start_time ?? 0) * 1e6;
    if (startUs <= 0 || job.job_state === undefined || job.job_state === 'PENDING') return [];
    const isOver = !LIVE_STATES.has(job.job_state);
    const gres = [job.tres_alloc_str, job.tres_per_node, job.tres_per_job].join(',');
    const gpus = gpuCountOf(job.tres_alloc_str ?? '');
    const isArray = (job.array_job_id ?? 0) > 0;
    return [
      {
        hasGpus: /\b(gpu|shard|mps)\b/.test(gres) ? true : undefined,
        record: {
          jobId: String(job.job_id),
          run: job.restart_cnt ?? 0,
          startUs,
          ...present({
            endUs: isOver ? (job.end_time ?? 0) * 1e6 || undefined : undefined,
            name: job.name,
            user: job.user_name,
            account: job.account,
            partition: job.partition,
            qos: job.qos,
            arrayJobId: isArray ? String(job.array_job_id) : undefined,
            arrayTaskId: isArray && job.array_task_id !== undefined ? String(job.array_task_id) : undefined,
            hetJobId: (job.het_job_id ?? 0) > 0 ? String(job.het_job_id) : undefined,
            nodes: job.node_count,
            gpus,
            state: job.job_state,
            exitCode: isOver ? job.exit_code : undefined,
          }),
        },
      },
    ];
  });
}

/** Between the columns of `sacct --delimiter`: no name holds it. */
export const SACCT_DELIMITER = '\u001f';
/** Columns asked of sacct, in this order; every version from 20.11 on knows them. */
export const SACCT_COLUMNS = [
  ...['JobIDRaw', 'JobID', 'JobName', 'User', 'Account', 'Partition', 'QOS'],
  ...['State', 'ExitCode', 'Start', 'End', 'NNodes', 'AllocTRES'],
] as const;

/**
 * Jobs that have begun, from `sacct --duplicates --parsable2` with times in epoch seconds. The runs of a requeued job
 * follow each other by their start; their numbers count within the text.
 */
export function parseSacct(text: string): SlurmJob[] {
  const rows = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(SACCT_DELIMITER))
    .filter((cells) => cells.length === SACCT_COLUMNS.length && /^\d+$/.test(cells[9]!))
    .sort((a, b) => Number(a[9]) - Number(b[9]));
  const runs = new Map<string, number>();
  return rows.map((cells) => {
    const [jobId, shown, name, user, account, partition, qos, state, exit, start, end, nodes, tres] =
      cells as [string, ...string[]];
    const run = runs.get(jobId) ?? 0;
    runs.set(jobId, run + 1);
    const array = /^(\d+)_(\d+)$/.exec(shown!);
    const het = /^(\d+)\+(\d+)$/.exec(shown!);
    const [status = NaN, signal = NaN] = exit!.split(':').map(Number);
    const gpus = gpuCountOf(tres!);
    const endUs = /^\d+$/.test(end!) ? Number(end) * 1e6 : undefined;
    return {
      hasGpus: gpus !== undefined ? true : tres === '' ? undefined : false,
      record: {
        jobId,
        run,
        startUs: Number(start) * 1e6,
        ...present({
          endUs,
          ...{ name, user, account, partition, qos },
          arrayJobId: array?.[1],
          arrayTaskId: array?.[2],
          hetJobId: het?.[1],
          nodes: Number(nodes),
          gpus,
          // "CANCELLED by 1000"
          state: state!.split(' ')[0],
          exitCode:
            endUs === undefined || Number.isNaN(status) ? undefined : signal > 0 ? 128 + signal : status,
        }),
      },
    };
  });
}

/** `cpu=1,gres/gpu=2,gres/gpu:h100=2` → 2; undefined without GPUs. */
function gpuCountOf(tres: string): number | undefined {
  const match = /(?:^|,)gres\/gpu=(\d+)/.exec(tres);
  return match === null || match[1] === '0' ? undefined : Number(match[1]);
}

type Known<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** Leaves out what is not known: undefined, and the empty words that Slurm writes for nothing. */
function present<T extends object>(fields: T): Known<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''),
  ) as Known<T>;
}
