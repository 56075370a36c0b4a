import { OperatingError } from '../../core/base/errors.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { gaugesByLane, GAUGES_WITH_PERCENTILES, type GaugeKey, type LaneGauges } from '../gauges.ts';
import { scanJob, type JobSums, type SampleSums } from './scan.ts';
import { partsWithin } from '../../core/jobs/device-parts.ts';
import { rankedValues } from '../owned-samples.ts';
import type { Asked } from '../query-cells.ts';
import { oldestSampleUs, recordedLanes } from '../recorded-lanes.ts';
import {
  jobDevices,
  jobGauges,
  notMeasuredOf,
  ownedFigures,
  ownedUsOf,
  sharingOf,
  type Percentiles,
} from './assemble.ts';
import { clusterOf, jobIdOf, type Member } from './bearers.ts';
import {
  divided,
  eventsOf,
  inventoryOf,
  runOf,
  type DividedWindow,
  type JobRun,
  type JobWindow,
} from './facts.ts';
import type { JobEvent, JobFacts, JobFigures, JobIdentity } from './figures.ts';
import { findJob, type Found } from './find-job.ts';
import { findingsOf } from './findings.ts';
import { gapsOf } from './gaps.ts';
import { jobCommand, type JobSelector } from './job-command.ts';
import { keptSums, readKept, withKept } from './kept-figures.ts';
import { rhythmOf, throttleEffects, type ActivityColumn } from './rhythm.ts';

/** Equal parts of the job's interval in the series; a short job has one per tick. */
const SERIES_PARTS_MAX = 20;
/** Ticks that wait for a busy machine lengthen the mean step by less than this. */
const INTERVAL_STRAY_RATIO_MAX = 0.2;
/** A running job is looked at up to its newest sample, as long as that is not older than this. */
const FRESH_SAMPLE_US_MAX = 60e6;

export interface JobQueryOptions extends JobSelector {
  /** Number of the run that is wanted; the newest when absent. */
  readonly run?: number;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
}

