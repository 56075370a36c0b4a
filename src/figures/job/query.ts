import { OperatingError } from '../../core/base/errors.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import { USUAL_FINDING_LIMITS, type FindingLimits } from '../../core/analysis/finding-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { USUAL_IDLE_LIMITS, type IdleLimits } from '../../core/fields/idle-limits.ts';
import { gaugeReadings, storedLanes } from '../gauge-lanes.ts';
import type { LaneGauges } from '../gauges.ts';
import { readIdleLimits, type DeviceIdleLimits } from '../idle-limits.ts';
import { invalidRollups } from '../invalid-rollups.ts';
import { floorTo, STEP_US } from '../levels.ts';
import type { CutInventory } from '../mig-energy.ts';
import type { Asked, Cells } from '../query-cells.ts';
import { sideBySide } from '../side-by-side.ts';
import type { Sight } from '../sight.ts';
import { jobDevices, jobGauges, notMeasuredOf, ownedFigures, setsOfKept, sharingOf } from './assemble.ts';
import { clusterOf, jobIdOf, type Member } from './bearers.ts';
import { analyseJob, NO_ANALYSIS } from './analysis/analyse.ts';
import { boundsOf } from './analysis/bounds.ts';
import { activityOf, courseOf, NO_COURSE, segmentsOf, type Course, type SampledJob } from './course.ts';
import { causesFigures } from './causes/job-causes.ts';
import {
  cutInventoryOf,
  eventsOf,
  inventoryOf,
  runOf,
  sliceRatiosOf,
  type JobRun,
  type JobWindow,
  type SliceRatios,
} from './facts.ts';
import type { JobFacts, JobFigures, JobIdentity } from './figures.ts';
import { findJob, type Found } from './find-job.ts';
import { costsOfJob } from './energy-hours.ts';
import { conclusionsOf } from './findings/find.ts';
import { hostFigures, hostTotals } from './host/host-figures.ts';
import { NO_HARDWARE, type JobHardware } from './hardware/figures.ts';
import { narrowLinks } from './hardware/narrow-links.ts';
import { gpusOfNodes } from './hardware/node-gpus.ts';
import { besideInstances, instanceEnergies, withInstances } from './instances.ts';
import { jobCommand, type JobSelector } from './job-command.ts';
import { keptSums, readKept, withKept, type KeptFigures } from './kept-figures.ts';
import type { RunConclusions } from './kept/conclusions.ts';
import { keptConclusions } from './kept/run-conclusions.ts';
import type { JobSource, JobSums, SampleSums } from './rows/scan.ts';
import { timelineOf } from './timeline/timeline.ts';
import { isComplete, jobSources, oldestSampleUs, sumToNewest } from './rows/summed-job.ts';
import { undividedUs } from './rows/undivided.ts';

/** Ticks that wait for a busy machine lengthen the mean step by less than this. */
const INTERVAL_STRAY_RATIO_MAX = 0.2;

export interface JobQueryOptions extends JobSelector {
  /** Whose jobs there are for whoever asks; everybody's when absent. */
  readonly sight?: Sight | undefined;
  /** Number of the run that is wanted; the newest when absent. */
  readonly run?: number | undefined;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
  /** Below which SM activity devices count as idle; the usual 5 % when absent. */
  readonly idleLimits?: IdleLimits;
  /** What GPU time and energy cost; nothing is told of it when absent. */
  readonly costs?: CostRates | undefined;
  /** From where on rules speak; the usual ones when absent. */
  readonly findingLimits?: FindingLimits;
  /** It is to be drawn: its course is told step by step, too. */
  readonly isDrawn?: boolean;
  /** The activity of each device over its time is told, too. */
  readonly isMapped?: boolean;
  /** Where its time went is told by minutes alone, and its course is not looked at: of a job that is too large, or too short. */
  readonly isBrief?: boolean;
}

/**
 * Every figure of one run of a job but its history. An id that is an array's too, as that of its last task is, means the task here.
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

/** What of `Found` a run's figures are made of. */
export type FoundJobs = Pick<Found, 'jobs' | 'otherJobs'> & {
  readonly typed: { readonly step?: string | undefined };
};

