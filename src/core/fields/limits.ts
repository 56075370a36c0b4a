/** Every bound of the collector, with its unit and its reason. */

/**
 * Milliseconds. The floor of the profiling hardware: faster reads repeat a value or give none (NVML's GPM wants more
 * than 100 ms between its two samples, DCGM documents 100 ms as its minimum).
 */
export const PROFILING_INTERVAL_MS_MIN = 100;

/** Milliseconds. Below this the spacing of ticks is the operating system's, not ours; no driver value is fresher. */
export const LANE_INTERVAL_MS_MIN = 10;

/** Milliseconds (one day). A slower lane could not tell a gap from its own interval within any report. */
export const LANE_INTERVAL_MS_MAX = 86_400_000;

/** Ticks. A ring needs one tick that is in flight and one that is being written. */
export const RING_CAPACITY_TICKS_MIN = 2;

/** Ticks. One million ticks of 8 GPUs and 24 fields are 1.7 GB: more belongs on disk. */
export const RING_CAPACITY_TICKS_MAX = 1_000_000;

/** Milliseconds. A ring holds ten minutes by default: longer than a restart of the store takes. */
export const RING_DEFAULT_SPAN_MS = 600_000;

/** Ticks. Slow lanes hold this many by default, which costs them little. */
export const RING_DEFAULT_TICKS_MIN = 600;

/** Lanes. Each has a table, a ring, and a set of rollups. */
export const LANES_MAX = 32;

/** Fields of one watch: DCGM takes at most so many ids in a field group. */
export const WATCH_FIELDS_MAX = 128;
/** Fields of one lane. One watch takes them all. */
export const LANE_FIELDS_MAX = WATCH_FIELDS_MAX;

/** Characters. `gpu_<lane>_1m` must stay below QuestDB's 127 bytes of a table's name, and readable. */
export const LANE_NAME_LENGTH_MAX = 40;

/** Milliseconds between two flushes: cron's floor is a second; above ten minutes, a crash loses too much. */
export const FLUSH_INTERVAL_MS_MIN = 1_000;
export const FLUSH_INTERVAL_MS_MAX = 600_000;

/** Rows of one request. 10 000 rows are some 4 MB of ILP: large enough to be efficient, small enough to send again. */
export const BATCH_ROWS_MIN = 1;
export const BATCH_ROWS_MAX = 100_000;

/**
 * Rows of one request of a scenario that is played: some 14 MB. Nobody waits for its newest row, and the store does half as
 * many transactions and refreshes of its views.
 */
export const PLAY_BATCH_ROWS = 20_000;

/** Milliseconds that one request to QuestDB may take. */
export const REQUEST_TIMEOUT_MS_MIN = 100;
export const REQUEST_TIMEOUT_MS_MAX = 600_000;

/**
 * Milliseconds for which a device must have been idle to be told of. Minutes of the beginning of a job and pauses for an evaluation are
 * shorter; 24 hours are looked at, and what is idle for so long must lie within.
 */
export const IDLE_AFTER_MS_MIN = 60_000;
export const IDLE_AFTER_MS_MAX = 12 * 3600_000;
/** As the watchers of other sites warn (15 min), long before they cancel. */
export const IDLE_AFTER_MS_DEFAULT = 900_000;

/** Milliseconds between two messages about one job that idles. */
export const IDLE_REMIND_MS_MIN = 300_000;
export const IDLE_REMIND_MS_MAX = 7 * 86_400_000;

/** Milliseconds between two readings of the cgroups of jobs: faster, their files cost more than they tell. */
export const HOST_INTERVAL_MS_MIN = 1_000;
export const HOST_INTERVAL_MS_MAX = 60_000;

/**
 * Milliseconds between two questions to the scheduler how its nodes are and who waits. Each is two of its commands, and its controller has
 * others to answer; what lasted an hour is told by its accounting as well.
 */
export const SCHEDULER_POLL_MS_MIN = 15_000;
export const SCHEDULER_POLL_MS_MAX = 3600_000;

/** Nodes and GPUs that the synthetic source makes up: enough for a large cluster, few enough for one process. */
export const SYNTHETIC_NODES_MAX = 1_000;
export const SYNTHETIC_GPUS_MAX = 64;

/** Ticks that a ring of this interval holds unless told otherwise. */
export function defaultCapacityTicks(intervalMs: number): number {
  return Math.max(RING_DEFAULT_TICKS_MIN, Math.ceil(RING_DEFAULT_SPAN_MS / intervalMs));
}

/** Rows of one small table that wait for the store: a day of job changes on a busy node, a few MB. */
export const OUTBOX_ROWS_MAX = 20_000;

/** Bytes of one request body. QuestDB takes 1 GiB; 16 MiB go out in well under a second and are cheap to send again. */
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;
