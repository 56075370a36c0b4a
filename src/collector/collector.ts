import PQueue from 'p-queue';
import { OperatingError } from '../core/base/errors.ts';
import { toEach, type Tell } from '../core/base/notice.ts';
import type { Device } from '../core/devices/device.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import { noticeOfLoss, tellDropEpisode } from '../delivery/drop-episode.ts';
import type { LaneAccount } from '../delivery/lane-accounts.ts';
import { LaneSet } from '../delivery/lane-set.ts';
import { createJobFiguresWriter } from '../job-map/job-figures.ts';
import { createJobMap } from '../job-map/job-map.ts';
import { createMeasuredSets } from '../job-map/measured-sets.ts';
import { createSharedUse } from '../job-map/shared-use.ts';
import { readBoot } from '../ownership/boot.ts';
import { createOutage } from '../questdb/outage.ts';
import type { RowSpan } from '../questdb/table-guard.ts';
import { gapEvent } from '../sampler/gap-event.ts';
import type { ProcessUseThread } from '../source/nvml/process-use-thread.ts';
import { createEventRows } from './event-rows.ts';
import { createHostJobs } from './host-jobs.ts';
import { resumedAfter, type Intake } from './intake.ts';
import {
  noticeOfEvent,
  startSampling,
  type RowsBefore,
  type Sampling,
  type SamplingOptions,
} from './sampling.ts';
import { createSelfReport, type SelfReportOptions } from './self-report.ts';
import { openStoreSide, type StoreSideOptions } from './store-side.ts';

export interface CollectorOptions
  extends SamplingOptions, StoreSideOptions, Pick<SelfReportOptions, 'version' | 'onStats'> {
  /** Inputs of the job map; they need the devices to resolve names, so they are made once the source is open. */
  readonly jobInputs: (devices: readonly Device[]) => readonly JobInput[];
  readonly batchRows: number;
  /**
   * Rows go on where those of the life before ended, by what is on disk and by this: where the store's rows of a lane end,
   * by device UUID (throws an OperatingError when it does not tell). Absent: they begin anew.
   */
  readonly storedRows?: (lane: Lane) => Promise<ReadonlyMap<string, RowBefore>>;
  /** What processes do on shared devices; absent: it is not measured. Closed by the collector. */
  readonly processUse?: ProcessUseThread;
  /** Where the cgroups of jobs are; absent: they are not read. */
  readonly cgroupRoot?: string;
}

export interface Collector {
  readonly source: Sampling['sampler']['source'];
  readonly description: string;
  readonly devices: readonly Device[];
  readonly lanes: readonly Lane[];
  /** What is sampled, for the collector that comes after this one. */
  readonly intake: Intake;
  /** Whose devices these are, as far as it was told by now. */
  readonly ownership: Ownership;
  /** Epoch µs, of the clock that samples are stamped by. */
  readonly nowUs: () => number;
  /** Settles when sampling has ended by itself (a bounded clock) or failed. */
  readonly ended: Promise<void>;
  /** Takes in what the job inputs have to tell. */
  refreshJobs(): void;
  /** Writes everything that the rings hold and the small tables' rows. @returns false when the store did not take all. */
  flush(): Promise<boolean>;
  /** Puts a row per lane for `collector_stats` on its way. */
  noteStats(): void;
  /** Looks whether the store keeps rows back (a suspended table). @returns whether its tables are still the same */
  watchStore(): Promise<boolean>;
  /** Writes the figures of ended jobs, as far as a flush that took everything has brought their facts and samples. */
  settleJobFigures(): Promise<void>;
  /** Looks what the owners of shared devices do with them. */
  measureSharedUse(): Promise<void>;
  /** Looks what the jobs that own devices do on their nodes. */
  measureHostJobs(): void;
  /** How long the source has been inside one call, ms; 0 when it is in none. A native call can hang for minutes. */
  callMs(): number;
  /** Stops ticking and waits for the worker, but not for longer than `deadlineMs`. Flush afterwards. */
  stopSampling(deadlineMs: number): Promise<void>;
  account(): readonly LaneAccount[];
  /** Of each lane: how many of the sampled rows of its account former lives of the state directory sampled. */
  readonly sampledBefore: readonly number[];
  /** Sends nothing more: what is not written goes to the disk with the next `flush`. */
  readonly stopSending: () => void;
  /** Closes what is on disk; rows that the store has not taken stay there for the next life. */
  close(): void;
}