/**
 * Every figure of one run of a job. An id that is an array's too, as that of its last task is, means the task here.
 * @throws OperatingError `report.job_id`, `report.unknown_job`, `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function jobFigures(
  db: Asked,
  lanes: readonly Lane[],
  jobId: string,
  options: JobQueryOptions,
): Promise<JobFigures> {
  const found = await findJob(db, jobId, options);
  const { members } = found.bearer;
  const member = members.find(({ job }) => jobIdOf(job) === found.typed.typed) ?? members[0]!;
  return await memberFigures(db, lanes, found, { ...options, member });
}

/**
 * Every figure of one run of a job, computed by the server over ownership intervals × raw samples (start < ts ≤ end).
 * @param lanes which tables and columns there are; a gauge that no lane holds is left out and named in `notMeasured`.
 * @throws OperatingError `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function memberFigures(
  db: Asked,
  lanes: readonly Lane[],
  found: Found,
  options: JobQueryOptions & { readonly member: Member },
): Promise<JobFigures> {
  const run = chosenRun(db, options);
  const job = identityOf(run, options.member, found);
  const asked = await divided(db, run.jobId, windowOf(run));
  const inventory = await inventoryOf(db, asked.intervals);
  const sources = gaugesByLane(await recordedLanes(db, lanes));
  const scanned = await scanToNewest(db, sources, asked, SERIES_PARTS_MAX);
  const { window } = scanned;
  const oldestUs = sources[0] === undefined ? undefined : await oldestSampleUs(db, sources[0].lane.table);
  const isRawComplete = oldestUs !== undefined && oldestUs <= window.startUs + configuredUsOf(sources[0]);
  const kept = isRawComplete
    ? undefined
    : withKept(window, scanned.sums.devices, keptSums(await readKept(db, [run.jobId]), run.jobId, window));
  const sums = kept ?? scanned.sums;
  const origin = kept === undefined ? 'samples' : 'kept';
  const boundaryUs = observedIntervalUs(sources[0], sums.all);
  const { startUs, endUs, intervals } = window;
  const events = intervals.length === 0 ? [] : await eventsOf(db, job.cluster, window);
  const isSampled = sums.all.samples > 0;
  const course =
    isSampled && origin === 'samples'
      ? await courseOf(db, sources, { window, sums, boundaryUs, events })
      : NO_COURSE;
  const facts: JobFacts = {
    job,
    isSynthetic: [...inventory.values()].some((device) => device.text('source') === 'synthetic'),
    startUs,
    endUs,
    isOpen: intervals.some((interval) => interval.isOpen),
    boundaryUs,
    ...sharingOf(window, sums),
    origin,
    oldestSampleUs: oldestUs !== undefined && oldestUs > startUs + boundaryUs ? oldestUs : undefined,
    all: ownedFigures(ownedUsOf(intervals), sums.all),
    gauges: jobGauges(sums, course.percentiles),
    gaps: course.gaps,
    devices: jobDevices(intervals, sums, inventory, events),
    nodeEvents: events.filter((event) => event.gpu === undefined),
    dips: course.dips,
    throttleEffects: course.throttleEffects,
    notMeasured: isSampled ? notMeasuredOf(sources, sums.all, origin) : [],
  };
  return { ...facts, findings: findingsOf(facts) };
}

function chosenRun(
  db: Asked,
  { member: { job }, run, nowUs, cluster, submittedUs }: JobQueryOptions & { readonly member: Member },
): JobRun {
  const jobId = jobIdOf(job);
  const chosen = run === undefined ? job.runs.at(-1) : job.runs.findLast(({ number }) => number === run);
  if (chosen !== undefined) return runOf(job, chosen, nowUs);
  const numbers = job.runs.map(({ number }) => number).join(', ');
  throw new OperatingError(`job ${jobId} has no run ${run!}: its runs are ${numbers}`, {
    code: 'report.unknown_run',
    exit: 'usage',
    where: `${db.where}, tables gpu_ownership and jobs`,
    hints: [`the newest: ${jobCommand(jobId, { cluster, submittedUs })}`],
  });
}

function identityOf(run: JobRun, { job, task }: Member, { typed, otherJobs }: Found): JobIdentity {
  const { record, told } = run;
  return {
    jobId: run.jobId,
    run: run.run,
    otherRuns: run.otherRuns,
    otherJobs,
    cluster: clusterOf(job),
    submitUs: told.submitUs,
    sluid: told.sluid,
    arrayJobId: record.arrayJobId,
    hetJobId: record.hetJobId,
    task,
    askedStep: typed.step,
    name: record.name,
    user: record.user,
    account: record.account,
    partition: record.partition,
    qos: record.qos,
    state: record.state,
    exitCode: record.exitCode,
  };
}

/** What only the samples tell. */
interface Course extends Pick<JobFigures, 'gaps' | 'dips' | 'throttleEffects'> {
  readonly percentiles: Percentiles;
}

const NO_COURSE: Course = { percentiles: new Map(), gaps: [], dips: undefined, throttleEffects: [] };

interface SampledJob {
  readonly window: JobWindow;
  readonly sums: JobSums;
  /** Interval of the first lane as it was observed, µs. */
  readonly boundaryUs: number;
  readonly events: readonly JobEvent[];
}

async function courseOf(db: Asked, sources: readonly LaneGauges[], job: SampledJob): Promise<Course> {
  const { window, sums, boundaryUs, events } = job;
  const activity = activityColumn(sources, boundaryUs);
  return {
    percentiles: await percentilesOf(db, sources, window, sums.all),
    gaps: await gapsOf(db, sources[0]!.lane.table, window, boundaryUs),
    dips: activity === undefined ? undefined : await rhythmOf(db, activity, window),
    throttleEffects: activity === undefined ? [] : await throttleEffects(db, activity, window, events),
  };
}

