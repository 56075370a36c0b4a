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
/** So far apart the clocks of nodes and controller may be. */
export const CLOCK_SKEW_US_MAX = 60e6;
/** So much may the scheduler's length of a run, between whole seconds, differ from that which a hook saw. */
const LENGTH_TOLERANCE_US = 2e6;
/** Tellings with less in common than the clocks may be apart are of one run if it is at least this part of the shorter. */
const OVERLAP_RATIO_MIN = 0.5;
/** After so long the id may have come round again, where nobody told how long the first job ran. */
const OPEN_US_MAX = 24 * 3600e6;
/** A job goes back into the queue when it ends; what was submitted later than this is another one. */
const REQUEUE_US_MAX = 24 * 3600e6;

/** States after which Slurm starts a job again only if somebody asks for it. */
const FINAL_STATES = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'OUT_OF_MEMORY', 'DEADLINE']);

/** Whether two tellings are of one run. One job's runs never overlap, so that the same time under one id is the same run. */
export function isSameRun(a: RunTold, b: RunTold): boolean {
  if (a.jobId !== b.jobId || differ(a.cluster, b.cluster)) return false;
  if (a.sluid !== undefined && b.sluid !== undefined) return a.sluid === b.sluid;
  if (differ(a.user, b.user)) return false;
  if (a.submitUs !== undefined && b.submitUs !== undefined) return a.submitUs === b.submitUs;
  if (differ(countOf(a), countOf(b))) return false;
  const isCounted = countOf(a) !== undefined && countOf(b) !== undefined;
  if (!isCounted && (isRequeuedButNot(a, b) || isRequeuedButNot(b, a))) return false;
  const commonUs = overlapUs(a, b);
  const [earlier, later] = a.startUs <= b.startUs ? [a, b] : [b, a];
  if (!isCounted && isSameButForClocks(earlier, later)) return true;
  if (commonUs === 0 && overlapRatio(a, b) === 1) return true;
  // One count comes again only with the id, days later: so near to each other, clocks are apart.
  if (commonUs <= 0)
    return isCounted && commonUs >= -CLOCK_SKEW_US_MAX && later.startUs - earlier.startUs <= OPEN_US_MAX;
  if (later.startUs - earlier.startUs > reachUs(earlier, later)) return false;
  // Of an open one no more is known than its start; and what bears the same count is one run, whatever the clocks.
  if (isOpen(earlier) || isOpen(later) || isCounted || commonUs > CLOCK_SKEW_US_MAX) return true;
  return overlapRatio(a, b) >= OVERLAP_RATIO_MIN;
}

/**
 * Whether the scheduler's telling and another one differ by no more than clocks do: they began at about the same time and
 * lasted as long. Of two others it shows nothing: whatever bears that name may have been started twice.
 */
function isSameButForClocks(earlier: RunTold, later: RunTold): boolean {
  if ((earlier.submitUs === undefined) === (later.submitUs === undefined)) return false;
  if (isOpen(earlier) || isOpen(later) || later.startUs - earlier.startUs > CLOCK_SKEW_US_MAX) return false;
  return Math.abs(lengthOf(earlier) - lengthOf(later)) <= LENGTH_TOLERANCE_US;
}

function lengthOf({ startUs, endUs = Infinity }: RunTold): number {
  return Math.max(0, endUs - startUs);
}

/** A run that went back into the queue has no final state. */
function isRequeuedButNot({ state }: RunTold, { state: other = '' }: RunTold): boolean {
  return state === 'REQUEUED' && FINAL_STATES.has(other);
}

/** How much later than one telling another one of the same run may begin. */
function reachUs(earlier: RunTold, later: RunTold): number {
  // A run of which a hook tells no count beside one that has one is known by its end alone, which names the scheduler's own
  // start: only clocks make it later.
  const isHooks = earlier.submitUs === undefined && later.submitUs === undefined && later.user !== undefined;
  if (isHooks && countOf(earlier) !== undefined && countOf(later) === undefined) return CLOCK_SKEW_US_MAX;
  // The end of a stay on a device may be no more than the start of the next one.
  const isEndTold = !isOpen(earlier) && (earlier.user !== undefined || later.user === undefined);
  if (earlier.submitUs !== undefined || (isEndTold && later.submitUs === undefined)) return Infinity;
  // Nobody sees a run begin before the scheduler has started it, but for the controller's hook while nodes are woken up:
  // that it is this run's shows by its end, or by its count.
  const isCounted = countOf(earlier) !== undefined && countOf(later) !== undefined;
  const isCertain = later.submitUs === undefined || isCounted || (isEndTold && earlier.user !== undefined);
  return isCertain ? OPEN_US_MAX : CLOCK_SKEW_US_MAX;
}