/**
 * Every figure of one run of a job but its history, computed by the server from the rows that bear its label.
 * @param lanes which tables and columns there are; a gauge that no lane holds is left out and named in `notMeasured`.
 * @throws OperatingError `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function memberFigures(
  store: Asked,
  lanes: readonly Lane[],
  found: FoundJobs,
  options: JobQueryOptions & { readonly member: Member },
): Promise<JobFigures> {
  const db = sideBySide(store);
  const { findingLimits: limits = USUAL_FINDING_LIMITS } = options;
  const run = chosenRun(db, found, options);
  const job = identityOf(run, options.member, found);
  const asked = windowOf(run);
  const [inventory, idle] = await Promise.all([inventoryOf(db, asked), jobIdleLimits(db, asked, options)]);
  const cut = await cutInventoryOf(db, inventory, asked.intervals);
  const sources = await jobSources(db, await jobReadings(db, lanes, asked, cut), idle);
  const summed = await sumToNewest(db, sources, run, asked);
  const { window } = summed;
  const isRawLeft = isComplete(sources[0], window.startUs);
  const oldestUs = oldestSampleUs(sources[0]);
  const mayBeKept = oldestUs === undefined || oldestUs > window.startUs + intervalUsOf(sources[0]);
  const rows = mayBeKept ? await keptRows(db, run, idle) : [];
  const kept = withKept(window, summed.sums.devices, keptSums(rows, run.jobId, window));
  const sliceRatios = sliceRatiosOf(cut, asked);
  const { startUs, endUs, intervals } = window;
  const [energies, events] = await Promise.all([
    instanceEnergies(db, sources, summed.job, { cut, window }),
    intervals.length === 0 ? [] : eventsOf(db, job.cluster, window),
  ]);
  const sums = withInstances(kept ?? summed.sums, sliceRatios, energies);
  const boundaryUs = observedIntervalUs(sources[0], sums.all);
  const isSampled = sums.all.samples > 0;
  const isRead = isSampled && kept === undefined;
  const sampled = { ...summed, boundaryUs, events, limits };
  // While the samples were there they told more than what is left of them.
  const concluded = kept === undefined && isRawLeft ? undefined : keptConclusions(rows, run.jobId, window);
  const how = { ...options, lanes, job, inventory, sliceRatios, sums, concluded, isRead };
  const [{ course, ...looked }, undivided, invalid] = await Promise.all([
    lookAt(db, sources, sampled, how),
    undividedUs(db, summed),
    kept === undefined ? invalidRollups(db, segmentsOf(sources, summed)) : [],
  ]);
  const facts: JobFacts = {
    job,
    isSynthetic: [...inventory.values()].some((device) => device.text('source') === 'synthetic'),
    startUs,
    endUs,
    isOpen: intervals.some((interval) => interval.isOpen),
    boundaryUs,
    ...sharingOf(
      summed.job.label,
      kept === undefined ? summed.sums.sets : setsOfKept(summed.job.label, kept),
    ),
    origin: kept !== undefined ? 'kept' : isRawLeft ? 'samples' : 'rollups',
    oldestSampleUs: oldestUs !== undefined && oldestUs > startUs + boundaryUs ? oldestUs : undefined,
    undividedUs: undivided,
    invalidRollups: invalid,
    mixedUs: summed.sums.mixed.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0),
    idleLimits: idle.told,
    all: ownedFigures(intervals, sliceRatios, sums.all),
    gauges: jobGauges(sums, course),
    gaps: course.gaps ?? (isSampled ? undefined : []),
    unplacedGaps: course.unplaced,
    tailUnseenUs: course.tailUnseenUs,
    devices: jobDevices(intervals, sums, { inventory, sliceRatios, events, idle }, course),
    nodeEvents: events.filter((event) => event.gpu === undefined),
    dips: course.dips,
    throttleEffects: course.throttleEffects,
    ...looked,
    notMeasured: isSampled ? notMeasuredOf(sources, sums.all, kept !== undefined) : [],
  };
  const costs = await costsOfJob(db, sources, facts, { options, summed, energies });
  const told = conclusionsOf(facts, limits);
  const rulesKept = (concluded?.rules ?? []).filter((id) => told.findings.every(({ rule }) => rule !== id));
  return { ...facts, ...told, rulesKept, bounds: boundsOf(facts), costs, history: undefined };
}

interface Look extends Pick<JobQueryOptions, 'isBrief' | 'isDrawn' | 'isMapped'> {
  readonly lanes: readonly Lane[];
  readonly job: JobIdentity;
  readonly inventory: ReadonlyMap<string, Cells>;
  readonly sliceRatios: SliceRatios;
  readonly sums: JobSums;
  /** What was concluded while there were samples. */
  readonly concluded: RunConclusions | undefined;
  /** There is something to read. */
  readonly isRead: boolean;
}

/** The course of a job, and what is concluded from it. */
async function lookAt(
  db: Asked,
  sources: readonly JobSource[],
  sampled: SampledJob,
  {
    lanes,
    job,
    inventory,
    sliceRatios,
    sums,
    concluded,
    isRead,
    isBrief = false,
    isDrawn = false,
    isMapped = false,
  }: Look,
): Promise<
  Pick<JobFacts, 'causes' | 'analysis' | 'hardware' | 'host' | 'timeline'> & { readonly course: Course }
