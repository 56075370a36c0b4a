import type { OperatingError } from '../../core/base/errors.ts';
import type { JobFact, JobNews } from '../../core/jobs/job-fact.ts';
import { CLOCK_SKEW_US_MAX } from '../../core/jobs/job-runs.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { Boot } from '../boot.ts';
import { JobRows } from './job-rows.ts';
import type { JournalEntry } from './entry.ts';
import { cannotResolve, clockSetBack, endWithoutStart } from './problems.ts';
import { byTime, canBeEndOf, clusterOf } from './which-run.ts';

export interface JournalJobsOptions {
  readonly boot: Boot;
  /** Per device UUID: time of the last sample before this boot, epoch µs, where the store could tell. */
  readonly lastSampleUs?: ReadonlyMap<string, number>;
}

/** One run of a job on one node. */
interface NodeRun {
  /** Name of the record that began it. */
  readonly name: string;
  readonly jobId: string;
  /** NaN where nobody counted. */
  readonly run: number;
  readonly cluster: string | undefined;
  readonly user: string | undefined;
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
  readonly told: Told;
}

/** What was told of a run by now. */
interface Told {
  /** Count under which its start was told; undefined: it was not. */
  run?: number;
  readonly endsUs: Map<string, Set<number>>;
}

/** The end of a run, as a node told it. */
interface NodeEnd {
  readonly entry: JournalEntry;
  /** Undefined while no start is known that it could be of. */
  run?: NodeRun | undefined;
  isReported: boolean;
}

/** A start that is known from elsewhere than this node's prolog. */
interface KnownStart {
  readonly us: number;
  /** NaN where nobody counted. */
  readonly run: number;
}

/** One that the controller's prolog has told of. */
interface ControllerStart extends KnownStart {
  readonly user: string | undefined;
  readonly sluid: string | undefined;
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
  /** By node and job id, ascending by start. */
  readonly #runs = new Map<string, NodeRun[]>();
  /** By node and job id. Their starts may still come: a hook that was held up, files read in another order. */
  readonly #ends = new Map<string, NodeEnd[]>();
  /** Nodes and job ids of which there are new records. */
  readonly #fresh = new Set<string>();
  /** Job ids of which the controller has told something new. */
  readonly #freshStarts = new Set<string>();
  /** By job id, what the controller's prologs have told, where its journal is ours too. */
  readonly #controllerStarts = new Map<string, ControllerStart[]>();
  readonly #rows = new JobRows();
  #facts: JobFact[] = [];
  #problems: OperatingError[] = [];

  constructor(options: JournalJobsOptions) {
    this.#options = options;
  }

  add(entry: JournalEntry): void {
    this.#rows.add(entry);
    // The controller's hooks know no devices and run on another machine.
    if (entry.record.context?.endsWith('_slurmctld') === true) {
      this.#recordController(entry);
      return;
    }
    if (entry.record.event === 'start') this.#start(entry);
    else this.#end(entry);
  }

