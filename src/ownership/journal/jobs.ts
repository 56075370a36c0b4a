import type { OperatingError } from '../../core/base/errors.ts';
import type { JobFact, JobNews } from '../../core/jobs/job-fact.ts';
import { expandHostlist } from '../../core/devices/hostlist.ts';
import { UNRESOLVED_PREFIX } from '../../core/devices/identity.ts';
import { differ } from '../../core/jobs/job-runs.ts';
import type { Boot } from '../boot.ts';
import { JobRows } from './job-rows.ts';
import type { JournalEntry } from './entry.ts';
import { cannotResolve, clockSetBack, endWithoutStart } from './problems.ts';
import { ToldStays, type KnownStay } from './told-stays.ts';
import {
  apartByCluster,
  byTime,
  canBeEndOf,
  clusterOf,
  isController,
  isLaterStart,
  saidStartOf,
  saidStartUs,
  toldOf,
  type KnownStart,
} from './which-run.ts';

export interface JournalJobsOptions {
  readonly boot: Boot;
  /** Per device UUID: time of the last sample before this boot, epoch µs, where the store could tell. */
  readonly lastSampleUs?: ReadonlyMap<string, number>;
}

/** All that the journal has of one job id. */
interface JournalJob {
  entries: JournalEntry[];
  /** Of each prolog with devices, the run that it began. */
  readonly begun: Map<JournalEntry, NodeRun>;
  /** The run of each record of a node that is known to be of one, as of the last time that they were made anew. */
  readonly runOf: Map<JournalEntry, NodeRun>;
  /** Ends without a start of which somebody was told. */
  readonly reported: Set<JournalEntry>;
  readonly told: ToldStays;
}

/** The records of one job of one cluster on one node, and what that cluster's controller has told of it. */
interface JobOnNode {
  readonly job: JournalJob;
  readonly runs: NodeRun[];
  readonly controllerStarts: readonly JournalEntry[];
}

/** One run of a job on one node. */
interface NodeRun {
  readonly jobId: string;
  /** NaN where nobody counted. */
  readonly run: number;
  readonly cluster: string | undefined;
  readonly user: string | undefined;
  readonly uid: number | undefined;
  readonly sluid: string | undefined;
  readonly node: string;
  readonly bootId: string;
  /** By the clock as it was then. */
  readonly begunUs: number;
  /** The same, until the clock was set back behind it. */
  startUs: number;
  readonly startUptimeUs: number;
  /** No prolog told of it: somebody else's word stands for its start until one may. */
  readonly isInferred: boolean;
  /** UUIDs, or a stand-in for a device that could not be resolved. */
  owned: readonly Owned[];
  /** The first of its own ends and the start of the next run; Infinity: nothing is known of either. */
  endedUs: number;
  hasOwnEnd: boolean;
}

interface Owned {
  readonly gpu: string;
  readonly node: string;
  /** NaN where it is not known. */
  readonly share: number;
}

/** A wall clock that moved less than this against the uptime was only slewed, or read at another moment. */
const CLOCK_SET_BACK_US = 1_000_000;

/**
 * Makes ownership out of journal records: pairs each end with the last start of that job on that node, closes what a
 * dead node left open, and never guesses. Records come in any order: the runs of a job are made anew out of all of them, and
 * what was told of them before is corrected. Pure: clock and boot come in as arguments.
 */
export class JournalJobs {
  readonly #options: JournalJobsOptions;
  readonly #jobs = new Map<string, JournalJob>();
  /** Of which something new is known. */
  readonly #fresh = new Set<JournalJob>();
  readonly #rows = new JobRows();
  #facts: JobFact[] = [];
  #problems: OperatingError[] = [];

  constructor(options: JournalJobsOptions) {
    this.#options = options;
  }

  add(entry: JournalEntry): void {
    this.#rows.add(entry);
    const isStart = entry.record.event === 'start';
    // The controller's hooks know no devices and run on another machine: their ends say nothing of a node's.
    if (isController(entry) && !isStart) return;
    const owned = isStart && !isController(entry) ? this.#ownedOf(entry) : [];
    if (isStart && !isController(entry) && owned.length === 0) return;
    const job = this.#jobOf(entry.record.job);
    job.entries.push(entry);
    if (owned.length > 0) job.begun.set(entry, begunRun(entry, owned));
    this.#fresh.add(job);
  }

