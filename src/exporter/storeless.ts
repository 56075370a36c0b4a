import { clusterOf, jobInputsOf } from '../collector/job-inputs.ts';
import { intakeAfter, type FormerSampling } from '../collector/intake.ts';
import { startSampling, type Sampling } from '../collector/sampling.ts';
import { SAMPLER_PATIENCE_MS } from '../collector/shut-down.ts';
import type { Scheduling } from '../collector/collection.ts';
import type { Config } from '../config/config.ts';
import { VERSION } from '../config/package-version.ts';
import { sentenceOf } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Device } from '../core/devices/device.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { openOwnership } from '../job-map/session.ts';
import { sourceSpecOf } from '../source/source-spec.ts';
import { fedLane, type MetricsFeed } from './metrics-feed.ts';

/** Sampling whose rows nobody keeps: it is there for what is so now. */
export interface StorelessSampling extends FormerSampling {
  readonly feed: MetricsFeed;
  readonly description: string;
  readonly ended: Promise<void>;
  /** Whether it can go on where the one that should take its place cannot begin. */
  readonly isAtWork: boolean;
  /** Ends sampling. */
  close(): Promise<void>;
}

export interface StorelessOptions {
  readonly config: Config;
  readonly scheduling: Scheduling;
  /** Whose place it takes. */
  readonly former: FormerSampling | undefined;
  readonly tell: Tell;
}

/** @throws OperatingError where the source cannot be opened */
export async function startStoreless(options: StorelessOptions): Promise<StorelessSampling> {
  const { config, scheduling, former, tell } = options;
  const { lanes } = config;
  const cluster = await clusterOf(config);
  const spec = sourceSpecOf(config);
  const source = cluster === undefined ? spec : { ...spec, cluster };
  const jobInputs = await jobInputsOf(config, source);
  const intake = former && (await intakeAfter(former.intake, { lanes, source, ...NOWHERE }));
  const sampling = await startSampling(
    {
      ...{ lanes, source, tell, clock: { kind: 'real' }, onJournalFailed: () => undefined },
      ...(intake === undefined ? {} : { intake }),
    },
    [],
    [],
  );
  const { sampler } = sampling;
  const ticks = scheduling.ticking(
    lanes,
    (lane) => {
      sampler.control.requestTick(lane);
    },
    tell,
  );
  // Last, since a collector writes first what it holds.
  await former?.retire();
  const feed = feedOf(sampling, config, jobInputs, tell);
  const looking = setInterval(() => {
    sampling.lookForSilence();
    feed.refreshJobs();
  }, REFRESH_MS);
  let isRetired = false;
  const retire = async (): Promise<void> => {
    isRetired = true;
    clearInterval(looking);
    await ticks.stop();
  };
  return {
    feed,
    intake: { sampler, lanes, source, life: intake?.life ?? 0 },
    description: sampler.description,
    ended: sampler.ended,
    get isAtWork() {
      return !isRetired && !sampler.control.shouldStop;
    },
    retire,
    async close() {
      if (!isRetired) await retire();
      await sampling.stop(SAMPLER_PATIENCE_MS);
    },
  };
}

/** As often as the collector looks: a fact can be there and gone. */
const REFRESH_MS = 1_000;

/** There is no journal of rings that nobody empties. */
const NOWHERE = {
  disk: { directory: '', hasJournal: false },
  nowMs: 0,
  patienceMs: SAMPLER_PATIENCE_MS,
};

function feedOf(
  { sampler, nowUs }: Sampling,
  { lanes }: Config,
  jobInputs: (devices: readonly Device[]) => readonly JobInput[],
  tell: Tell,
): MetricsFeed {
  const { devices, rings } = sampler;
  const ownership = new Ownership();
  const session = openOwnership({
    inputs: jobInputs(devices),
    ownership,
    // No sample is stored, so none is ever labelled again.
    labelledUntilUs: -Infinity,
    cluster: devices[0]?.cluster,
  });
  return {
    devices,
    lanes: lanes.map((lane, index) => fedLane(lane, rings[index]!)),
    nowUs,
    ownership,
    health: () => ({
      ...{ version: VERSION, lanes: [], sampling: sampler.control, nowMs: Date.now() },
      lateTicks: lanes.map(({ name }, index) => [name, rings[index]!.tally.lateTicks] as const),
    }),
    refreshJobs() {
      const atUs = nowUs();
      for (const { input, error } of session.read(atUs).problems)
        tell({ level: 'warn', code: error.code, sentence: `${input}: ${sentenceOf(error)}` });
      session.acknowledge(atUs);
      // What a store would be told is told to nobody.
      session.takeOwnerSets();
      session.takeOlder();
    },
  };
}