  /**
   * Looks after jobs that are running while the clock was set back behind their start: their samples now bear times at
   * which, by the clock, they had not begun. The start moves with the clock.
   * @param uptimeUs time since boot.
   */
  followClock(nowUs: number, uptimeUs: number): void {
    for (const runs of this.#runs.values()) {
      for (const run of runs) {
        if (this.#isEnded(run)) continue;
        if (run.startUs - nowUs < CLOCK_SET_BACK_US || run.startUptimeUs > uptimeUs) continue;
        this.#moveStart(run, nowUs - (uptimeUs - run.startUptimeUs));
      }
    }
  }

  /** Takes in which parts of its devices a run was given, where nobody has said so before. */
  tellShares(
    { name, record }: Pick<JournalEntry, 'name' | 'record'>,
    shares: ReadonlyMap<string, number>,
  ): void {
    this.#settle();
    const run = this.#runs.get(keyOf(record))?.find((one) => one.name === name);
    if (run === undefined) return;
    run.owned = run.owned.map((one) => {
      const share = shares.get(one.gpu);
      if (share === undefined || !Number.isNaN(one.share)) return one;
      const known = { ...one, share };
      this.#facts.push(factOf('start', run, known, run.startUs));
      return known;
    });
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
    const runs = this.#runs.get(keyOf(record)) ?? [];
    return !runs.some((run) => !this.#isEnded(run) && run.name === name);
  }

  /** Bounds the memory: forgets runs that ended and began before `us`. */
  forgetBefore(us: number): void {
    for (const [key, runs] of this.#runs) {
      const kept = runs.filter((run) => !this.#isEnded(run) || run.startUs > us);
      if (kept.length === 0) this.#runs.delete(key);
      else this.#runs.set(key, kept);
    }
    for (const [key, ends] of this.#ends) {
      const runs = this.#runs.get(key) ?? [];
      const kept = ends.filter(({ entry, run }) =>
        run === undefined ? entry.atUs > us : runs.includes(run),
      );
      if (kept.length === 0) this.#ends.delete(key);
      else this.#ends.set(key, kept);
    }
    for (const [jobId, starts] of this.#controllerStarts) {
      if (starts.every((start) => start.us < us)) this.#controllerStarts.delete(jobId);
    }
    this.#rows.forgetBefore(us);
  }

  #start(entry: JournalEntry): void {
    const { record, atUs } = entry;
    const owned = this.#ownedOf(entry);
    if (owned.length === 0) return;
    const key = keyOf(record);
    const run: NodeRun = {
      ...newRun(entry, owned, atUs),
      run: record.restart ?? NaN,
      startUptimeUs: record.uptime * 1e6,
      isInferred: false,
    };
    this.#runs.set(key, [...(this.#runs.get(key) ?? []), run]);
    this.#fresh.add(key);
  }

  #end(entry: JournalEntry): void {
    const key = keyOf(entry.record);
    this.#ends.set(key, [...(this.#ends.get(key) ?? []), { entry, isReported: false }]);
    this.#fresh.add(key);
  }

  #settle(): void {
    if (this.#freshStarts.size > 0) {
      for (const key of this.#ends.keys())
        if (this.#freshStarts.has(key.slice(key.indexOf('\n') + 1))) this.#fresh.add(key);
    }
    for (const key of this.#fresh) this.#settleRuns(key);
    this.#fresh.clear();
    this.#freshStarts.clear();
  }

  /** Makes the runs of a job on a node anew, and tells what is new in them. */
  #settleRuns(key: string): void {
    const before = this.#runs.get(key) ?? [];
    const inferred = before.filter(({ isInferred }) => isInferred);
    const runs = before.filter(({ isInferred }) => !isInferred).sort((a, b) => a.begunUs - b.begunUs);
    for (const run of runs) {
      run.hasOwnEnd = false;
      run.endedUs = Infinity;
    }
    endAtNext(runs);
    const ends = [...(this.#ends.get(key) ?? [])].sort((a, b) => byTime(a.entry, b.entry));
    for (const end of ends) this.#pair(end, runs, inferred);
    this.#runs.set(key, runs);
    for (const run of inferred) this.#takeBack(run, runs);
    for (const run of runs) this.#tell(run);
    for (const end of ends) {
      if (end.run !== undefined || end.isReported || !ownsDevices(end.entry)) continue;
      end.isReported = true;
      this.#problems.push(endWithoutStart(end.entry));
    }
  }

  /** The last start before it is the one that it ends. */
  #pair(end: NodeEnd, runs: NodeRun[], inferred: readonly NodeRun[]): void {
    const { entry } = end;
    const { record, atUs } = entry;
    const run = runs.findLast((one) => isBefore(one, entry) && canBeEndOf(entry, one));
    if (run === undefined || this.#isOfLaterRun(run, entry)) {
      end.run = this.#inferRun(entry, runs, inferred);
      return;
    }
    end.run = run;
    // slurmd runs the epilogs of a life that is over; the job had ended with it.
    if (run.bootId !== record.boot_id) return;
    if (atUs <= run.startUs) this.#moveStart(run, atUs - (record.uptime * 1e6 - run.startUptimeUs));
    run.hasOwnEnd = true;
    run.endedUs = Math.min(run.endedUs, atUs);
  }

  /** slurmd can leave a prolog out when a job comes back within minutes of its requeue; its epilog comes all the same. */
  #isOfLaterRun(run: NodeRun, entry: JournalEntry): boolean {
    const { start_time: startS } = entry.record;
    const knownUs = startS === undefined ? this.#controllerStart(entry)?.us : startS * 1e6;
    const endedUs = this.#isDead(run) ? Math.min(run.endedUs, this.#options.boot.timeUs) : run.endedUs;
    // A run that has no end yet is ended by it all the same, unless even wrong clocks cannot make its start this late.
    return knownUs !== undefined && knownUs >= Math.min(endedUs, run.startUs + CLOCK_SKEW_US_MAX);
  }

  #recordController({ record, atUs }: JournalEntry): void {
    if (record.event !== 'start') return;
    const starts = this.#controllerStarts.get(record.job) ?? [];
    const { restart: run = NaN, user, sluid } = record;
    this.#controllerStarts.set(record.job, [...starts, { us: atUs, run, user, sluid }]);
    this.#freshStarts.add(record.job);
  }

  #controllerStart(entry: JournalEntry): KnownStart | undefined {
    const { job: jobId } = entry.record;
    const isOf = (start: ControllerStart): boolean =>
      start.us <= entry.atUs && canBeEndOf(entry, { ...start, jobId, startUs: start.us });
    return this.#controllerStarts
      .get(jobId)
      ?.filter(isOf)
      .reduce<ControllerStart | undefined>((last, one) => (last && last.us > one.us ? last : one), undefined);
  }

