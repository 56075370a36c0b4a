import type { Device } from '../../core/devices/device.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { resolveDevices, type Resolution } from '../../core/devices/identity.ts';
import type { JobInput, JobNews } from '../../core/jobs/job-fact.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { Boot } from '../boot.ts';
import { openJournalDir, type JournalFile } from './directory.ts';
import type { JournalEntry } from './entry.ts';
import { JournalJobs } from './jobs.ts';
import { ProblemLog } from '../problem-log.ts';
import type { GpuPositions } from '../slurm/scontrol.ts';
import { createSlurmSettings } from '../slurm/settings.ts';

export interface JournalOptions {
  readonly directory: string;
  readonly devices: readonly Device[];
  readonly boot: Boot;
  /** Time since boot in µs, read together with the wall clock; without it a clock that is set back goes unnoticed. */
  readonly uptimeUs?: () => number;
  /** Per device UUID: time of the last sample before this boot (`JournalJobsOptions`). */
  readonly lastSampleUs?: ReadonlyMap<string, number>;
  /** Position in the manager's list → device UUID, where the site knows better than gres.conf. */
  readonly deviceMap?: ReadonlyMap<number, string>;
  /** Asks the scheduler about a job on a node with GPUs of several types; without it such devices stay unresolved. */
  readonly askScheduler?: (slurmConf: string, jobId: string) => Promise<GpuPositions>;
}

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
  const settings = createSlurmSettings();
  /** Told, with their order; the records that may be removed one day. */
  const told = new Map<string, JournalEntry>();
  let waiting: JournalFile[] = [];
  /** Records whose devices the scheduler was asked for, and what it said. */
  const asked = new Map<string, { file: JournalFile; answer?: Resolution }>();
  let tidiedUs = 0;

  function resolve({ record }: JournalFile): Resolution | 'ask' {
    const devices = devicesOfNode(record, options.devices);
    const { conf, node = '' } = record;
    const gres = conf === undefined ? undefined : settings.gresOrder(conf, node);
    const isIncomplete =
      gres?.isMixed === true && record.gpus !== undefined && !/GPU-|MIG-/.test(record.visible ?? '');
    if (isIncomplete && record.event === 'end') return { devices: [], unresolved: [] };
    if (isIncomplete) return 'ask';
    return resolveNames(record, devices);
  }

  function resolveNames(record: JournalRecord, devices: readonly Device[]): Resolution {
    const gres = record.conf === undefined ? undefined : settings.gresOrder(record.conf, record.node ?? '');
    const { gpus, visible, devices: own } = record;
    return resolveDevices(
      { ...(gpus && { positions: gpus }), ...(visible && { visible }), ...(own && { devices: own }) },
      devices,
      { ...(gres && { gres }), ...(options.deviceMap && { map: options.deviceMap }) },
    );
  }

  /** The answer comes later, as a late fact: nothing waits for the scheduler. */
  function ask(file: JournalFile): void {
    const { record, name } = file;
    const nothing: Resolution = { devices: [], unresolved: (record.gpus ?? '').split(',') };
    if (options.askScheduler === undefined || record.conf === undefined) {
      asked.set(name, { file, answer: nothing });
      return;
    }
    asked.set(name, { file });
    options.askScheduler(record.conf, record.job).then(
      (positions) => {
        const gpus = positions.get(record.node ?? '')?.join(',') ?? '';
        const devices = devicesOfNode(record, options.devices);
        asked.set(name, { file, answer: gpus === '' ? nothing : resolveNames({ ...record, gpus }, devices) });
      },
      (error: unknown) => {
        problems.tell(name, noAnswer(record.job, error));
        asked.set(name, { file, answer: nothing });
      },
    );
  }

  function add(file: JournalFile, resolution: Resolution, atUs: number): void {
    const { name, record } = file;
    const entry = { name, record, atUs, resolution, share: shareOf(record) };
    jobs.add(entry);
    told.set(name, entry);
  }

  function shareOf(record: JournalRecord): number {
    if (record.share !== undefined) return record.share;
    const percentage = Number(record.mps);
    if (percentage > 0 && percentage <= 100) return percentage / 100;
    return record.conf !== undefined && settings.sharesGpus(record.conf) === false ? 1 : NaN;
  }

  function takeIn(file: JournalFile, atUs: number): void {
    const resolution = resolve(file);
    if (resolution === 'ask') ask(file);
    else add(file, resolution, atUs);
  }

  function tidy(nowUs: number): void {
    if (nowUs - tidiedUs < TIDY_EVERY_US) return;
    tidiedUs = nowUs;
    for (const [name, entry] of told) {
      if (entry.atUs > nowUs - KEEP_US || !jobs.isClosed(entry)) continue;
      directory.remove(name);
      told.delete(name);
    }
    directory.removeLeftovers(nowUs - LEFTOVER_US);
    jobs.forgetBefore(nowUs - 2 * KEEP_US);
  }

  return {
    name: 'journal',
    read(nowUs): JobNews {
      const uptimeUs = options.uptimeUs?.();
      if (uptimeUs !== undefined) jobs.noteClock(nowUs, uptimeUs);
      const found = [...waiting, ...directory.readNew(nowUs)].map((file) => ({
        file,
        atUs: timeOf(file, nowUs, uptimeUs, options.boot),
      }));
      waiting = found.filter(({ atUs }) => atUs === undefined).map(({ file }) => file);
      for (const { file, atUs } of found.sort((a, b) => (a.atUs ?? 0) - (b.atUs ?? 0))) {
        if (atUs !== undefined) takeIn(file, atUs);
      }
      for (const [name, { file, answer }] of asked) {
        if (answer === undefined) continue;
        asked.delete(name);
        add(file, answer, timeOf(file, nowUs, uptimeUs, options.boot) ?? nowUs);
      }
      const news = jobs.take();
      return { ...news, problems: [...problems.take(), ...news.problems] };
    },
    acknowledge: tidy,
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

function noAnswer(jobId: string, error: unknown): OperatingError {
  return new OperatingError(`expected scontrol to tell the GPUs of job ${jobId}, but: ${messageOf(error)}`, {
    code: 'journal.no_scheduler',
    exit: 'unavailable',
    hints: [
      "on a node with GPUs of several types the hooks' own list is incomplete, so they stay unresolved",
    ],
    cause: error,
  });
}
