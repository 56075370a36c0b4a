import * as z from 'zod';
import { asClusterName } from '../src/core/devices/cluster-name.ts';
import { JOB_ID_CHARACTERS_MAX } from './map-file.ts';
import { visibleText } from './visible-text.ts';

/**
 * The records of the journal directory: what a hook tells of one job's begin or end on one node. The format is described
 * for people, and for those who write hooks of their own, in `docs/journal-format.md`.
 */

/** Records that are complete; anything else in the directory is on its way there. */
export const JOURNAL_SUFFIX = '.job';
const JOURNAL_VERSION = 1;
/** The longest record a Slurm hook makes has a few KiB. */
export const JOURNAL_RECORD_BYTES_MAX = 256 * 1024;

const MAGIC = 'gpuledger-job-record';
const LAST_WORD = 'end';
/** Free text is kept up to here; longer is cut, as data nobody queries by. */
const TEXT_CHARACTERS_MAX = 1024;

const text = z.string().transform((value) => value.slice(0, TEXT_CHARACTERS_MAX));
/** What people chose, and others print. */
const shownText = z.string().transform(visibleText);
const count = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number);
const jobId = z
  .string()
  .min(1)
  .max(JOB_ID_CHARACTERS_MAX)
  .refine((value) => !/\p{Cc}/u.test(value), 'expected a job id without control characters');

const recordV1 = z.object({
  event: z.enum(['start', 'end']),
  /** `slurm`, `pbs`, `shell`, … */
  manager: z.string().regex(/^[a-z0-9_-]{1,32}$/, 'expected a short lower-case name'),
  /** In which hook: `prolog_slurmd`, `epilog_slurmctld`, … The controller's hooks know no devices. */
  context: text.optional(),
  job: jobId,
  /** How often the job had been requeued before. */
  restart: count.optional(),
  sluid: text.optional(),
  cluster: text.transform(asClusterName).optional(),
  boot_id: z.string().regex(/^[0-9a-f-]{36}$/, 'expected a boot id'),
  /** Seconds since boot. */
  uptime: z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'expected seconds')
    .transform(Number),
  /** As the workload manager calls it. */
  node: text.optional(),
  nodes: count.optional(),
  nodelist: text.optional(),
  /** Devices as the manager counts them (`SLURM_JOB_GPUS`). */
  gpus: text.optional(),
  /** `CUDA_VISIBLE_DEVICES` of the hook. */
  visible: text.optional(),
  /** Devices as gpuledger knows them: UUIDs, or indices as NVML counts. Written by `gpuledger job`. */
  devices: text.optional(),
  /** Share of each device in (0, 1]. */
  share: z.coerce.number().gt(0).max(1).optional(),
  /** `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`. */
  mps: text.optional(),
  /** Path of slurm.conf. */
  conf: text.optional(),
  /** Epoch seconds at which the manager says that the job began. */
  start_time: count
    .or(
      z
        .string()
        .regex(/^\d{10,11}$/)
        .transform(Number),
    )
    .optional(),
  user: shownText.optional(),
  /** Number of the user on that node. */
  uid: z
    .string()
    .regex(/^\d{1,10}$/, 'expected the number of a user')
    .transform(Number)
    .optional(),
  account: shownText.optional(),
  partition: shownText.optional(),
  qos: shownText.optional(),
  name: shownText.optional(),
  array_job: text.optional(),
  array_task: text.optional(),
  het_job: text.optional(),
  /** `3:0`: exit status, and signal. */
  exit_code: text.optional(),
});

export type JournalRecord = z.infer<typeof recordV1>;

/** A record, or one sentence on what is wrong with it: what was expected, what came. */
export type JournalReading = { readonly record: JournalRecord } | { readonly fault: string };

/** Reads the content of one record of any version that was ever written. */
export function parseJournalRecord(content: Uint8Array): JournalReading {
  // A user's own text may hold any bytes; what is no UTF-8 becomes U+FFFD in it, and is a fault elsewhere.
  const words = new TextDecoder('utf-8').decode(content).split('\0');
  if (words[0] !== MAGIC) return { fault: `expected "${MAGIC}", found ${quote(words[0])}` };
  if (words.pop() !== '' || words.pop() !== LAST_WORD) {
    return {
      fault: `expected a record that ends with "${LAST_WORD}", found ${quote(words.at(-1))}: it is cut off`,
    };
  }
  const fields = new Map<string, string>();
  for (const word of words.slice(1)) {
    const equals = word.indexOf('=');
    if (equals <= 0) return { fault: `expected key=value, found ${quote(word)}` };
    const value = word.slice(equals + 1);
    // Slurm says "(null)" for an account that there is not.
    if (value !== '' && value !== '(null)') fields.set(word.slice(0, equals), value);
  }
  const version = fields.get('version');
  if (version !== String(JOURNAL_VERSION)) {
    return {
      fault: `expected version ${JOURNAL_VERSION}, found ${quote(version)}: written by a newer hook?`,
    };
  }
  // Unknown keys are for readers yet to come.
  const parsed = recordV1.safeParse(Object.fromEntries(fields));
  if (parsed.success) return { record: parsed.data };
  const [issue] = parsed.error.issues;
  const key = String(issue?.path[0]);
  return { fault: `${key}: ${issue?.message ?? 'malformed'}, found ${quote(fields.get(key))}` };
}

/** The bytes of a record; fields that are undefined are left out. */
export function formatJournalRecord(fields: Readonly<Record<string, string | undefined>>): string {
  const words = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value.replaceAll('\0', '')}`],
  );
  return [MAGIC, `version=${JOURNAL_VERSION}`, ...words, LAST_WORD].map((word) => `${word}\0`).join('');
}

function quote(word: string | undefined): string {
  return word === undefined ? 'nothing' : JSON.stringify(word.slice(0, 80));
}
