import type { Device } from '../../core/devices/device.ts';
import { resolveDevices, type Resolution } from '../../core/devices/identity.ts';
import type { JobInput, JobNews, KnownOwners } from '../../core/jobs/job-fact.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { Boot } from '../boot.ts';
import { openJournalDir, type JournalDir, type JournalFile } from './directory.ts';
import type { JournalEntry } from './entry.ts';
import { JournalJobs } from './jobs.ts';
import { ProblemLog } from '../problem-log.ts';
import type { HookAnswer, HookWords, InputNode, Scheduler } from '../scheduler.ts';

/** The journal of the hooks: of Slurm's, and of any that calls `gpuledger job`. */
export const scheduler: Scheduler = {
  openInput: (directory, node, words) => createJournalInput({ directory, words, ...node }),
};

export interface JournalOptions extends InputNode {
  readonly directory: string;
  /** Per device UUID: time of the last sample before this boot (`JournalJobsOptions`). */
  readonly lastSampleUs?: ReadonlyMap<string, number>;
  /** What the hooks of a manager mean, by its name. Others name devices by UUID or NVML index. */
  readonly words?: ReadonlyMap<string, HookWords>;
}

/** That shares are not to be learnt is one problem, however many jobs there are. */
const SHARES = 'shares';
/** A closed record stays this long after its end, for `jobs push` and for whoever looks for what happened. */
const KEEP_US = 24 * 3600 * 1e6;
/** A writer lives for less than a second. */
const LEFTOVER_US = 3600 * 1e6;
/** Records and facts this old are taken away once in a while, not at every acknowledgement. */
const TIDY_EVERY_US = 600 * 1e6;
/** A change time ahead of the clock by less than this was read in a race with the clock, not with a wrong clock. */
const AHEAD_US = 1_000_000;

/** The native job map: the records that hooks and `gpuledger job` leave in the journal directory. */
export function createJournalInput(options: JournalOptions): JobInput {
  const problems = new ProblemLog();
  const directory = openJournalDir(options.directory, problems);
  const jobs = new JournalJobs(options);
  const ownWords = createOwnWords(options);
  const questions = new Questions();
  const shareQuestions = new Questions();
  /** Taken in, with their order; the records that may be removed one day. */
  const entries = new Map<string, JournalEntry>();
  let waiting: JournalFile[] = [];
  /** Starts of unknown share that were taken in since the last question. */
  let unshared: JournalFile[] = [];

  const devicesOf = (record: JournalRecord): readonly Device[] =>
    devicesOfNode(record, options.devicesOf?.(record.cluster) ?? options.devices);
  const wordsOf = ({ manager }: JournalRecord): HookWords => options.words?.get(manager) ?? ownWords;

  function add({ file, atUs }: DatedFile, resolution: Resolution, shares?: HookAnswer['shares']): void {
    const { name, record } = file;
    const share = record.share ?? shareOfMps(record) ?? wordsOf(record).shareOf(record);
    const entry = { name, record, atUs, resolution, share, ...(shares && { shares }) };
    jobs.add(entry);
    if (record.event === 'start' && Number.isNaN(share) && shares === undefined) unshared.push(file);
    entries.set(name, entry);
  }

  function addEntry(dated: DatedFile, known?: KnownOwners): void {
    const { record } = dated.file;
    const found = wordsOf(record).resolve(record, devicesOf(record));
    if (typeof found !== 'function') {
      add(dated, found);
      return;
    }
    // Once a job has ended its scheduler says no more; what it said before is stored.
    const devices = knownDevices(dated, known);
    if (devices.length > 0) add(dated, { devices, unresolved: [] });
    else questions.add(dated.file, found());
  }

  function knownDevices({ file, atUs }: DatedFile, known?: KnownOwners): Device[] {
    const gpus = new Set(known?.(file.record.job, atUs));
    return devicesOf(file.record).filter(({ uuid }) => gpus.has(uuid));
  }

  /** What the hooks do not know of parts of devices the scheduler may, as long as the job runs. */
  function askShares(): void {
    for (const file of unshared) {
      if (jobs.isClosed(file)) continue;
      const { record } = file;
      const ask = wordsOf(record).askShares?.(record, devicesOf(record));
      if (ask !== undefined) shareQuestions.add(file, ask());
    }
    unshared = [];
  }

  function takeShares(): void {
    for (const { file, answer } of shareQuestions.take()) {
      if (answer.shares !== undefined) jobs.tellShares(file, answer.shares);
      if (answer.problem === undefined) problems.clear(SHARES);
      // Of a job that has ended meanwhile it need not know any more.
      else if (!jobs.isClosed(file)) problems.record(SHARES, answer.problem);
    }
  }

  return {
    name: 'journal',
    read(nowUs, known): JobNews {
      const uptimeUs = options.uptimeUs?.();
      if (uptimeUs !== undefined) jobs.followClock(nowUs, uptimeUs);
      const found = [...waiting, ...directory.readNew(nowUs)].map((file) => ({
        file,
        atUs: timeOf(file, nowUs, uptimeUs, options.boot),
      }));
      waiting = found.filter(({ atUs }) => atUs === undefined).map(({ file }) => file);
      for (const dated of found.filter(isDated).sort((a, b) => a.atUs - b.atUs)) addEntry(dated, known);
      for (const { file, answer } of questions.take()) {
        const dated = { file, atUs: timeOf(file, nowUs, uptimeUs, options.boot) ?? nowUs };
        if (answer.problem !== undefined) problems.record(file.name, answer.problem);
        const stored = answer.devices.length > 0 ? [] : knownDevices(dated, known);
        if (stored.length > 0) add(dated, { devices: stored, unresolved: [] });
        else add(dated, answer, answer.shares);
      }
      takeShares();
      askShares();
      const news = jobs.take();
      const ofFiles = [...(options.words?.values() ?? [])].flatMap((words) => words.takeProblems?.() ?? []);
      return { ...news, problems: [...problems.take(), ...ofFiles, ...news.problems] };
    },
    answers() {
      const open = [questions, shareQuestions].flatMap((one) => one.answers() ?? []);
      return open.length === 0 ? undefined : Promise.all(open);
    },
    acknowledge: createTidying(directory, jobs, entries),
  };
}