  /**
   * Looks after jobs that are running while the clock was set back behind their start: their samples now bear times at
   * which, by the clock, they had not begun. The start moves with the clock.
   * @param uptimeUs time since boot.
   */
  followClock(nowUs: number, uptimeUs: number): void {
    for (const job of this.#jobs.values()) {
      for (const run of job.begun.values()) {
        if (this.#isEnded(run)) continue;
        if (run.startUs - nowUs < CLOCK_SET_BACK_US || run.startUptimeUs > uptimeUs) continue;
        this.#moveStart(run, nowUs - (uptimeUs - run.startUptimeUs));
        this.#fresh.add(job);
      }
    }
  }

  /** Takes in which parts of its devices a run was given, where nobody has said so before. */
  tellShares(
    { name, record }: Pick<JournalEntry, 'name' | 'record'>,
    shares: ReadonlyMap<string, number>,
  ): void {
    const job = this.#jobs.get(record.job);
    const run = job && begunBy(job, name);
    if (run === undefined) return;
    run.owned = run.owned.map((one) => {
      const share = shares.get(one.gpu);
      return share === undefined || !Number.isNaN(one.share) ? one : { ...one, share };
    });
    this.#fresh.add(job!);
  }

  /** What came out since the last call. */
  take(): Required<JobNews> {
    this.#settle();
    const news = { facts: this.#facts, records: this.#rows.take(), problems: this.#problems };
    this.#facts = [];
    this.#problems = [];
    return news;
  }

  /** True when the run that this record belongs to has both its ends, or cannot get one. */
  isClosed({ record, name }: Pick<JournalEntry, 'name' | 'record'>): boolean {
    this.#settle();
    const job = this.#jobs.get(record.job);
    const run = job && begunBy(job, name);
    return run === undefined || this.#isEnded(run);
  }

  /** Bounds the memory: forgets runs that ended and began before `us`. */
  forgetBefore(us: number): void {
    this.#settle();
    for (const [jobId, job] of this.#jobs) {
      const isOver = (run: NodeRun): boolean => this.#isEnded(run) && run.startUs <= us;
      const isKept = (entry: JournalEntry): boolean => {
        const run = job.runOf.get(entry);
        return run === undefined ? entry.atUs > us : !isOver(run);
      };
      for (const run of new Set(job.runOf.values())) if (isOver(run)) job.told.forget(staysOf(run));
      const [kept, gone] = [job.entries.filter(isKept), job.entries.filter((entry) => !isKept(entry))];
      job.entries = kept;
      for (const known of [job.begun, job.runOf, job.reported]) for (const entry of gone) known.delete(entry);
      if (job.entries.length === 0) this.#jobs.delete(jobId);
    }
    this.#rows.forgetBefore(us);
  }

  #jobOf(jobId: string): JournalJob {
    let job = this.#jobs.get(jobId);
    if (job === undefined) {
      job = {
        ...{ entries: [], begun: new Map(), runOf: new Map() },
        ...{ reported: new Set(), told: new ToldStays() },
      };
      this.#jobs.set(jobId, job);
    }
    return job;
  }

  #settle(): void {
    for (const job of this.#fresh) this.#settleJob(job);
    this.#fresh.clear();
  }

  /** Makes the runs of a job anew, and tells what is new in them. */
  #settleJob(job: JournalJob): void {
    job.runOf.clear();
    const stays: KnownStay[] = [];
    for (const ofCluster of apartByCluster(job.entries)) {
      const controllerStarts = ofCluster.filter(isController);
      const ofNodes = ofCluster.filter((entry) => !isController(entry));
      for (const entries of Map.groupBy(ofNodes, ({ record }) => record.node).values())
        for (const run of this.#runsOf(job, entries, controllerStarts))
          stays.push(...run.owned.map((one) => ({ ...stayOf(run, one), endUs: this.#endUs(run, one.gpu) })));
    }
    this.#facts.push(...job.told.tell(stays, this.#replacedStays(job)));
    for (const entry of job.entries) {
      if (entry.record.event === 'start' || job.runOf.has(entry) || job.reported.has(entry)) continue;
      if (!ownsDevices(entry)) continue;
      job.reported.add(entry);
      this.#problems.push(endWithoutStart(entry));
    }
  }

  /** What one who had an end that names its start, and not the prolog of its run, has made of it. */
  #replacedStays({ entries, runOf }: JournalJob): KnownStay[] {
    return entries.flatMap((end) => {
      const startUs = saidStartUs(end);
      const run = runOf.get(end);
      if (startUs === undefined || run === undefined || run.isInferred || !ownsDevices(end)) return [];
      const inferred = { ...run, startUs, isInferred: true };
      return this.#ownedOf(end).map((one) => ({ ...stayOf(inferred, one), endUs: startUs }));
    });
  }

  /** @param entries of one node @returns ascending by start */
  #runsOf(
    job: JournalJob,
    entries: readonly JournalEntry[],
    controllerStarts: readonly JournalEntry[],
  ): NodeRun[] {
    const runs: NodeRun[] = [];
    for (const entry of entries) {
      const run = job.begun.get(entry);
      if (run === undefined) continue;
      run.hasOwnEnd = false;
      run.endedUs = Infinity;
      runs.push(run);
      job.runOf.set(entry, run);
    }
    runs.sort(byBegin);
    endAtNext(runs);
    const ends = entries.filter(({ record }) => record.event === 'end');
    for (const end of ends.sort(byTime)) this.#pair(end, { job, runs, controllerStarts });
    return runs;
  }

  /** The last start before it is the one that it ends. */
  #pair(end: JournalEntry, on: JobOnNode): void {
    const { record, atUs } = end;
    const run = on.runs.findLast((one) => isBefore(one, end) && canBeEndOf(end, one));
    if (run === undefined || this.#isOfLaterRun(run, end, on)) {
      this.#inferRun(end, on);
      return;
    }
    on.job.runOf.set(end, run);
    // slurmd runs the epilogs of a life that is over; the job had ended with it.
    if (run.bootId !== record.boot_id) return;
    if (atUs <= run.startUs && !run.isInferred)
      this.#moveStart(run, atUs - (record.uptime * 1e6 - run.startUptimeUs));
    run.hasOwnEnd = true;
    run.endedUs = Math.min(run.endedUs, atUs);
  }

  /** slurmd can leave a prolog out when a job comes back within minutes of its requeue; its epilog comes all the same. */
  #isOfLaterRun(run: NodeRun, end: JournalEntry, { controllerStarts }: JobOnNode): boolean {
    const { start_time: startS } = end.record;
    const knownUs = startS === undefined ? controllerStartOf(end, controllerStarts)?.us : startS * 1e6;
    const endedUs = this.#isDead(run) ? Math.min(run.endedUs, this.#options.boot.timeUs) : run.endedUs;
    return knownUs !== undefined && isLaterStart(knownUs, { startUs: run.startUs, endedUs });
  }

  /** The scheduler's own start, where somebody knows it, else nothing: an end alone owns no time. */
  #inferRun(end: JournalEntry, on: JobOnNode): void {
    const known = knownStartOf(end, on);
    if (known === undefined || !ownsDevices(end)) return;
    const { record, atUs } = end;
    const run: NodeRun = {
      ...newRun(end, this.#ownedOf(end), known.us),
      run: known.run,
      startUptimeUs: record.uptime * 1e6 - (atUs - known.us),
      isInferred: true,
      endedUs: atUs,
      hasOwnEnd: true,
    };
    on.job.runOf.set(end, run);
    on.runs.push(run);
    on.runs.sort(byBegin);
    endAtNext(on.runs);
  }

  /** Its node was booted again, and it left no end. */
  #isDead({ bootId, hasOwnEnd }: NodeRun): boolean {
    return bootId !== this.#options.boot.id && !hasOwnEnd;
  }