> {
  const isLooked = isRead && !isBrief;
  const activity = activityOf(sources, sampled.boundaryUs);
  const how = { sliceRatios, sums, isCoarse: isBrief };
  // Those first whose answers lead to more questions.
  const [causes, analysis, course, hardware, onNodes, timeline] = await Promise.all([
    concluded?.causes ?? (isRead ? causesFigures(db, sources, sampled, how) : undefined),
    isLooked ? analyseJob(db, sources, activity, { summed: sampled, inventory }) : NO_ANALYSIS,
    isLooked ? courseOf(db, sources, sampled) : NO_COURSE,
    isRead ? hardwareOf(db, job, sampled.window) : NO_HARDWARE,
    isLooked ? hostTotals(db, job, sampled.window) : undefined,
    isRead && (isDrawn || isMapped)
      ? timelineOf(db, sources, sampled, { lanes, activity, inventory, isWhole: isDrawn })
      : undefined,
  ]);
  const steps = concluded?.steps ?? analysis.steps;
  const contexts = causes === undefined || 'why' in causes || causes.isKept ? undefined : causes.contexts;
  const host =
    onNodes &&
    (await hostFigures(db, job, sampled.window, onNodes, { contexts, tickUs: sampled.boundaryUs }));
  return { causes, analysis: { ...analysis, steps }, hardware, host, timeline, course };
}

/** What the inventory tells of the job's nodes, and samples of its links. */
async function hardwareOf(db: Asked, { cluster }: JobIdentity, window: JobWindow): Promise<JobHardware> {
  const [nodes, links] = await Promise.all([gpusOfNodes(db, cluster, window), narrowLinks(db, window)]);
  return { gpusOfNodes: nodes, narrowLinks: links };
}

/** What is kept under the id of a run. */
async function keptRows(db: Asked, { jobId }: JobRun, idle: DeviceIdleLimits): Promise<KeptFigures[]> {
  return await readKept(db, { ids: [jobId], apart: [], sql: undefined }, idle);
}

/** Where the job's gauges are to be read. @throws what `storedLanes` throws */
export async function jobReadings(
  db: Asked,
  lanes: readonly Lane[],
  { startUs, endUs, intervals }: JobWindow,
  cut: CutInventory | undefined,
): Promise<LaneGauges[]> {
  const span =
    cut === undefined
      ? { fromUs: startUs + 1, toUs: endUs + 1 }
      : // The energy of MIG instances is divided by what all of them did in whole hours.
        { fromUs: floorTo(startUs + 1, '1h'), toUs: floorTo(endUs, '1h') + STEP_US['1h'] };
  const own = [...new Set(intervals.map(({ gpu }) => gpu))];
  const gpus = [...new Set([...own, ...besideInstances(cut, own)])];
  return await gaugeReadings(db, await storedLanes(db, lanes, span), span, { gpus });
}

/** By which limits the job's devices are told to be idle. @throws what `ask` throws */
export async function jobIdleLimits(
  db: Asked,
  { intervals }: Pick<JobWindow, 'intervals'>,
  { idleLimits = USUAL_IDLE_LIMITS }: Pick<JobQueryOptions, 'idleLimits'>,
): Promise<DeviceIdleLimits> {
  return await readIdleLimits(db, idleLimits, [...new Set(intervals.map(({ gpu }) => gpu))]);
}

/** The run that is meant, the newest where none is named. @throws OperatingError `report.unknown_run` */
export function chosenRun(
  db: Asked,
  { jobs }: FoundJobs,
  { member: { job }, run, nowUs, cluster, submittedUs }: JobQueryOptions & { readonly member: Member },
): JobRun {
  const jobId = jobIdOf(job);
  const chosen = run === undefined ? job.runs.at(-1) : job.runs.findLast(({ number }) => number === run);
  if (chosen !== undefined) return runOf(job, chosen, jobs, nowUs);
  const numbers = job.runs.map(({ number }) => number).join(', ');
  throw new OperatingError(`job ${jobId} has no run ${run!}: its runs are ${numbers}`, {
    code: 'report.unknown_run',
    exit: 'usage',
    where: `${db.where}, tables gpu_ownership and jobs`,
    hints: [`the newest: ${jobCommand(jobId, { cluster, submittedUs })}`],
  });
}

function identityOf(run: JobRun, { job, task }: Member, { typed, otherJobs }: FoundJobs): JobIdentity {
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

function intervalUsOf(source: LaneGauges | undefined): number {
  return (source?.lane.intervalMs ?? 0) * 1000;
}

/**
 * The lane's interval as the samples show it, where that is not what this configuration says: the collector may have had
 * another one, and may have been given it on its command line.
 */
function observedIntervalUs(source: LaneGauges | undefined, { steps, sampledUs }: SampleSums): number {
  const configuredUs = intervalUsOf(source);
  if (!(steps > 0)) return configuredUs;
  const meanUs = sampledUs / steps;
  return Math.abs(meanUs - configuredUs) <= INTERVAL_STRAY_RATIO_MAX * configuredUs
    ? configuredUs
    : Math.round(meanUs / 1000) * 1000;
}