/** A record with its time by the clock as it is now, epoch µs. */
interface DatedFile {
  readonly file: JournalFile;
  readonly atUs: number;
}

function isDated(file: { readonly file: JournalFile; readonly atUs: number | undefined }): file is DatedFile {
  return file.atUs !== undefined;
}

/** Hooks that know gpuledger name devices as it does, and say the share themselves. */
function createOwnWords({ deviceMap }: JournalOptions): HookWords {
  return {
    resolve: ({ gpus, visible, devices: own }, devices) =>
      resolveDevices(
        { ...(gpus && { positions: gpus }), ...(visible && { visible }), ...(own && { devices: own }) },
        devices,
        deviceMap === undefined ? {} : { map: deviceMap },
      ),
    shareOf: () => NaN,
  };
}

function shareOfMps({ mps }: JournalRecord): number | undefined {
  const percentage = Number(mps);
  return percentage > 0 && percentage <= 100 ? percentage / 100 : undefined;
}

/** Records of which the scheduler was asked. The answer comes later, as a late fact: nothing waits for it. */
class Questions {
  readonly #open = new Set<Promise<unknown>>();
  #answered: { readonly file: JournalFile; readonly answer: HookAnswer }[] = [];

  add(file: JournalFile, asked: Promise<HookAnswer>): void {
    const answered = asked.then((answer) => {
      this.#answered.push({ file, answer });
      this.#open.delete(answered);
    });
    this.#open.add(answered);
  }

  answers(): Promise<unknown> | undefined {
    return this.#open.size === 0 ? undefined : Promise.all(this.#open);
  }

  /** What was answered since the last call. */
  take(): readonly { readonly file: JournalFile; readonly answer: HookAnswer }[] {
    const answered = this.#answered;
    this.#answered = [];
    return answered;
  }
}

/** What is in the store and long closed goes from the directory and from memory. */
function createTidying(
  directory: JournalDir,
  jobs: JournalJobs,
  entries: Map<string, JournalEntry>,
): (nowUs: number) => void {
  let tidiedUs = 0;
  return (nowUs) => {
    if (nowUs - tidiedUs < TIDY_EVERY_US) return;
    tidiedUs = nowUs;
    for (const [name, entry] of entries) {
      if (entry.atUs > nowUs - KEEP_US || !jobs.isClosed(entry)) continue;
      directory.remove(name);
      entries.delete(name);
    }
    directory.removeLeftovers(nowUs - LEFTOVER_US);
    jobs.forgetBefore(nowUs - 2 * KEEP_US);
  };
}

/**
 * When a record was written, by the clock as it is now. Undefined when that is a moment ahead: it is told next time.
 */
function timeOf(
  file: JournalFile,
  nowUs: number,
  uptimeUs: number | undefined,
  boot: Boot,
): number | undefined {
  const { writtenUs, record } = file;
  if (writtenUs <= nowUs) return writtenUs;
  if (writtenUs <= nowUs + AHEAD_US) return undefined;
  // The clock was set back since: the time that has passed tells, where it can be known.
  const isThisBoot = record.boot_id === boot.id && uptimeUs !== undefined;
  return isThisBoot ? Math.min(nowUs, nowUs - (uptimeUs - record.uptime * 1e6)) : nowUs;
}

/** Slurm's name of a node and the host's own may differ; with the devices of one node at hand there is no question. */
function devicesOfNode(record: JournalRecord, devices: readonly Device[]): readonly Device[] {
  const nodes = new Set(devices.map((device) => device.node));
  return nodes.size === 1 ? devices : devices.filter((device) => device.node === record.node);
}