  #isEnded(run: NodeRun): boolean {
    return run.endedUs !== Infinity || this.#isDead(run);
  }

  /** If the node died with the job: it owned its devices until they were last seen, at the latest until the next boot. */
  #endUs(run: NodeRun, gpu: string): number {
    const { boot, lastSampleUs } = this.#options;
    const diedUs = Math.min(lastSampleUs?.get(gpu) ?? boot.timeUs, boot.timeUs);
    return Math.max(run.startUs, this.#isDead(run) ? Math.min(run.endedUs, diedUs) : run.endedUs);
  }

  #moveStart(run: NodeRun, startUs: number): void {
    this.#problems.push(clockSetBack(run.jobId, run.node, run.startUs, startUs));
    run.startUs = startUs;
  }

  #ownedOf(entry: JournalEntry): Owned[] {
    const { share, shares } = entry;
    const { devices, unresolved } = entry.resolution;
    const node = devices[0]?.node ?? entry.record.node ?? '';
    if (unresolved.length > 0 && entry.record.event === 'start')
      this.#problems.push(cannotResolve(entry, node));
    return [
      ...devices.map(({ uuid, node: own }) => ({ gpu: uuid, node: own, share: shares?.get(uuid) ?? share })),
      ...unresolved.map((name) => ({ gpu: unresolvedDevice(entry, node, name), node, share })),
    ];
  }
}

