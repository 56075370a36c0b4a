import type { JobRecord } from '../../core/jobs/job-fact.ts';
import { expandHostlist } from '../../core/devices/hostlist.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { JournalEntry } from './entry.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface JobRun {
  readonly row: Mutable<JobRecord>;
  /** Nodes of this run that were told to have begun and not to have ended. */
  readonly openNodes: Set<string>;
  isEnded: boolean;
}

/**
 * The rows of `jobs` that a journal can give: one per job run, from the controller's records and from those of the
 * job's first node, so that a job of many nodes has one row. A row is always whole, since an upsert nulls what it lacks.
 */
export class JobRows {
  readonly #runs = new Map<string, JobRun[]>();
  readonly #changed = new Set<JobRun>();

  add(entry: JournalEntry): void {
    const { record } = entry;
    if (!isOurs(record) || !ownsDevices(entry)) return;
    const runs = this.#runs.get(record.job) ?? [];
    const run = record.event === 'start' ? this.#started(runs, entry) : runs.at(-1);
    if (run === undefined) return;
    describe(run.row, record);
    if (record.event === 'end') close(run, entry);
    this.#runs.set(record.job, runs);
    this.#changed.add(run);
  }

  take(): JobRecord[] {
    const rows = [...this.#changed].map((run) => ({ ...run.row }));
    this.#changed.clear();
    return rows;
  }

  forgetBefore(us: number): void {
    for (const [jobId, runs] of this.#runs) {
      const kept = runs.filter((run) => !run.isEnded || (run.row.endUs ?? Infinity) > us);
      if (kept.length === 0) this.#runs.delete(jobId);
      else this.#runs.set(jobId, kept);
    }
  }

  /** The controller's record and those of the nodes begin the same run, unless it has ended or was requeued since. */
  #started(runs: JobRun[], { record, atUs }: JournalEntry): JobRun {
    const node = record.node ?? '';
    const last = runs.at(-1);
    const isSame =
      last !== undefined &&
      !last.isEnded &&
      !last.openNodes.has(node) &&
      last.row.run === (record.restart ?? last.row.run);
    if (isSame) {
      last.openNodes.add(node);
      return last;
    }
    const row = { jobId: record.job, run: record.restart ?? runs.length, startUs: atUs };
    const run: JobRun = { row, openNodes: new Set([node]), isEnded: false };
    runs.push(run);
    return run;
  }
}

/** A controller's hooks see jobs without GPUs too, and cannot tell; a node's hooks can. */
function ownsDevices({ record, resolution }: JournalEntry): boolean {
  if (record.context?.endsWith('_slurmctld') === true || record.event === 'end') return true;
  return resolution.devices.length + resolution.unresolved.length > 0;
}

function isOurs(record: JournalRecord): boolean {
  if (record.node === undefined || record.nodelist === undefined) return true;
  return expandHostlist(record.nodelist, 1)[0] === record.node;
}

function close(run: JobRun, { record, atUs }: JournalEntry): void {
  run.openNodes.delete(record.node ?? '');
  run.isEnded = run.openNodes.size === 0;
  run.row.endUs = Math.max(atUs, run.row.endUs ?? run.row.startUs, run.row.startUs);
}

/** Takes over what a record knows; what it does not know stays as it was. */
function describe(row: Mutable<JobRecord>, record: JournalRecord): void {
  const set = <K extends keyof JobRecord>(key: K, value: JobRecord[K] | undefined): void => {
    if (value !== undefined) row[key] = value;
  };
  set('name', record.name);
  set('user', record.user);
  set('account', record.account);
  set('partition', record.partition);
  set('qos', record.qos);
  set('arrayJobId', record.array_job);
  set('arrayTaskId', record.array_task);
  set('hetJobId', record.het_job);
  set('nodes', record.nodes);
  if (record.event === 'start') {
    set('state', 'RUNNING');
    return;
  }
  const [status, signal] = (record.exit_code ?? '').split(':').map(Number);
  const isKnown = status !== undefined && signal !== undefined && Number.isInteger(status);
  if (isKnown) set('exitCode', signal > 0 ? 128 + signal : status);
  // Slurm's hooks show a job that was cancelled, or ran out of time, as one that did well: only a failure is certain.
  if (isKnown && (status !== 0 || signal !== 0)) set('state', 'FAILED');
  else delete row.state;
}
