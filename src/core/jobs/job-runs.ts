/**
 * What a job is: (cluster, job id, submission); a run of it is told by its restart count and start. Several tellers see one
 * run (hooks on nodes and controller, squeue, accounting), at different moments and by different clocks, and ids are used
 * again. Here alone is decided which tellings are one run, and which runs are one job. `docs/ownership.md` says it for people.
 */

/** What somebody told of one run of a job. Times in epoch µs. */
export interface RunTold {
  readonly cluster?: string | undefined;
  readonly jobId: string;
  /** Restart count; undefined or NaN where the teller has none. */
  readonly run?: number | undefined;
  readonly startUs: number;
  /** Undefined or Infinity while it is open, or where nobody told. */
  readonly endUs?: number | undefined;
  /** Only the scheduler itself knows it. Slurm sets it anew at every requeue, so it is one run's. */
  readonly submitUs?: number | undefined;
  /** Slurm's own name of a run, from 25.11 on. */
  readonly sluid?: string | undefined;
  readonly user?: string | undefined;
  readonly state?: string | undefined;
}

/** The scheduler tells whole seconds, rounded down. */
const SCHEDULER_STEP_US = 1e6;
/** So far apart the clocks of nodes and controller may be: a run seen to begin before its start by more is another one. */
const CLOCK_SKEW_US_MAX = 60e6;
/** Two tellings of one run cover the same time: at least this part of the shorter one. */
const OVERLAP_RATIO_MIN = 0.5;

/** States after which Slurm starts a job again only if somebody asks for it. */
const FINAL_STATES = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'OUT_OF_MEMORY', 'DEADLINE']);

/** Whether two tellings are of one run. One job's runs never overlap, so that the same time under one id is the same run. */
export function isSameRun(a: RunTold, b: RunTold): boolean {
  if (a.jobId !== b.jobId || differ(a.cluster, b.cluster) || differ(a.user, b.user)) return false;
  if (a.sluid !== undefined && b.sluid !== undefined) return a.sluid === b.sluid;
  if (a.submitUs !== undefined && b.submitUs !== undefined) return a.submitUs === b.submitUs;
  if (differ(countOf(a), countOf(b))) return false;
  if (isBornBeforeIts(a, b) || isBornBeforeIts(b, a)) return false;
  return overlapRatio(a, b) >= OVERLAP_RATIO_MIN;
}

/** Nobody sees a run begin before the scheduler has started it. */
function isBornBeforeIts(seen: RunTold, scheduler: RunTold): boolean {
  if (scheduler.submitUs === undefined || seen.submitUs !== undefined) return false;
  return seen.startUs < scheduler.startUs - CLOCK_SKEW_US_MAX;
}

/** Common time in relation to the shorter of the two; 1 where one of them lies in the other. */
export function overlapRatio(a: RunTold, b: RunTold): number {
  const commonUs = Math.min(endOf(a), endOf(b)) - Math.max(a.startUs, b.startUs);
  const shorterUs = Math.min(endOf(a) - a.startUs, endOf(b) - b.startUs);
  if (commonUs < 0) return 0;
  // Two open ones both last for ever; one of no length lies in the other or not.
  if (shorterUs === 0 || commonUs === Infinity) return 1;
  return commonUs / shorterUs;
}

function endOf({ startUs, endUs = Infinity, submitUs }: RunTold): number {
  return Math.max(startUs, endUs) + (submitUs === undefined ? 0 : SCHEDULER_STEP_US);
}

/**
 * Whether `next` is a later run of the job that `run` is of, and no other job under the same id. Both of one cluster and id,
 * `next` the one that began later.
 */
export function isRequeueOf(next: RunTold, run: RunTold): boolean {
  if (differ(run.user, next.user)) return false;
  const [before, after] = [countOf(run), countOf(next)];
  if (after === 0) return false;
  // Somebody may ask for a job that had ended to be run once more: only its count can tell.
  if (before !== undefined && after !== undefined) return after > before;
  return run.state === undefined || !FINAL_STATES.has(run.state);
}

/** All that was told of one run. */
export interface Run<T extends RunTold> {
  /** What is known of it by all of them, from the earliest start to the latest end (Infinity while it is open). */
  readonly told: RunTold;
  readonly members: readonly T[];
}

/** All runs of one job, ascending by start. */
export interface Job<T extends RunTold> {
  readonly runs: readonly NumberedRun<T>[];
}

export interface NumberedRun<T extends RunTold> extends Run<T> {
  /** As told, else one more than the run before. */
  readonly number: number;
}

/**
 * Makes jobs out of all that was told under one or several ids. What bears no mark of its own (a stay on a device) belongs to
 * the run with which it shares most of its time.
 * @param tellings the best informed first: rows of accounting before stays on devices
 * @returns ascending by the start of their newest run
 */
export function jobsOf<T extends RunTold>(tellings: readonly T[]): Job<T>[] {
  const byId = Map.groupBy(tellings, ({ jobId }) => jobId);
  return [...byId.values()]
    .flatMap((told) => chainsOf(runsOf(told)))
    .sort((a, b) => a.runs.at(-1)!.told.startUs - b.runs.at(-1)!.told.startUs);
}

/** Of one job id. */
function runsOf<T extends RunTold>(tellings: readonly T[]): Run<T>[] {
  const runs: { told: RunTold; members: T[] }[] = [];
  for (const one of tellings) {
    const run = runs
      .filter(({ told }) => isSameRun(told, one))
      .sort((a, b) => overlapRatio(b.told, one) - overlapRatio(a.told, one))[0];
    if (run === undefined) runs.push({ told: { ...one }, members: [one] });
    else {
      run.told = together(run.told, one);
      run.members.push(one);
    }
  }
  return runs.sort((a, b) => a.told.startUs - b.told.startUs);
}

/** What the first one does not know it takes from the second. */
function together(a: RunTold, b: RunTold): RunTold {
  const known = Object.entries(a).filter(([, value]) => value !== undefined && !Number.isNaN(value));
  return {
    ...b,
    ...Object.fromEntries(known),
    startUs: Math.min(a.startUs, b.startUs),
    endUs: Math.max(a.endUs ?? Infinity, b.endUs ?? Infinity),
  };
}

/** @param runs of one job id, ascending by start */
function chainsOf<T extends RunTold>(runs: readonly Run<T>[]): Job<T>[] {
  const jobs: { cluster: string | undefined; runs: NumberedRun<T>[] }[] = [];
  for (const run of runs) {
    const { cluster } = run.told;
    const job = jobs.findLast((one) => !differ(one.cluster, cluster));
    const last = job?.runs.at(-1);
    if (job === undefined || last === undefined || !isRequeueOf(run.told, last.told))
      jobs.push({ cluster, runs: [{ ...run, number: countOf(run.told) ?? 0 }] });
    else job.runs.push({ ...run, number: countOf(run.told) ?? last.number + 1 });
  }
  return jobs;
}

function countOf({ run }: RunTold): number | undefined {
  return run === undefined || Number.isNaN(run) ? undefined : run;
}

/** Both are known, and not the same. */
function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