/** Common time in relation to the shorter of the two, in [0, 1]; 1 where one of them lies in the other. */
export function overlapRatio(a: RunTold, b: RunTold): number {
  const commonUs = overlapUs(a, b);
  const shorterUs = Math.min(endOf(a) - a.startUs, endOf(b) - b.startUs);
  if (commonUs < 0) return 0;
  // Two open ones both last for ever; one of no length lies in the other or not.
  if (shorterUs === 0 || commonUs === Infinity) return 1;
  return commonUs / shorterUs;
}

/** Of these tellings the one that is of the same run as `one`; undefined when none is. Of several the nearest in time. */
export function tellingOfSameRun<T extends RunTold>(tellings: Iterable<T>, one: RunTold): T | undefined {
  let nearest: T | undefined;
  for (const other of tellings) {
    if (!isSameRun(other, one)) continue;
    if (nearest === undefined || distanceUs(other, one) < distanceUs(nearest, one)) nearest = other;
  }
  return nearest;
}

function overlapUs(a: RunTold, b: RunTold): number {
  return Math.min(endOf(a), endOf(b)) - Math.max(a.startUs, b.startUs);
}

function distanceUs(a: RunTold, b: RunTold): number {
  const endsUs = isOpen(a) || isOpen(b) ? 0 : Math.abs(endOf(a) - endOf(b));
  return Math.abs(a.startUs - b.startUs) + endsUs;
}

function endOf({ startUs, endUs = Infinity, submitUs }: RunTold): number {
  return Math.max(startUs, endUs) + (submitUs === undefined ? 0 : SCHEDULER_STEP_US);
}

function isOpen({ endUs = Infinity }: RunTold): boolean {
  return endUs === Infinity;
}

/**
 * Whether `next` is a later run of the job that `run` is of, and no other job under the same id. Both of one cluster and id,
 * `next` the one that began later.
 */
export function isRequeueOf(next: RunTold, run: RunTold): boolean {
  if (differ(run.user, next.user)) return false;
  if (isResizeOf(next, run)) return true;
  const [before, after] = [countOf(run), countOf(next)];
  if (after === 0) return false;
  // Somebody may ask for a job that had ended to be run once more: only its count can tell.
  if (before !== undefined && after !== undefined) return after > before;
  if (run.state !== undefined && FINAL_STATES.has(run.state)) return false;
  return next.submitUs === undefined || next.submitUs - endOf(run) <= REQUEUE_US_MAX;
}

/** Accounting begins a row whenever a job that runs is given another size, and says that it was submitted just then. */
function isResizeOf({ submitUs, startUs }: RunTold, run: RunTold): boolean {
  const isWhole = run.submitUs !== undefined && !isOpen(run);
  return isWhole && submitUs === startUs && startUs <= endOf(run);
}

/** All that was told of one run. */
export interface Run<T extends RunTold> {
  /**
   * What is known of it by all of them: from the earliest start to the latest end, which is Infinity where the best
   * informed of them knows of none.
   */
  readonly told: RunTold;
  readonly members: readonly T[];
}

/** All runs of one job, ascending by start. */
export interface Job<T extends RunTold> {
  readonly runs: readonly NumberedRun<T>[];
}

export interface NumberedRun<T extends RunTold> extends Run<T> {
  /** As told, else one more than the run before; ascending within a job. */
  readonly number: number;
}

/**
 * Makes jobs out of all that was told under one or several ids, in whatever order: rows of `jobs`, stays on devices. What
 * bears no mark of its own (a stay) belongs to the run with which it shares its time.
 * @returns ascending by the start of their newest run
 */
export function jobsOf<T extends RunTold>(tellings: readonly T[]): Job<T>[] {
  const byId = Map.groupBy(tellings, ({ jobId }) => jobId);
  return [...byId.values()].flatMap((told) => chainsOf(runsOf(told.sort(byKnowledge)))).sort(byNewestRun);
}

