import * as z from 'zod';
import { messageOf } from '../../src/core/base/errors.ts';
import { asClusterName } from '../../src/core/devices/cluster-name.ts';
import { gpusOfNodes, gpusOfTres, namesGpus } from './gres.ts';
import { exitCodeOf, exitCodeOfPair, jobRow, present, quoteShort, type SlurmRow } from './jobs.ts';
import { visibleText } from '../visible-text.ts';

/**
 * A job as `squeue --json` and `scontrol show job --json` write it, from 21.08 to 26.05. Numbers are plain, or in a wrapping
 * `{set, infinite, number}`, and one key changes from the one to the other between two versions; states are a word, or a list
 * of words; texts may be null. Each key is therefore read in every form that any version has for any key.
 */

/** "Not set" and "no limit" of 32 bits and more, which older versions write as plain numbers. */
const NO_VALUE_MIN = 0xffff_fffe;

const wholeNumber = z.number().refine(Number.isInteger, 'expected a whole number');
const numberWrapping = z.object({
  set: z.boolean().optional(),
  infinite: z.boolean().optional(),
  number: wholeNumber.nullish(),
});
const count = z
  .union(
    [
      wholeNumber,
      z
        .string()
        .regex(/^\d*$/)
        .transform((text) => (text === '' ? undefined : Number(text))),
      numberWrapping.transform(unwrapped),
      z.null().transform(() => undefined),
    ],
    { error: 'expected a whole number' },
  )
  .transform((value) => (value === undefined || value < 0 || value >= NO_VALUE_MIN ? undefined : value))
  .optional();
const text = z
  .string({ error: 'expected a text' })
  .nullish()
  .transform((value) => visibleText(value ?? ''));
const words = z
  .union([z.string(), z.array(z.string())], { error: 'expected a state' })
  .transform((value) => (Array.isArray(value) ? value : [value]));
const texts = z
  .union([z.array(z.string().nullable()), z.string(), z.null()], { error: 'expected a list of texts' })
  .optional()
  .transform((value) => (value === undefined ? undefined : [value ?? []].flat().map((one) => one ?? '')));
const exitCode = z
  .union(
    [
      wholeNumber.transform(exitCodeOfWait),
      z
        .string()
        .regex(/^\d+:\d+$/)
        .transform(exitCodeOfPair),
      numberWrapping
        .extend({
          return_code: count,
          signal: z.object({ id: count, signal_id: count }).nullish(),
          status: z.unknown().optional(),
        })
        .refine((value) => 'number' in value || 'return_code' in value || 'signal' in value)
        .transform(({ return_code: status, signal, ...raw }) =>
          'number' in raw
            ? exitCodeOfWait(unwrapped(raw))
            : exitCodeOf(status, signal?.signal_id ?? signal?.id),
        ),
      z.null().transform(() => undefined),
    ],
    { error: 'expected an exit code' },
  )
  .optional();

const squeueJob = z.object({
  job_id: count.refine((id) => id !== undefined && Number.isInteger(id) && id > 0, 'expected a job id'),
  cluster: text,
  name: text,
  user_name: text,
  account: text,
  partition: text,
  qos: text,
  job_state: words,
  array_job_id: count,
  array_task_id: count,
  het_job_id: count,
  restart_cnt: count,
  // From 25.11 on.
  step_id: z.object({ sluid: text }).nullish(),
  node_count: count,
  nodes: z.unknown().optional(),
  submit_time: count,
  start_time: count,
  end_time: count,
  exit_code: exitCode,
  tres_alloc_str: text,
  tres_per_job: text,
  tres_per_node: text,
  tres_per_socket: text,
  tres_per_task: text,
  gres_detail: texts,
});
type SqueueJob = z.infer<typeof squeueJob>;

/** What a job does, and the word for it. */
interface Condition {
  readonly phase: 'waiting' | 'running' | 'over';
  readonly state: string;
}

/** Slurm's states proper. A list holds one of them, and flags. */
const STATES: ReadonlyMap<string, Condition['phase']> = new Map<string, Condition['phase']>([
  ['PENDING', 'waiting'],
  ['RUNNING', 'running'],
  ['SUSPENDED', 'running'],
  ['COMPLETED', 'over'],
  ['CANCELLED', 'over'],
  ['FAILED', 'over'],
  ['TIMEOUT', 'over'],
  ['NODE_FAIL', 'over'],
  ['PREEMPTED', 'over'],
  ['BOOT_FAIL', 'over'],
  ['DEADLINE', 'over'],
  ['OUT_OF_MEMORY', 'over'],
]);