/**
 * Opens the source, allocates the rings, and puts the parts together; sampling begins at once.
 * @throws OperatingError when the source cannot be opened.
 */
export async function openCollector(options: CollectorOptions): Promise<Collector> {
  const { lanes, db, disk, intake, processUse } = options;
  const tables = lanes.map(({ table }) => table);
  const ownership = new Ownership();
  const events = createEventRows(ownership, (rows) => {
    store.outbox.events(rows);
  });
  const outage = createOutage(toEach([options.tell, events.hear]), () => performance.now());
  const { tell } = outage;
  const telling = { ...options, tell, outage };
  const store = openStoreSide({ ...telling, onSentAgain: doubtLabels }, tables);
  const { outbox } = store;
  const laneSet = await LaneSet.open({
    lanes,
    sink: store.samples,
    tell,
    ...(disk === undefined ? {} : { disk }),
    ...(intake === undefined ? {} : { life: intake.life }),
    onLost: (lane, loss) => {
      tell(noticeOfLoss(lane, loss));
    },
  });
  tellGapsBefore(lanes, laneSet, tell);
  const before = await rowsBefore(options, laneSet);
  const source = resumedAfter(options.source, before);
  const onJournalFailed = (lane: number): void => {
    laneSet.forgetRows(lane);
  };
  const sampling = await startSampling({ ...telling, source, onJournalFailed }, laneSet.journals, before);
  const { sampler, startUs, nowUs } = sampling;
  const { devices } = sampler;
  const { sampledBefore } = laneSet;
  laneSet.attach(sampler.rings, devices, (gpu, tsUs) => ownership.labelAt(gpu, tsUs), options.batchRows);
  outbox.inventory(devices.map((device) => ({ tsUs: startUs, device, source: sampler.source })));
  const account = (): LaneAccount[] => laneSet.account(store.suspension.reasonOf);
  const gpus = devices.map(({ uuid }) => uuid);
  const jobFigures = createJobFiguresWriter({ db, lanes, gpus, nowUs, tell });
  const measuredSets = processUse && createMeasuredSets({ db, gpus, startUs, tell });
  const sharedUse =
    processUse &&
    createSharedUse({
      ownership,
      devices,
      nowUs,
      processUse,
      tell,
      onRows: (rows) => {
        outbox.sharedUse(rows);
        for (const { gpu, fromUs } of rows) measuredSets?.note(gpu, fromUs);
      },
    });
  const hostJobs = createHostJobs({ ...options, ownership, devices, nowUs, onRows: outbox.hostJobs, tell });
  const jobMap = createJobMap({
    inputs: options.jobInputs(devices),
    ownership,
    devices,
    tables,
    ...{ nowUs, startUs, bootUs: readBoot().timeUs },
    hasFormerLife: options.clock.kind === 'real',
    db,
    outbox,
    onChanges: (changes, atUs) => {
      jobFigures.note(changes, atUs);
      measuredSets?.noteChanges(ownership, changes);
    },
    onRelabelled: (windows, atUs) => {
      jobFigures.renew(windows, atUs);
      for (const { gpu, fromUs } of windows) measuredSets?.note(gpu, fromUs);
    },
    onRecords: (records) => {
      sharedUse?.noteRecords(records);
      hostJobs.noteRecords(records);
    },
    tell,
  });
  /** A flush that finds another one labelling again is not over before that is. */
  const relabelling = new PQueue({ concurrency: 1 });
  /** Until when the job inputs have told everything; and until when the small tables have it, or keep it for later. */
  let factsUs = 0;
  let toldUs = 0;
  let storedFactsUs = -Infinity;

  /** Rows that were sent once more bear the labels of then, over what late facts have made of them. */
  function doubtLabels(span: RowSpan): void {
    jobMap.doubt(span);
  }

  function refreshJobs(): void {
    sampling.lookForSilence();
    factsUs = jobMap.refresh();
    events.open(devices[0]!);
  }

  return {
    source: sampler.source,
    description: sampler.description,
    ...{ devices, lanes, ownership, nowUs },
    intake: { sampler, lanes, source, life: laneSet.life },
    ended: sampler.ended,
    refreshJobs,
    async flush() {
      const isReady = await store.open();
      refreshJobs();
      if (isReady) await jobMap.recover();
      const isCertain = jobMap.isRecovered;
      if (isCertain && laneSet.uncertain !== undefined) jobMap.doubt(laneSet.uncertain);
      for (const [index, ring] of sampler.rings.entries())
        tellDropEpisode(ring, lanes[index]!, devices, tell);
      const untilUs = factsUs;
      // Ownership first: whoever reads a labelled sample shall find the interval that explains it.
      const smallTaken = await store.flushOutbox(isReady);
      if (smallTaken) jobMap.acknowledge(untilUs);
      jobMap.labelledUntil(untilUs);
      // A flush that is under way makes this one's first batch.
      toldUs = untilUs;
      if (!(await laneSet.deliver({ untilUs, byNowUs: () => toldUs, isCertain }))) return false;
      const isStored = (await relabelling.add(() => jobMap.relabel())) && smallTaken;
      if (isStored) storedFactsUs = untilUs;
      if (isStored) await measuredSets?.settle();
      if (isStored && isCertain) laneSet.trustLabels();
      return isStored;
    },
    noteStats: createSelfReport({ sampling, account, outbox, ...options }),
    watchStore: () => store.watch(),
    settleJobFigures: () => jobFigures.settle(storedFactsUs),
    measureSharedUse: async () => sharedUse?.look(),
    measureHostJobs: hostJobs.look,
    callMs: sampling.callMs,
    stopSampling(deadlineMs) {
      sharedUse?.finish();
      return sampling.stop(deadlineMs);
    },
    account,
    sampledBefore,
    stopSending: store.stop,
    close: () => {
      sharedUse?.finish();
      processUse?.close();
      store.finish();
      laneSet.close();
    },
  };
}