async function percentilesOf(
  db: Asked,
  sources: readonly LaneGauges[],
  window: JobWindow,
  all: SampleSums,
): Promise<Percentiles> {
  const found = new Map<GaugeKey, readonly [number, number]>();
  for (const { lane, gauges } of sources) {
    for (const [key, column] of gauges) {
      const known = all.gauges.get(key);
      if (known === undefined || !GAUGES_WITH_PERCENTILES.includes(key)) continue;
      const { min, max } = known;
      const ranked = await rankedValues(
        db,
        { table: lane.table, column, min, max },
        window.intervals,
        [0.5, 0.95],
      );
      if (ranked !== undefined) found.set(key, [ranked[0]!, ranked[1]!]);
    }
  }
  return found;
}

/**
 * The sums over the job's samples. What has not been flushed yet is no gap: a running job ends, for now, at its newest sample.
 * @param partsMax so many equal parts of its time have sums of their own, fewer where there are fewer ticks
 */
export async function scanToNewest(
  db: Asked,
  sources: readonly LaneGauges[],
  window: DividedWindow,
  partsMax: number,
): Promise<{ window: DividedWindow; sums: JobSums }> {
  const sums = await scanJob(db, sources, window, partCountOf(sources[0], window, partsMax));
  const asOfUs = upToNewestSample(window, sums.all.lastUs);
  if (asOfUs >= window.endUs) return { window, sums };
  const cut = cutAt(window, asOfUs);
  return { window: cut, sums: await scanJob(db, sources, cut, partCountOf(sources[0], cut, partsMax)) };
}

function partCountOf(
  source: LaneGauges | undefined,
  { startUs, endUs }: JobWindow,
  partsMax: number,
): number {
  const ticks = Math.floor((endUs - startUs) / 1000 / (source?.lane.intervalMs ?? 1));
  return Math.max(1, Math.min(partsMax, ticks));
}

function configuredUsOf(source: LaneGauges | undefined): number {
  return (source?.lane.intervalMs ?? 0) * 1000;
}

/** From the first start to the last end; without intervals as was told, where an end that nobody told is the start. */
export function windowOf({ told, intervals }: JobRun): JobWindow {
  const { startUs, endUs = startUs } = told;
  if (intervals.length === 0) return { startUs, endUs: endUs === Infinity ? startUs : endUs, intervals };
  return {
    startUs: Math.min(...intervals.map((interval) => interval.startUs)),
    endUs: Math.max(...intervals.map((interval) => interval.endUs)),
    intervals,
  };
}

/**
 * The lane's interval as the samples show it, where that is not what this configuration says: the collector may have had
 * another one, and may have been given it on its command line.
 */
function observedIntervalUs(source: LaneGauges | undefined, sums: SampleSums): number {
  const configuredUs = configuredUsOf(source);
  if (sums.steps === 0) return configuredUs;
  const meanUs = sums.sampledUs / sums.steps;
  return Math.abs(meanUs - configuredUs) <= INTERVAL_STRAY_RATIO_MAX * configuredUs
    ? configuredUs
    : Math.round(meanUs / 1000) * 1000;
}

function upToNewestSample({ endUs, intervals }: JobWindow, newestUs: number): number {
  const isOpen = intervals.some((interval) => interval.isOpen && interval.endUs === endUs);
  return isOpen && newestUs > endUs - FRESH_SAMPLE_US_MAX ? newestUs : endUs;
}

function cutAt(window: DividedWindow, endUs: number): DividedWindow {
  const intervals = window.intervals.map((interval) => ({
    ...interval,
    endUs: Math.max(interval.startUs, Math.min(interval.endUs, endUs)),
  }));
  return { ...window, endUs, intervals, spans: partsWithin(window.spans, intervals) };
}

function activityColumn(
  sources: readonly LaneGauges[],
  primaryIntervalUs: number,
): ActivityColumn | undefined {
  for (const source of sources) {
    const { lane, gauges } = source;
    const column = new Map(gauges).get('smActive');
    const intervalUs = source === sources[0] ? primaryIntervalUs : lane.intervalMs * 1000;
    if (column !== undefined) return { table: lane.table, column, intervalUs };
  }
  return undefined;
}