function begunRun(entry: JournalEntry, owned: readonly Owned[]): NodeRun {
  const { restart = NaN, uptime } = entry.record;
  return {
    ...newRun(entry, owned, entry.atUs),
    ...{ run: restart, startUptimeUs: uptime * 1e6, isInferred: false },
  };
}

/** What the record of either end tells of a run that began then. */
function newRun(
  entry: JournalEntry,
  owned: readonly Owned[],
  begunUs: number,
): Omit<NodeRun, 'run' | 'startUptimeUs' | 'isInferred'> {
  const { job: jobId, user, uid, sluid, boot_id: bootId } = entry.record;
  return {
    ...{ jobId, cluster: clusterOf(entry), user, uid, sluid, node: owned[0]!.node, bootId, owned },
    ...{ begunUs, startUs: begunUs, endedUs: Infinity, hasOwnEnd: false },
  };
}

function begunBy({ begun }: JournalJob, name: string): NodeRun | undefined {
  return [...begun].find(([entry]) => entry.name === name)?.[1];
}

/** The last start before this end that the controller has told of, and that can be of its run. */
function controllerStartOf(end: JournalEntry, starts: readonly JournalEntry[]): KnownStart | undefined {
  const isOf = (start: JournalEntry): boolean =>
    start.atUs <= end.atUs && canBeEndOf(end, toldOf(start)) && hasNode(start, end.record.node);
  const [last] = starts.filter(isOf).sort((a, b) => b.atUs - a.atUs);
  return last && { us: last.atUs, run: last.record.restart ?? NaN };
}

/** Whether the run that the controller has started can be on that node. */
function hasNode({ record: { nodelist } }: JournalEntry, node: string | undefined): boolean {
  return nodelist === undefined || node === undefined || expandHostlist(nodelist).includes(node);
}

/**
 * A start with the count before this end's is of its run if that was requeued, which the next start shows; else what the
 * controller told of the run itself may be lost.
 */
function isItsOwn(known: KnownStart, end: JournalEntry, starts: readonly JournalEntry[]): boolean {
  const { restart } = end.record;
  if (!differ(restart, Number.isNaN(known.run) ? undefined : known.run)) return true;
  const isNext = ({ record, atUs }: JournalEntry): boolean => record.restart === restart && atUs > end.atUs;
  return starts.some((one) => isNext(one) && !differ(one.record.user, end.record.user));
}

/** When the run of this end began, if anybody but its own prolog knows. */
function knownStartOf(end: JournalEntry, { runs, controllerStarts }: JobOnNode): KnownStart | undefined {
  const told = saidStartOf(end, runs);
  if (told !== undefined) return told;
  const known = controllerStartOf(end, controllerStarts);
  return known && isItsOwn(known, end, controllerStarts) ? known : undefined;
}

/** A job runs once at a time on a node: the devices of a run are free when the next begins, though no epilog came. */
function endAtNext(runs: readonly NodeRun[]): void {
  for (const run of runs) {
    const next = runs.find(({ begunUs }) => begunUs > run.begunUs);
    if (next !== undefined) run.endedUs = Math.min(run.endedUs, next.begunUs);
  }
}

function byBegin(a: NodeRun, b: NodeRun): number {
  return a.begunUs - b.begunUs;
}

function stayOf(run: NodeRun, { gpu, node, share }: Owned): Omit<KnownStay, 'endUs'> {
  const { cluster, jobId, startUs, isInferred, uid } = run;
  const where = { ...(cluster === undefined ? {} : { cluster }), node, gpu };
  return { ...where, jobId, run: run.run, share, source: 'journal', startUs, isInferred, uid };
}

function staysOf(run: NodeRun): Omit<KnownStay, 'endUs'>[] {
  return run.owned.map((one) => stayOf(run, one));
}

function ownsDevices({ resolution }: JournalEntry): boolean {
  return resolution.devices.length + resolution.unresolved.length > 0;
}

/** Stands as device where a job owned one but not, beyond doubt, which: its time is owned, and nothing was sampled. */
function unresolvedDevice(entry: JournalEntry, node: string, name: string): string {
  const cluster = clusterOf(entry);
  // Two clusters may each have a node of one name.
  return `${UNRESOLVED_PREFIX}${cluster === undefined ? node : `${cluster}/${node}`}:${name}`;
}

/** By the uptime where both lie in one boot, since the clock may have been set between them. */
function isBefore(run: NodeRun, { record, atUs }: JournalEntry): boolean {
  if (run.bootId === record.boot_id) return run.startUptimeUs <= record.uptime * 1e6;
  return run.startUs <= atUs;
}