/** What lives that were cut short may not have told any more; told again it is the same row. */
function tellGapsBefore(lanes: readonly Lane[], { gapsBefore }: LaneSet, tell: Tell): void {
  for (const [index, { name }] of lanes.entries()) {
    for (const { device, fromUs, toUs } of gapsBefore[index]!)
      tell(noticeOfEvent(gapEvent(name, device, fromUs, toUs)));
  }
}

/** The newest of what the disk and the store say of each device. */
async function rowsBefore(
  { lanes, intake, storedRows, tell }: CollectorOptions,
  laneSet: LaneSet,
): Promise<RowsBefore> {
  if (intake !== undefined || storedRows === undefined) return [];
  const local = laneSet.rowsBefore;
  return await Promise.all(
    lanes.map(async (lane, index) => {
      const rows = new Map(local[index]);
      const hasNone = rows.size === 0;
      // Rows of the disk are on their way to the store, whose newest ones of a device may be older than they.
      const isWaiting = laneSet.hasWaiting(index);
      if (hasNone && isWaiting) return rows;
      try {
        for (const [gpu, row] of await storedRows(lane)) {
          const localUs = rows.get(gpu)?.tsUs ?? NaN;
          if (isWaiting ? row.tsUs > localUs : !(localUs >= row.tsUs)) rows.set(gpu, row);
        }
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `cannot tell the newest sample of ${lane.table}, so its rows begin anew and nothing older is fetched: ${thrown.message}`;
        if (hasNone) tell({ level: 'info', code: 'source.no_watermark', sentence });
      }
      return rows;
    }),
  );
}