/** The best informed first, so that the others find the run which they are of; a whole order, so that all gives the same. */
function byKnowledge(a: RunTold, b: RunTold): number {
  return (
    rankOf(a) - rankOf(b) ||
    a.startUs - b.startUs ||
    compare(a.endUs ?? Infinity, b.endUs ?? Infinity) ||
    compare(wordsOf(a), wordsOf(b))
  );
}

function rankOf(told: RunTold): number {
  if (told.sluid !== undefined || told.submitUs !== undefined) return 0;
  return (
    (countOf(told) === undefined ? 2 : 0) + (told.user === undefined && told.state === undefined ? 2 : 1)
  );
}

function wordsOf({ jobId, cluster, run, submitUs, sluid, user, state }: RunTold): string {
  return JSON.stringify([jobId, cluster, run, submitUs, sluid, user, state]);
}

function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** @param tellings of one job id, the best informed first */
function runsOf<T extends RunTold>(tellings: readonly T[]): Run<T>[] {
  if (tellings.length === 1) return [{ told: toldOf(tellings[0]!), members: tellings }];
  const runs: { told: RunTold; members: T[] }[] = [];
  for (const one of tellings) {
    const same = tellingOfSameRun(
      runs.map(({ told }) => told),
      one,
    );
    const known = runs.findIndex(({ told }) => told === same);
    const [run] = known === -1 ? [] : runs.splice(known, 1);
    if (run === undefined) runs.push({ told: toldOf(one), members: [one] });
    else {
      run.told = together(run.told, one);
      run.members.push(one);
      runs.push(run);
    }
  }
  return runs.sort((a, b) => a.told.startUs - b.told.startUs);
}

/** Nothing but what is told of the run. */
function toldOf({ cluster, jobId, run, startUs, endUs, submitUs, sluid, user, state }: RunTold): RunTold {
  return { cluster, jobId, run, startUs, endUs, submitUs, sluid, user, state };
}

/** What the first one, the better informed, does not know it takes from the second. */
function together(a: RunTold, b: RunTold): RunTold {
  return {
    cluster: a.cluster ?? b.cluster,
    jobId: a.jobId,
    run: countOf(a) ?? countOf(b),
    startUs: Math.min(a.startUs, b.startUs),
    endUs: isOpen(a) ? Infinity : Math.max(a.endUs!, isOpen(b) ? -Infinity : b.endUs!),
    submitUs: a.submitUs ?? b.submitUs,
    sluid: a.sluid ?? b.sluid,
    user: a.user ?? b.user,
    state: a.state ?? b.state,
  };
}

/** @param runs of one job id, ascending by start */
function chainsOf<T extends RunTold>(runs: readonly Run<T>[]): Job<T>[] {
  if (runs.length === 1) return [{ runs: [numbered(runs[0]!, 0)] }];
  const jobs: { cluster: string | undefined; runs: NumberedRun<T>[] }[] = [];
  for (const run of runs) {
    const { cluster } = run.told;
    const job = jobs.findLast((one) => !differ(one.cluster, cluster));
    const last = job?.runs.at(-1);
    if (job === undefined || last === undefined || !isRequeueOf(run.told, last.told))
      jobs.push({ cluster, runs: [numbered(run, 0)] });
    else {
      job.cluster ??= cluster;
      job.runs.push(numbered(run, last.number + 1));
    }
  }
  return jobs;
}

function numbered<T extends RunTold>({ told, members }: Run<T>, least: number): NumberedRun<T> {
  return { told, members, number: Math.max(countOf(told) ?? 0, least) };
}

function byNewestRun(a: Job<RunTold>, b: Job<RunTold>): number {
  const [one, other] = [a.runs.at(-1)!.told, b.runs.at(-1)!.told];
  // Tasks of an array begin together.
  return (
    one.startUs - other.startUs || compare(one.jobId, other.jobId) || compare(wordsOf(one), wordsOf(other))
  );
}

function countOf({ run }: RunTold): number | undefined {
  return run === undefined || Number.isNaN(run) ? undefined : run;
}

/** Both are known, and not the same. */
export function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
