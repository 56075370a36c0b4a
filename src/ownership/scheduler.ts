import type { Device } from '../core/devices/device.ts';
import type { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Resolution } from '../core/devices/identity.ts';
import type { Told, ToldNode, WaitingJobs } from '../core/jobs/cluster-load.ts';
import type { JobInput, JobRecord } from '../core/jobs/job-fact.ts';
import type { JournalRecord } from '../../schemas/journal-record.ts';
import type { Boot } from './boot.ts';

/** The devices that a record can mean which tells this cluster, or none. */
export type DevicesOfCluster = (cluster: string | undefined) => readonly Device[];

/** A node whose job map is opened. */
export interface InputNode {
  readonly devices: readonly Device[];
  /** Absent: all of them, whatever cluster a record tells. They are of one machine. */
  readonly devicesOf?: DevicesOfCluster;
  readonly boot: Boot;
  /** Time since boot in µs, read together with the wall clock. Absent: a node's that is not this machine. */
  readonly uptimeUs?: () => number;
  /** Position in the scheduler's list of GPUs → device UUID, where the site knows better than the scheduler's own files. */
  readonly deviceMap?: ReadonlyMap<number, string>;
}

/**
 * One scheduler, in a folder of its own. It has what it can: an input that reads its files, words of its hooks in the
 * journal, and what it knows itself of its jobs.
 */
export interface Scheduler {
  /**
   * Opens what it leaves in a directory. Absent: its hooks write the journal.
   * @param words by the names of all schedulers that have some
   */
  readonly openInput?: (
    directory: string,
    node: InputNode,
    words: ReadonlyMap<string, HookWords>,
  ) => JobInput;
  /** For records that its hooks left in the journal. Absent: they name devices by UUID or NVML index. */
  readonly openWords?: (node: InputNode) => HookWords;
  /** What the scheduler itself knows of its jobs since `sinceUs` (epoch µs): asked for when it is read. */
  readonly readLateJobs?: (sinceUs: number, tell: Tell) => Promise<readonly LateReply[]>;
  /** How its nodes are, and who waits. Absent: it cannot be asked. */
  readonly load?: ClusterLoad;
  /** The name that it gives the cluster of this machine; undefined where it is not set up here. */
  readonly readCluster?: () => string | undefined;
}

/** What a scheduler can be asked about its cluster as it is now. @throws OperatingError where no whole answer comes */
export interface ClusterLoad {
  /** The command that is asked, for people. */
  readonly nodesFrom: string;
  readNodes(signal?: AbortSignal): Promise<Told<ToldNode>>;
  readonly queueFrom: string;
  readQueue(signal?: AbortSignal): Promise<Told<WaitingJobs>>;
}

/** What the words of a scheduler's hooks mean on a node. */
export interface HookWords {
  /**
   * The devices of a record; how to ask where the scheduler itself must be asked.
   * @param devices of the record's node
   */
  resolve(record: JournalRecord, devices: readonly Device[]): Resolution | (() => Promise<HookAnswer>);
  /** Part of each device in (0, 1]; 1: nobody else is given this device meanwhile; NaN: unknown. */
  shareOf(record: JournalRecord): number;
  /**
   * How to ask which parts of its devices a running job was given, for a start of unknown share; undefined where nobody can
   * be asked. Absent: the hooks say all.
   */
  askShares?(record: JournalRecord, devices: readonly Device[]): (() => Promise<HookAnswer>) | undefined;
  /** What could not be read of the scheduler's files, each once per episode; since the last call. */
  takeProblems?(): readonly OperatingError[];
}

/** What the scheduler said of a record's devices, when it was asked. */
export interface HookAnswer extends Resolution {
  /** Device UUID → part of it in (0, 1]; those of which it was told. */
  readonly shares?: ReadonlyMap<string, number>;
  /** Why it said nothing. */
  readonly problem?: OperatingError;
}

/** What one command of a scheduler says of jobs. */
export interface LateReply {
  /** `sacct`, `squeue`, … */
  readonly from: string;
  /**
   * Its rows in pieces, while they come; to be read once.
   * @throws OperatingError where the command is not there (exit `unavailable`), fails or breaks off (`temporary`), or says what
   * cannot be understood (`data`); what came before holds
   */
  readonly rows: AsyncIterable<readonly LateRow[]>;
}

export type LateRow =
  | {
      readonly kind: 'job';
      readonly record: JobRecord;
      /** Undefined where the scheduler does not say. */
      readonly hasGpus: boolean | undefined;
    }
  /** A job that has not begun. */
  | { readonly kind: 'waiting' }
  /** Not understood, and why. */
  | {
      readonly kind: 'refused';
      readonly jobId: string | undefined;
      readonly expected: string;
      readonly found: string;
    };