  /** When the run of this end began, if anybody but its own prolog knows. */
  #knownStart(entry: JournalEntry, runs: readonly NodeRun[]): KnownStart | undefined {
    const { start_time: startS, restart = NaN } = entry.record;
    if (startS === undefined) return this.#controllerStart(entry);
    // Slurm tells whole seconds, rounded down; a label must not begin before the job did.
    const us = Math.min((startS + 1) * 1e6, entry.atUs);
    // It may have counted up already, unless there is nothing to count, or a prolog told of the run before.
    const isCertain = restart === 0 || runs.some((one) => !one.isInferred && one.run === restart - 1);
    return { us, run: isCertain ? restart : NaN };
  }

  /** The scheduler's own start, where somebody knows it, else nothing: an end alone owns no time. */
  #inferRun(entry: JournalEntry, runs: NodeRun[], inferred: readonly NodeRun[]): NodeRun | undefined {
    const known = this.#knownStart(entry, runs);
    if (known === undefined || !ownsDevices(entry)) return undefined;
    const { record, atUs } = entry;
    const owned = this.#ownedOf(entry);
    const before = inferred.find((one) => isSameStay(one, known.us, owned));
    const run: NodeRun = {
      ...newRun(entry, before?.owned ?? owned, known.us),
      run: known.run,
      startUptimeUs: record.uptime * 1e6 - (atUs - known.us),
      isInferred: true,
      endedUs: atUs,
      hasOwnEnd: true,
      ...(before && { told: before.told }),
    };
    runs.push(run);
    runs.sort((a, b) => a.begunUs - b.begunUs);
    endAtNext(runs);
    return run;
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

  /** Tells the start and the ends of a run as far as they are news, and takes back ends that came too early. */
  #tell(run: NodeRun): void {
    const { told } = run;
    if (told.run === undefined || !Object.is(told.run, run.run)) this.#addFacts('start', run, run.startUs);
    told.run = run.run;
    for (const one of run.owned) {
      const endUs = this.#endUs(run, one.gpu);
      const toldUs = told.endsUs.get(one.gpu) ?? new Set();
      for (const earlierUs of toldUs) {
        if (earlierUs >= endUs) continue;
        this.#facts.push({ ...factOf('void', run, one, earlierUs), ofStartUs: run.startUs });
        toldUs.delete(earlierUs);
      }
      if (endUs === Infinity || toldUs.has(endUs)) continue;
      this.#facts.push({ ...factOf('end', run, one, endUs), ofStartUs: run.startUs });
      told.endsUs.set(one.gpu, toldUs.add(endUs));
    }
  }

  /** Takes back what was inferred, where it is not inferred, or told by a prolog, any more. */
  #takeBack(run: NodeRun, runs: readonly NodeRun[]): void {
    const isHeld = ({ gpu }: Owned): boolean =>
      runs.some(({ startUs, owned }) => startUs === run.startUs && owned.some((one) => one.gpu === gpu));
    for (const one of run.owned) if (!isHeld(one)) this.#facts.push(factOf('void', run, one, run.startUs));
  }

  #moveStart(run: NodeRun, startUs: number): void {
    this.#addFacts('void', run, run.startUs);
    this.#problems.push(clockSetBack(run.jobId, run.node, run.startUs, startUs));
    run.startUs = startUs;
    this.#addFacts('start', run, startUs);
    run.told.run = run.run;
    run.told.endsUs.clear();
  }

  #addFacts(kind: JobFact['kind'], run: NodeRun, atUs: number): void {
    for (const one of run.owned) this.#facts.push(factOf(kind, run, one, atUs));
  }

  #ownedOf(entry: JournalEntry): Owned[] {
    const { share, shares } = entry;
    const { devices, unresolved } = entry.resolution;
    const node = devices[0]?.node ?? entry.record.node ?? '';
    if (unresolved.length > 0 && entry.record.event === 'start')
      this.#problems.push(cannotResolve(entry, node));
    return [
      ...devices.map(({ uuid, node: own }) => ({ gpu: uuid, node: own, share: shares?.get(uuid) ?? share })),
      ...unresolved.map((name) => ({ gpu: unresolvedDevice(node, name), node, share })),
    ];
  }
}