/** Flags; up to 23.02 one of them stands alone in the place of the state. */
const FLAGS: ReadonlyMap<string, Condition> = new Map<string, Condition>([
  ['CONFIGURING', { phase: 'running', state: 'RUNNING' }],
  ['RESIZING', { phase: 'running', state: 'RUNNING' }],
  ['SIGNALING', { phase: 'running', state: 'RUNNING' }],
  ['STOPPED', { phase: 'running', state: 'RUNNING' }],
  ['POWER_UP_NODE', { phase: 'running', state: 'RUNNING' }],
  // Its devices are not free yet, and how it ended is not told.
  ['COMPLETING', { phase: 'running', state: 'COMPLETING' }],
  ['STAGE_OUT', { phase: 'running', state: 'COMPLETING' }],
  ['REQUEUED', { phase: 'waiting', state: 'PENDING' }],
  ['REQUEUE_FED', { phase: 'waiting', state: 'PENDING' }],
  ['REQUEUE_HOLD', { phase: 'waiting', state: 'PENDING' }],
  ['SPECIAL_EXIT', { phase: 'waiting', state: 'PENDING' }],
  ['RECONFIG_FAIL', { phase: 'waiting', state: 'PENDING' }],
  ['LAUNCH_FAILED', { phase: 'waiting', state: 'PENDING' }],
  ['REVOKED', { phase: 'waiting', state: 'PENDING' }],
  ['RESV_DEL_HOLD', { phase: 'waiting', state: 'PENDING' }],
]);

/** Reads one element of the list `jobs`. */
export function parseSqueueJob(json: string): SlurmRow {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    const found = quoteShort(`${json} (${messageOf(thrown)})`);
    return { kind: 'refused', jobId: undefined, expected: 'expected JSON', found };
  }
  const parsed = squeueJob.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const key = String(issue?.path[0] ?? 'job');
    const told = value as Record<string, unknown> | null;
    const { data: jobId } = count.safeParse(told?.['job_id']);
    return {
      kind: 'refused',
      jobId: jobId?.toString(),
      expected: `${key}: ${issue?.message ?? 'expected something else'}`,
      found: quoteShort(told?.[key]),
    };
  }
  return rowOf(parsed.data);
}

function rowOf(job: SqueueJob): SlurmRow {
  const condition = conditionOf(job.job_state);
  if (condition === undefined)
    return {
      kind: 'refused',
      jobId: String(job.job_id),
      expected: 'job_state: expected a known state',
      found: quoteShort(job.job_state),
    };
  const startUs = (job.start_time ?? 0) * 1e6;
  const wasPlaced = job.nodes === undefined || (job.nodes !== '' && job.nodes !== null);
  if (condition.phase === 'waiting' || startUs <= 0 || !wasPlaced) return { kind: 'waiting' };
  const isOver = condition.phase === 'over';
  const endUs = isOver ? (job.end_time ?? 0) * 1e6 || undefined : undefined;
  if (endUs !== undefined && endUs < startUs)
    return {
      kind: 'refused',
      jobId: String(job.job_id),
      expected: 'end_time: expected no time before start_time',
      found: quoteShort(job.end_time),
    };
  const isArray = (job.array_job_id ?? 0) > 0;
  const gpus = gpusOfTres(job.tres_alloc_str) ?? gpusOfNodes(job.gres_detail ?? []);
  return jobRow(
    {
      jobId: String(job.job_id),
      startUs,
      ...present({
        cluster: asClusterName(job.cluster),
        // A requeue counts before the run that it ends has let go of its nodes.
        run: condition.state === 'COMPLETING' ? undefined : job.restart_cnt,
        endUs,
        submitUs: (job.submit_time ?? 0) * 1e6 || undefined,
        sluid: job.step_id?.sluid,
        name: job.name,
        user: job.user_name,
        account: job.account,
        partition: job.partition,
        qos: job.qos,
        arrayJobId: isArray ? String(job.array_job_id) : undefined,
        arrayTaskId: isArray ? job.array_task_id?.toString() : undefined,
        hetJobId: (job.het_job_id ?? 0) > 0 ? String(job.het_job_id) : undefined,
        nodes: job.node_count,
        gpus: gpus === 0 ? undefined : gpus,
        state: condition.state,
        exitCode: isOver ? job.exit_code : undefined,
      }),
    },
    hasGpus(job, condition),
  );
}

/** Undefined for a state that this program does not know. */
function conditionOf(told: readonly string[]): Condition | undefined {
  const state = told.find((word) => STATES.has(word));
  if (state !== undefined) return { phase: STATES.get(state)!, state };
  return told.map((word) => FLAGS.get(word)).find((condition) => condition !== undefined);
}

function hasGpus(job: SqueueJob, { phase, state }: Condition): boolean | undefined {
  const { gres_detail: details, tres_alloc_str: given } = job;
  if (namesGpus(given) || (details ?? []).some(namesGpus)) return true;
  const asked = [job.tres_per_job, job.tres_per_node, job.tres_per_socket, job.tres_per_task];
  if (asked.some(namesGpus)) return true;
  // The details tell every device of a job that runs, and nothing any more of one that ends.
  return details !== undefined && phase === 'running' && state !== 'COMPLETING' ? false : undefined;
}

function unwrapped({ set, infinite, number }: z.infer<typeof numberWrapping>): number | undefined {
  return set === false || infinite === true ? undefined : (number ?? undefined);
}

/** The raw status of wait(), as versions up to 23.02 hand it on. */
function exitCodeOfWait(raw: number | undefined): number | undefined {
  if (raw === undefined || raw >= NO_VALUE_MIN) return undefined;
  return exitCodeOf(raw >> 8, raw & 0x7f);
}
