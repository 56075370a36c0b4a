import { taskInBrackets, type JobIdReading } from '../../core/jobs/job-id.ts';
import { differ, type Job } from '../../core/jobs/job-runs.ts';
import { recordTogether, type JobCells, type Told } from './told-runs.ts';
import type { JobSelector } from './job-command.ts';

/** What may be meant by an id: one job, or the tasks of an array or the components of a heterogeneous job. */
export interface Bearer {
  readonly family: 'array' | 'het' | undefined;
  /** One, or two or more of a family, ascending by task. */
  readonly members: readonly Member[];
}

export interface Member {
  readonly job: Job<Told>;
  readonly record: Partial<JobCells>;
  /** Number of the task in its array, or of the component; undefined where it is neither or nobody told. */
  readonly task: string | undefined;
}

/** Members so far, and what is known of any of them: of a family they all agree. */
interface Gathered {
  readonly family: Bearer['family'];
  readonly members: Member[];
  readonly tasks: Set<string>;
  cluster: string | undefined;
  user: string | undefined;
  submitUs: number | undefined;
}

/** The id as people type it: `6_1` of an array, `2+1` of a heterogeneous job. */
export function typedId(
  { task, record: { arrayJobId, hetJobId } }: Pick<Member, 'task' | 'record'>,
  jobId: string,
): string {
  if (task !== undefined && arrayJobId !== undefined) return `${arrayJobId}_${task}`;
  return task !== undefined && hetJobId !== undefined ? `${hetJobId}+${task}` : jobId;
}

/** A job by itself. */
export function memberOf(job: Job<Told>): Member {
  const record = recordTogether(job.runs.flatMap(({ members }) => members));
  return { job, record, task: taskOf(job, record) };
}

/** Ascending by the start of their newest run. @param jobs those that the reading fits */
export function bearersOf(jobs: readonly Job<Told>[], reading: JobIdReading): Bearer[] {
  const bearers: Gathered[] = [];
  const byStart = [...jobs].sort((a, b) => a.runs[0]!.told.startUs - b.runs[0]!.told.startUs);
  for (const job of byStart) {
    const member = memberOf(job);
    const family = familyOf(job, member.record, reading);
    const one = gathered(family, member);
    const same =
      family === undefined
        ? undefined
        : bearers.findLast((other) => other.family === family && areSiblings(other, one));
    if (same === undefined) bearers.push(one);
    else addMembers(same, one);
  }
  return bearers
    .map(({ family, members }) => ({
      family: members.length === 1 ? undefined : family,
      members: members.sort((a, b) => byNumber(a.task, b.task)),
    }))
    .sort((a, b) => newestStartUs(a) - newestStartUs(b));
}

function gathered(family: Bearer['family'], member: Member): Gathered {
  const { job, record, task } = member;
  return {
    family,
    members: [member],
    tasks: new Set(task === undefined ? [] : [task]),
    cluster: clusterOf(job),
    user: record.user,
    submitUs: firstSubmitUs(job),
  };
}

/** An id is given again: the tasks of one array are submitted together, by one user, each once. */
function areSiblings(a: Gathered, b: Gathered): boolean {
  const isOther = differ(a.cluster, b.cluster) || differ(a.user, b.user) || differ(a.submitUs, b.submitUs);
  return !isOther && ![...b.tasks].some((task) => a.tasks.has(task));
}

function addMembers(to: Gathered, from: Gathered): void {
  to.members.push(...from.members);
  for (const task of from.tasks) to.tasks.add(task);
  to.cluster ??= from.cluster;
  to.user ??= from.user;
  to.submitUs ??= from.submitUs;
}

/** Whether the id that was typed means all of an array, and the job is one of its tasks. */
function familyOf(job: Job<Told>, record: Partial<JobCells>, reading: JobIdReading): Bearer['family'] {
  switch (reading.how) {
    case 'id':
      if (record.arrayJobId === reading.jobId) return 'array';
      return record.hetJobId === reading.jobId ? 'het' : undefined;
    case 'array':
      return 'array';
    case 'beginning':
      return reading.text.endsWith('[') && taskInBrackets(jobIdOf(job)) !== undefined ? 'array' : undefined;
    case 'components':
      return 'het';
    case 'sluid':
    case 'task':
      return undefined;
  }
}

/** Of a run that had none before it: a requeue is submitted anew. */
function firstSubmitUs(job: Job<Told>): number | undefined {
  const first = job.runs[0]!;
  return first.told.run === 0 ? first.told.submitUs : undefined;
}

/** Slurm gives the components of a job consecutive ids, the first of which is the id of the whole. */
function taskOf(job: Job<Told>, { arrayTaskId, hetJobId }: Partial<JobCells>): string | undefined {
  const jobId = jobIdOf(job);
  if (hetJobId !== undefined) {
    const offset = Number(jobId) - Number(hetJobId);
    return offset >= 0 ? String(offset) : undefined;
  }
  return arrayTaskId ?? taskInBrackets(jobId);
}

/** Made once: an array has ten thousand tasks. */
const NUMBERS = new Intl.Collator('en', { numeric: true });

function byNumber(a: string | undefined, b: string | undefined): number {
  return NUMBERS.compare(a ?? '', b ?? '');
}

export function jobIdOf(job: Job<Told>): string {
  return job.runs[0]!.told.jobId;
}

export function clusterOf(job: Job<Told>): string | undefined {
  return job.runs.findLast(({ told }) => told.cluster !== undefined)?.told.cluster;
}

function newestStartUs({ members }: Bearer): number {
  return Math.max(...members.map(({ job }) => job.runs.at(-1)!.told.startUs));
}

/** When it was submitted, as far as anybody told; else when it began. */
function submittedUs({ members }: Bearer): number {
  const { told } = members[0]!.job.runs.at(-1)!;
  return told.submitUs ?? told.startUs;
}

/** The newest that fits. @param bearers ascending */
export function selected(bearers: readonly Bearer[], selector: JobSelector): Bearer | undefined {
  return bearers.findLast(({ members }) => members.some(({ job }) => isSelected(job, selector)));
}

function isSelected(job: Job<Told>, { cluster, submittedUs: wantedUs }: JobSelector): boolean {
  if (cluster !== undefined && clusterOf(job) !== cluster) return false;
  if (wantedUs === undefined) return true;
  return job.runs.some(({ told: { submitUs, startUs } }) => {
    const us = submitUs ?? startUs;
    return us === wantedUs || (wantedUs % 1e6 === 0 && Math.floor(us / 1e6) * 1e6 === wantedUs);
  });
}

/** The shortest selector that means this one and no other. */
export function selectorOf(bearer: Bearer, bearers: readonly Bearer[]): JobSelector {
  const cluster = clusterOf(bearer.members[0]!.job);
  const exactUs = submittedUs(bearer);
  const secondUs = Math.floor(exactUs / 1e6) * 1e6;
  const selectors: readonly JobSelector[] = [
    ...(cluster === undefined ? [] : [{ cluster }]),
    { submittedUs: secondUs },
    ...(cluster === undefined ? [] : [{ cluster, submittedUs: secondUs }]),
    { submittedUs: exactUs },
  ];
  const last = { ...(cluster === undefined ? {} : { cluster }), submittedUs: exactUs };
  return selectors.find((selector) => selected(bearers, selector) === bearer) ?? last;
}
