import type { RefusedRow, WaitingJobs } from '../../src/core/jobs/cluster-load.ts';
import { visibleText } from '../visible-text.ts';
import { askedGpus } from './asked-gpus.ts';
import { quoteShort } from './jobs.ts';

/** Columns that are asked of `squeue -O`, in this order: every version from 20.02 on knows them. */
export const SQUEUE_COLUMNS = [
  ...['JobID', 'ArrayTaskID', 'Partition', 'Account', 'UserName', 'QOS', 'Reason', 'SubmitTime'],
  ...['NumNodes', 'NumTasks', 'Sockets', 'tres-per-job', 'tres-per-node', 'tres-per-socket', 'tres-per-task'],
] as const;

/** Slurm counts tasks of an array, nodes and devices in 32 bits. */
const COUNT_MAX = 0xffff_fffd;

/** @returns undefined for a job that asks for no GPUs */
export function waitingJobsOf(cells: readonly string[]): WaitingJobs | RefusedRow | undefined {
  const cell = (name: (typeof SQUEUE_COLUMNS)[number]): string => told(cells[SQUEUE_COLUMNS.indexOf(name)]!);
  const wrong = (name: (typeof SQUEUE_COLUMNS)[number], expected: string): RefusedRow => ({
    expected: `${name}: expected ${expected}`,
    found: `${quoteShort(cell(name))} (job ${cell('JobID').slice(0, 20)})`,
  });
  const lists = {
    perJob: cell('tres-per-job'),
    perNode: cell('tres-per-node'),
    perSocket: cell('tres-per-socket'),
    perTask: cell('tres-per-task'),
  };
  if (!Object.values(lists).some((list) => /gpu|shard|mps/.test(list))) return undefined;
  const nodes = leastOf(cell('NumNodes'));
  if (nodes === undefined) return wrong('NumNodes', 'a number of nodes');
  const tasks = leastOf(cell('NumTasks'));
  if (tasks === undefined) return wrong('NumTasks', 'a number of tasks');
  const asked = askedGpus({ ...lists, nodes, tasks, sockets: leastOf(cell('Sockets')) ?? 1 });
  if (asked === undefined) return undefined;
  const { gpus, type: gpuType } = asked;
  if (gpus !== undefined && gpus > COUNT_MAX) return wrong('tres-per-node', `at most ${COUNT_MAX} GPUs`);
  const jobs = arrayTasks(cell('ArrayTaskID'));
  if (jobs === undefined) return wrong('ArrayTaskID', 'the waiting tasks of an array, as 1-20%3');
  const submit = cell('SubmitTime');
  if (!/^\d{1,10}$/.test(submit)) return wrong('SubmitTime', 'seconds since 1970');
  const partition = visibleText(cell('Partition'));
  if (partition === '') return wrong('Partition', 'a partition');
  return {
    ...{ jobs, nodes, gpus, gpuType, partition, submitUs: Number(submit) * 1e6 },
    account: text(cell('Account')),
    user: text(cell('UserName')),
    qos: text(cell('QOS')),
    reason: reasonOf(cell('Reason')),
  };
}

/**
 * `ReqNodeNotAvail, UnavailableNodes:n1,n2`: the word is why, and the rest another one for each job. While nodes are out of use
 * squeue writes a sentence in the place of the word that the controller has.
 */
function reasonOf(told: string): string | undefined {
  if (/^Nodes[ _]required[ _]for[ _]job[ _]are[ _]DOWN/.test(told)) return 'Resources';
  return text(/^[^,:(]*/.exec(told)![0]);
}

/**
 * How many tasks stand in `1-20%3`, `3,7,10-20:5`: behind % stands how many may run at once, behind a colon the step. 1 for a job that is no array.
 * @returns undefined for what is not whole (`1,4,7,...`) or no such list
 */
export function arrayTasks(list: string): number | undefined {
  if (list === '') return 1;
  const [, ranges] = /^([\d,:-]+)(?:%\d+)?$/.exec(list) ?? [];
  if (ranges === undefined) return undefined;
  let tasks = 0;
  for (const range of ranges.split(',')) {
    const [, first, last = first, step = '1'] =
      /^(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?$/.exec(range) ?? [];
    if (first === undefined || Number(last) < Number(first) || Number(step) === 0) return undefined;
    tasks += Math.floor((Number(last) - Number(first)) / Number(step)) + 1;
  }
  return tasks > COUNT_MAX ? undefined : tasks;
}

/** `2`, `2-4`; undefined for what is no number, as `*` where nothing is asked for. */
function leastOf(cell: string): number | undefined {
  const [, least] = /^(\d{1,9})(?:-\d{1,9})?$/.exec(cell) ?? [];
  return least === undefined ? undefined : Math.max(1, Number(least));
}

/** Slurm has several words for nothing. */
function told(cell: string): string {
  const trimmed = cell.trim();
  return trimmed === 'N/A' || trimmed === '(null)' ? '' : trimmed;
}

function text(cell: string): string | undefined {
  return cell === '' ? undefined : visibleText(cell);
}
