import { OperatingError } from '../../core/base/errors.ts';
import type { JobFact, JobNews } from '../../core/jobs/job-fact.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { Boot } from '../boot.ts';
import { JobRows } from './job-rows.ts';
import type { JournalEntry } from './entry.ts';
import { canBeEndOf, clusterOf } from './which-run.ts';

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
  /** Moves only when the clock was set back behind it. */
  startUs: number;
  readonly startUptimeUs: number;
  /** UUIDs, or a stand-in for a device that could not be resolved. */
  owned: readonly Owned[];
  isEnded: boolean;
  /** When it ended, once it has; later ends of the job are no news, or another run's. */
  endedUs: number;
}

/** The end of a run, as a node told it. */
interface NodeEnd {
  readonly entry: JournalEntry;
  /** Undefined while no start is known that it could be of. */
  run: NodeRun | undefined;
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
 * dead node left open, and never guesses. Pure: clock and boot come in as arguments.
 */
export class JournalJobs {
  readonly #options: JournalJobsOptions;
  /** By node and job id, ascending by start. */
  readonly #runs = new Map<string, NodeRun[]>();
  /** By node and job id. Their starts may still come: a hook that was held up, files read in another order. */
  readonly #ends = new Map<string, NodeEnd[]>();
  /** Of these, the ones that nobody was told of yet. */
  readonly #startless = new Set<JournalEntry>();
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
        if (run.isEnded || run.bootId !== this.#options.boot.id) continue;
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
    this.#closeDeadRuns();
    for (const entry of this.#startless) this.#problems.push(endWithoutStart(entry));
    this.#startless.clear();
    const news = { facts: this.#facts, records: this.#rows.take(), problems: this.#problems };
    this.#facts = [];
    this.#problems = [];
    return news;
  }

  /** True when the run that this record belongs to has both its ends, or cannot get one. */
  isClosed({ record, name }: Pick<JournalEntry, 'name' | 'record'>): boolean {
    const runs = this.#runs.get(keyOf(record)) ?? [];
    return !runs.some((run) => !run.isEnded && run.name === name);
  }

  /** Bounds the memory: forgets runs that ended and began before `us`. */
  forgetBefore(us: number): void {
    for (const [key, runs] of this.#runs) {
      const kept = runs.filter((run) => !run.isEnded || run.startUs > us);
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
    const runs = this.#runs.get(key) ?? [];
    const run: NodeRun = {
      ...tenureOf(entry, owned),
      run: record.restart ?? NaN,
      startUs: atUs,
      startUptimeUs: record.uptime * 1e6,
      isEnded: false,
      endedUs: Infinity,
    };
    this.#runs.set(
      key,
      [...runs, run].sort((a, b) => a.startUs - b.startUs),
    );
    this.#addFacts('start', run, atUs);
    // A job runs once at a time on a node: the devices of a run are free when the next begins, though no epilog came.
    for (const earlier of runs) if (earlier.startUs < atUs) this.#endAtNext(earlier, run);
    const next = runs.find(({ startUs }) => startUs > atUs);
    if (next !== undefined) this.#endAtNext(run, next);
    for (const end of this.#ends.get(key) ?? []) this.#pair(end);
  }

  #end(entry: JournalEntry): void {
    const key = keyOf(entry.record);
    const end: NodeEnd = { entry, run: undefined };
    this.#ends.set(key, [...(this.#ends.get(key) ?? []), end]);
    this.#pair(end);
  }

  /** Of the starts that are known by now, the last before it is the one that it ends. */
  #pair(end: NodeEnd): void {
    const { entry } = end;
    const { record, atUs } = entry;
    const runs = this.#runs.get(keyOf(record)) ?? [];
    const run = runs.findLast((one) => isBefore(one, entry) && canBeEndOf(entry, one));
    if (run === undefined || this.#isOfLaterRun(run, entry)) {
      if (end.run === undefined) end.run = this.#endWithoutStart(entry);
      return;
    }
    if (end.run === run) return;
    end.run = run;
    this.#startless.delete(entry);
    if (run.bootId !== record.boot_id) {
      // slurmd runs the epilogs of a life that is over; the job had ended with it.
      if (!run.isEnded) this.#closeDeadRun(run);
      return;
    }
    if (atUs <= run.startUs) this.#moveStart(run, atUs - (record.uptime * 1e6 - run.startUptimeUs));
    if (!run.isEnded) endRun(run, atUs);
    // The next run has ended it; what comes later would end that one.
    if (runs.some(({ startUs }) => run.startUs < startUs && startUs <= atUs)) return;
    this.#addFacts('end', run, Math.max(atUs, run.startUs));
  }

  /** slurmd can leave a prolog out when a job comes back within minutes of its requeue; its epilog comes all the same. */
  #isOfLaterRun(run: NodeRun, entry: JournalEntry): boolean {
    if (!run.isEnded) return false;
    const { start_time: startS } = entry.record;
    const knownUs = startS === undefined ? this.#controllerStart(entry)?.us : startS * 1e6;
    return knownUs !== undefined && knownUs >= run.endedUs;
  }

  #recordController({ record, atUs }: JournalEntry): void {
    if (record.event !== 'start') return;
    const starts = this.#controllerStarts.get(record.job) ?? [];
    const { restart: run = NaN, user, sluid } = record;
    this.#controllerStarts.set(record.job, [...starts, { us: atUs, run, user, sluid }]);
  }