/** What the record of either end tells of a run that began then. */
function newRun(
  entry: JournalEntry,
  owned: readonly Owned[],
  begunUs: number,
): Omit<NodeRun, 'run' | 'startUptimeUs' | 'isInferred'> {
  const { job: jobId, user, sluid, boot_id: bootId } = entry.record;
  const { name } = entry;
  return {
    ...{ name, jobId, cluster: clusterOf(entry), user, sluid, node: owned[0]!.node, bootId, owned },
    ...{ begunUs, startUs: begunUs, endedUs: Infinity, hasOwnEnd: false, told: { endsUs: new Map() } },
  };
}

/** A job runs once at a time on a node: the devices of a run are free when the next begins, though no epilog came. */
function endAtNext(runs: readonly NodeRun[]): void {
  for (const run of runs) {
    const next = runs.find(({ begunUs }) => begunUs > run.begunUs);
    if (next !== undefined) run.endedUs = Math.min(run.endedUs, next.begunUs);
  }
}

function isSameStay(run: NodeRun, startUs: number, owned: readonly Owned[]): boolean {
  const isOwned = ({ gpu }: Owned): boolean => run.owned.some((one) => one.gpu === gpu);
  return run.startUs === startUs && run.owned.length === owned.length && owned.every(isOwned);
}

function ownsDevices({ resolution }: JournalEntry): boolean {
  return resolution.devices.length + resolution.unresolved.length > 0;
}

/** Stands as device where a job owned one but not, beyond doubt, which: its time is owned, and nothing was sampled. */
function unresolvedDevice(node: string, name: string): string {
  return `unresolved:${node}:${name}`;
}

function keyOf(record: JournalRecord): string {
  return `${record.node ?? ''}\n${record.job}`;
}

/** By the uptime where both lie in one boot, since the clock may have been set between them. */
function isBefore(run: NodeRun, { record, atUs }: JournalEntry): boolean {
  if (run.bootId === record.boot_id) return run.startUptimeUs <= record.uptime * 1e6;
  return run.startUs <= atUs;
}

function factOf(kind: JobFact['kind'], run: NodeRun, { gpu, node, share }: Owned, atUs: number): JobFact {
  const { cluster, jobId } = run;
  const where = { ...(cluster === undefined ? {} : { cluster }), node, gpu };
  return { kind, atUs, ...where, jobId, run: run.run, share, source: 'journal' };
}
