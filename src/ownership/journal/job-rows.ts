import type { JobRecord } from '../../core/jobs/job-fact.ts';
import { isSameRun } from '../../core/jobs/job-runs.ts';
import { expandHostlist } from '../../core/devices/hostlist.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { JournalEntry } from './entry.ts';
import {
  apartByCluster,
  byTime,
  canBeEndOf,
  clusterOf,
  isController,
  isLaterStart,
  isRequeued,
  saidStartOf,
  toldOf,
} from './which-run.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface JobRun {
  readonly row: Mutable<JobRecord>;
  readonly entries: JournalEntry[];
  /** Nodes that have begun this run, and those that have ended it; '' is the controller. */
  readonly begun: Set<string>;
  readonly ended: Set<string>;
}

/**
 * The rows of `jobs` that a journal can give: one per job run, from the controller's records and from those of the
 * job's first node, so that a job of many nodes has one row. A row is always whole, since an upsert nulls what it lacks.
 * Records may come in any order: the rows of a job are made anew out of all of them.
 */
export class JobRows {
  readonly #entries = new Map<string, JournalEntry[]>();
  readonly #fresh = new Set<JournalEntry>();

  add(entry: JournalEntry): void {
    const { record } = entry;
    if (!isOurs(record) || (record.event === 'start' && !mayOwnDevices(entry))) return;
    this.#entries.set(record.job, [...(this.#entries.get(record.job) ?? []), entry]);
    this.#fresh.add(entry);
  }

  take(): JobRecord[] {
    const changed = new Set([...this.#fresh].map(({ record }) => record.job));
    const isChanged = ({ entries }: JobRun): boolean => entries.some((entry) => this.#fresh.has(entry));
    const rows = [...changed].flatMap((jobId) =>
      runsOf(this.#entries.get(jobId) ?? [])
        .filter(isChanged)
        .map(({ row }) => row),
    );
    this.#fresh.clear();
    return rows;
  }

  forgetBefore(us: number): void {
    for (const [jobId, entries] of this.#entries) {
      const isKept = (run: JobRun): boolean => !isEnded(run) || (run.row.endUs ?? Infinity) > us;
      const kept = new Set(
        runsOf(entries)
          .filter(isKept)
          .flatMap((run) => run.entries),
      );
      const rest = entries.filter((entry) => kept.has(entry) || entry.atUs > us);
      if (rest.length === 0) this.#entries.delete(jobId);
      else this.#entries.set(jobId, rest);
    }
  }
}

/** All runs under one job id. */
function runsOf(entries: readonly JournalEntry[]): JobRun[] {
  return apartByCluster(entries).flatMap(runsOfCluster);
}

/** The runs of one job, ascending by start. */
function runsOfCluster(entries: readonly JournalEntry[]): JobRun[] {
  const runs: JobRun[] = [];
  for (const entry of [...entries].sort(byTime)) {
    const isStart = entry.record.event === 'start';
    const run = isStart ? startedRun(runs, entry) : endedRun(runs, entry);
    // A second end of a node changes nothing.
    if (run === undefined || run.ended.has(nodeOf(entry))) continue;
    run.entries.push(entry);
    describe(run.row, entry);
    if (isStart) begin(run, entry);
    else end(run, entry);
  }
  return runs;
}

/** The controller's record and those of the nodes begin the same run, and each of them begins it once. */
function startedRun(runs: JobRun[], entry: JournalEntry): JobRun {
  const last = runs.at(-1);
  if (last !== undefined && !last.begun.has(nodeOf(entry)) && isSameRun(last.row, toldOf(entry))) return last;
  return newRun(runs, toldOf(entry));
}

/** The last one that can end with this; where it says that its run began after that one, a run that nobody saw begin. */
function endedRun(runs: JobRun[], entry: JournalEntry): JobRun | undefined {
  const { start_time: startS } = entry.record;
  const last = runs.findLast(({ row }) => canBeEndOf(entry, row));
  if (last !== undefined) {
    const { startUs, endUs: endedUs = Infinity } = last.row;
    if (startS === undefined || !isLaterStart(startS * 1e6, { startUs, endedUs })) return last;
  }
  const known = saidStartOf(
    entry,
    runs.map(({ row, begun }) => ({ run: row.run, user: row.user, isInferred: begun.size === 0 })),
  );
  if (known === undefined || !mayOwnDevices(entry)) return undefined;
  const run = newRun(runs, { jobId: entry.record.job, startUs: known.us });
  if (!Number.isNaN(known.run)) run.row.run = known.run;
  return run;
}

function newRun(runs: JobRun[], { jobId, startUs }: Pick<JobRecord, 'jobId' | 'startUs'>): JobRun {
  const run = { row: { jobId, startUs }, entries: [], begun: new Set<string>(), ended: new Set<string>() };
  runs.push(run);
  return run;
}

function begin(run: JobRun, entry: JournalEntry): void {
  run.begun.add(nodeOf(entry));
  if (run.row.endUs === undefined) run.row.state = 'RUNNING';
}

function end(run: JobRun, entry: JournalEntry): void {
  run.ended.add(nodeOf(entry));
  run.row.endUs = Math.max(entry.atUs, run.row.endUs ?? run.row.startUs, run.row.startUs);
  const [status, signal] = (entry.record.exit_code ?? '').split(':').map(Number);
  const isKnown = status !== undefined && signal !== undefined && Number.isInteger(status);
  if (isKnown) run.row.exitCode = signal > 0 ? 128 + signal : status;
  // Where nobody saw it begin, its count may be its own, or that of the next one.
  const mayBeRequeued = run.row.run === undefined && (entry.record.restart ?? 0) > 0;
  // Slurm's hooks show a job that was cancelled, or ran out of time, as one that did well: only a failure is certain.
  if (isRequeued(entry, run.row)) run.row.state = 'REQUEUED';
  else if (isKnown && (status !== 0 || signal !== 0) && !mayBeRequeued) run.row.state = 'FAILED';
  else delete run.row.state;
}

function isEnded({ begun, ended }: JobRun): boolean {
  return ended.size > 0 && [...begun].every((node) => ended.has(node));
}

function nodeOf({ record }: JournalEntry): string {
  return record.node ?? '';
}

/** A controller's hooks see jobs without GPUs too, and cannot tell; a node's hooks can. */
function mayOwnDevices(entry: JournalEntry): boolean {
  const { devices, unresolved } = entry.resolution;
  return isController(entry) || devices.length + unresolved.length > 0;
}

function isOurs(record: JournalRecord): boolean {
  if (record.node === undefined || record.nodelist === undefined) return true;
  return expandHostlist(record.nodelist, 1)[0] === record.node;
}

/** Takes over what a record knows; what it does not know stays as it was. */
function describe(row: Mutable<JobRecord>, entry: JournalEntry): void {
  const { record } = entry;
  const set = <K extends keyof JobRecord>(key: K, value: JobRecord[K] | undefined): void => {
    if (value !== undefined) row[key] = value;
  };
  set('cluster', clusterOf(entry));
  set('sluid', record.sluid);
  set('name', record.name);
  set('user', record.user);
  set('account', record.account);
  set('partition', record.partition);
  set('qos', record.qos);
  set('arrayJobId', record.array_job);
  set('arrayTaskId', record.array_task);
  set('hetJobId', record.het_job);
  set('nodes', record.nodes);
  // The count of an end may be that of the next run already.
  if (record.event === 'start') set('run', record.restart);
}