  #controllerStart(entry: JournalEntry): KnownStart | undefined {
    const { job: jobId } = entry.record;
    const isOf = (start: ControllerStart): boolean =>
      start.us <= entry.atUs && canBeEndOf(entry, { ...start, jobId, startUs: start.us });
    return this.#controllerStarts.get(jobId)?.findLast(isOf);
  }

  /** When the run of this end began, if anybody but its own prolog knows. */
  #knownStart(entry: JournalEntry, runs: readonly NodeRun[]): KnownStart | undefined {
    const { start_time: startS, restart = NaN } = entry.record;
    if (startS === undefined) return this.#controllerStart(entry);
    // Slurm tells whole seconds, rounded down; a label must not begin before the job did.
    const us = Math.min((startS + 1) * 1e6, entry.atUs);
    // It may have counted up already, unless there is nothing to count, or the run before was counted.
    const isCertain = restart === 0 || runs.some(({ run }) => run === restart - 1);
    return { us, run: isCertain ? restart : NaN };
  }

  /** The scheduler's own start, where somebody knows it, else nothing: an end alone owns no time. */
  #endWithoutStart(entry: JournalEntry): NodeRun | undefined {
    const { record, atUs } = entry;
    const owned = this.#ownedOf(entry);
    const key = keyOf(record);
    const runs = this.#runs.get(key) ?? [];
    const known = this.#knownStart(entry, runs);
    if (owned.length === 0 || known === undefined) {
      if (owned.length > 0) this.#startless.add(entry);
      return undefined;
    }
    const run: NodeRun = {
      ...tenureOf(entry, owned),
      run: known.run,
      startUs: known.us,
      startUptimeUs: record.uptime * 1e6 - (atUs - known.us),
      isEnded: true,
      endedUs: atUs,
    };
    this.#runs.set(
      key,
      [...runs, run].sort((a, b) => a.startUs - b.startUs),
    );
    for (const earlier of runs) if (earlier.startUs < known.us) this.#endAtNext(earlier, run);
    this.#addFacts('start', run, known.us);
    this.#addFacts('end', run, atUs);
    return run;
  }

  #closeDeadRuns(): void {
    for (const runs of this.#runs.values()) {
      for (const run of runs)
        if (!run.isEnded && run.bootId !== this.#options.boot.id) this.#closeDeadRun(run);
    }
  }

  /** The node died with the job: it owned its devices until they were last seen, at the latest until the next boot. */
  #closeDeadRun(run: NodeRun): void {
    endRun(run, run.startUs);
    for (const one of run.owned) {
      const lastUs = this.#options.lastSampleUs?.get(one.gpu) ?? this.#options.boot.timeUs;
      this.#facts.push(
        factOf('end', run, one, Math.max(run.startUs, Math.min(lastUs, this.#options.boot.timeUs))),
      );
    }
  }

  #endAtNext(run: NodeRun, { startUs, owned }: NodeRun): void {
    if (run.isEnded && run.endedUs <= startUs) return;
    endRun(run, startUs);
    // On the devices that it has again the next start is its end, until its own may be told.
    const left = run.owned.filter(({ gpu }) => !owned.some((other) => other.gpu === gpu));
    for (const one of left) this.#facts.push(factOf('end', run, one, startUs));
  }

  #moveStart(run: NodeRun, startUs: number): void {
    this.#addFacts('void', run, run.startUs);
    this.#problems.push(clockSetBack(run.jobId, run.node, run.startUs, startUs));
    run.startUs = startUs;
    this.#addFacts('start', run, startUs);
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

/** What the record of either end tells of a run. */
function tenureOf(
  entry: JournalEntry,
  owned: readonly Owned[],
): Omit<NodeRun, 'run' | 'startUs' | 'startUptimeUs' | 'isEnded' | 'endedUs'> {
  const { job: jobId, user, sluid, boot_id: bootId } = entry.record;
  const { name } = entry;
  return { name, jobId, cluster: clusterOf(entry), user, sluid, node: owned[0]!.node, bootId, owned };
}

function endRun(run: NodeRun, atUs: number): void {
  run.isEnded = true;
  run.endedUs = atUs;
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

function cannotResolve({ name, record, resolution }: JournalEntry, node: string): OperatingError {
  const names = resolution.unresolved.join(', ');
  return new OperatingError(
    `expected devices of ${node}, found ${JSON.stringify(names)} for job ${record.job}, which cannot be told apart`,
    {
      code: 'journal.unresolved_device',
      exit: 'data',
      where: name,
      hints: ['let the collector read gres.conf beside slurm.conf', 'or name the devices in jobs.device_map'],
    },
  );
}

function endWithoutStart({ name, record }: JournalEntry): OperatingError {
  return new OperatingError(
    `expected a start of job ${record.job} before its end, found none: its time is not owned`,
    {
      code: 'journal.end_without_start',
      exit: 'data',
      where: name,
      hints: ['set PrologFlags=Alloc, so that an allocation without a step has a prolog too'],
    },
  );
}

function clockSetBack(jobId: string, node: string, wasUs: number, startUs: number): OperatingError {
  const seconds = Math.round((wasUs - startUs) / 1e6);
  return new OperatingError(
    `expected a clock that goes forward, but it was set back by ${seconds} s while job ${jobId} ran: its start moves along`,
    {
      code: 'journal.clock_set_back',
      exit: 'data',
      where: node,
      hints: ['keep the clock by chrony or ntpd'],
    },
  );
}
