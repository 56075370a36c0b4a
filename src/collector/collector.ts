import PQueue from 'p-queue';
import { createBatchSender } from '../delivery/batch-send.ts';
import type { Device } from '../core/devices/device.ts';
import { createEncoder } from '../core/wire/encode.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import { energyColumnOf, type Lane } from '../core/fields/lane.ts';
import { toEach, type Notice, type Tell } from '../core/base/notice.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import type { SourceName } from '../core/sampling/source.ts';
import type { LaneDisk } from '../delivery/delivery-place.ts';
import { noticeOfLoss, tellDropEpisode } from '../delivery/drop-episode.ts';
import { createLaneFlush, type LaneFlush } from '../delivery/flush.ts';
import { createEventRows } from './event-rows.ts';
import { orderOf, type Intake } from './intake.ts';
import { createJobMap } from '../job-map/job-map.ts';
import type { LabelOfGpu } from '../delivery/former-life.ts';
import { accountOf, createOwnUse, statOf, tickStatOf, type LaneAccount } from '../delivery/lane-accounts.ts';
import { openLaneDelivery, type LaneDelivery } from '../delivery/lane-delivery.ts';
import { keepOutbox } from '../delivery/outbox-keeper.ts';
import { createOutbox } from '../delivery/outbox.ts';
import { watchSuspension } from '../questdb/suspension.ts';
import { createStoreGate } from '../questdb/gate.ts';
import { watchSilence } from '../sampler/source-silence.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { ClockOrder } from '../sampler/sampler-protocol.ts';
import { startSampler, stopSampler, type Sampler, type SamplerListener } from '../sampler/sampler.ts';
import { createWallClock } from '../sampler/wall-clock.ts';
import type { DeadLetters } from '../disk/dead-letter.ts';
import type { QuestDb } from '../questdb/http.ts';
import { withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';
import { createJobFiguresWriter } from '../job-map/job-figures.ts';

export interface CollectorOptions {
  readonly lanes: readonly Lane[];
  readonly source: SourceSpec;
  readonly clock: ClockOrder;
  /** Sampling that is under way; default: it begins now. */
  readonly intake?: Intake;
  /** Inputs of the job map; they need the devices to resolve names, so they are made once the source is open. */
  readonly jobInputs: (devices: readonly Device[]) => readonly JobInput[];
  readonly db: QuestDb;
  /** Makes the store ready (tables, rollups). Tried before each flush until it has succeeded once. */
  readonly prepareStore: () => Promise<void>;
  readonly batchRows: number;
  /** Of gpuledger, for `collector_stats`. */
  readonly version?: string;
  /** See `StoreGateOptions`. */
  readonly gzip?: boolean;
  readonly confirm?: 'acknowledged' | 'visible';
  /** Where what the store does not take is kept; in memory only without it. */
  readonly disk?: LaneDisk;
  /** Receives the rows that the server refuses; default: they are only logged. */
  readonly deadLetters?: DeadLetters;
  /** Hears the account as often as it is noted. */
  readonly onStats?: (own: { readonly cpuRatio?: number; readonly rssBytes: number }) => void;
  readonly tell: Tell;
}

/** How long a flush may go on with what is spooled: live rows shall not wait for it. */
const REPLAY_BUDGET_MS = 2_000;

export interface Collector {
  readonly source: SourceName;
  readonly description: string;
  readonly devices: readonly Device[];
  readonly lanes: readonly Lane[];
  /** What is sampled, for the collector that comes after this one. */
  readonly intake: Intake;
  /** Settles when sampling has ended by itself (a bounded clock) or failed. */
  readonly ended: Promise<void>;
  /** Takes in what the job inputs have to tell. */
  refreshJobs(): void;
  /** Writes everything that the rings hold and the small tables' rows. @returns false when the store did not take all. */
  flush(): Promise<boolean>;
  /** Puts a row per lane for `collector_stats` on its way. */
  noteStats(): void;
  /** Looks whether the store keeps rows back: it takes them for a suspended table, but shows none. */
  watchStore(): Promise<void>;
  /** Writes the figures of ended jobs, as far as a flush that took everything has brought their facts and samples. */
  settleJobFigures(): Promise<void>;
  /** How long the source has been inside one call, ms; 0 when it is in none. A native call can hang for minutes. */
  callMs(): number;
  /** Stops ticking and waits for the worker, but not for longer than `deadlineMs`. Flush afterwards. */
  stopSampling(deadlineMs: number): Promise<void>;
  account(): readonly LaneAccount[];
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
  const { lanes, db } = options;
  const ownership = new Ownership();
  const events = createEventRows(ownership, (rows) => {
    outbox.events(rows);
  });
  const tell = toEach([options.tell, events.hear]);
  const gate = createStoreGate({ ...options, prepare: options.prepareStore });
  const deadLetters = options.deadLetters ?? loggedOnly(tell);
  const smallTables = createSmallTables(db, {
    tell,
    send: gate.postOnce,
    onRefused: (table, row, reason) => {
      deadLetters.add(table, 1, row, reason);
    },
  });
  const outbox = createOutbox(withMergedJobs(db, smallTables, tell), tell);
  const keeper = keepOutbox(outbox, options.disk, tell);
  const sender = createBatchSender(gate.post, deadLetters, tell);
  const deliveries = lanes.map((lane) =>
    openLaneDelivery({
      table: lane.table,
      sender,
      tell,
      ...(options.disk === undefined ? {} : { disk: options.disk }),
      ...(options.intake === undefined ? {} : { life: options.intake.life }),
      onLost: (loss) => {
        tell(noticeOfLoss(lane, loss));
      },
    }),
  );
  const listener: SamplerListener = {
    onEvent: (event) => {
      tell(noticeOfEvent(event));
    },
    onMissed: (lane, ticks) => {
      tell({
        level: 'warn',
        code: 'lane.late',
        sentence: `lane ${lane}: ${ticks} ticks missed`,
        lane,
        data: { ticks },
      });
    },
    onJournalFailed: (lane, message) => {
      const sentence = `lane ${lane}: the ring journal cannot be written (${message}): a kill would cost what is in memory`;
      tell({ level: 'error', code: 'journal.failed', sentence, lane });
    },
  };
  const orders = lanes.map((lane, index) => orderOf(lane, deliveries[index]!.journal));
  const sampler =
    options.intake?.sampler ?? (await startSampler(options.source, orders, options.clock, listener));
  sampler.listen(listener);
  for (const [index, ring] of sampler.rings.entries()) deliveries[index]!.attach(ring);
  const labelOfGpu: LabelOfGpu = (gpu, tsUs) => ownership.labelAt(gpu, tsUs);
  const clock = createWallClock();
  const startUs = options.clock.kind === 'real' ? clock.nowUs() : options.clock.startUs;
  // Before its first tick the virtual clock stands at 0, and the job inputs would be asked for everything since 1970.
  const nowUs =
    options.clock.kind === 'real' ? clock.nowUs : () => Math.max(startUs, sampler.control.virtualNowUs);
  outbox.inventory(sampler.devices.map((device) => ({ tsUs: startUs, device, source: sampler.source })));
  const flushes = lanes.map((lane, index) =>
    laneFlush(lane, sampler, index, ownership, deliveries[index]!, options.batchRows),
  );
  const queues = flushes.map(() => new PQueue({ concurrency: 1 }));
  const small = new PQueue({ concurrency: 1 });
  const ownUse = createOwnUse();
  const suspension = watchSuspension(
    db,
    lanes.map((lane) => lane.table),
    tell,
  );
  const gpus = sampler.devices.map((device) => device.uuid);
  const jobFigures = createJobFiguresWriter({ db, lanes, gpus, nowUs, tell });
  const jobMap = createJobMap({
    inputs: options.jobInputs(sampler.devices),
    ownership,
    devices: sampler.devices,
    tables: lanes.map((lane) => lane.table),
    nowUs,
    startUs,
    hasFormerLife: options.clock.kind === 'real',
    db,
    outbox,
    onChanges: jobFigures.note,
    tell,
  });
  /** Until when the job inputs have told everything; and until when the small tables have it, or keep it for later. */
  let factsUs = 0;
  let toldUs = 0;
  let storedFactsUs = -Infinity;

  const silence = watchSilence({ sampler, lanes, source: options.source, tell });

  function refreshJobs(): void {
    silence.look();
    factsUs = jobMap.refresh();
    events.open(sampler.devices[0]!.node);
  }

  /** Former lives first, then what the ring holds, then, while the store takes rows, what is spooled. */
  async function deliverLane(index: number, untilUs: number): Promise<boolean> {
    const delivery = deliveries[index]!;
    await delivery.recover(labelOfGpu);
    const isSent = await flushes[index]!.flush(untilUs, () => toldUs);
    return isSent && (await delivery.replay(REPLAY_BUDGET_MS));
  }

  const account = (): LaneAccount[] =>
    lanes.map((lane, index) =>
      accountOf(lane, sampler.rings[index]!, deliveries[index]!.totals(), suspension.reasonOf(lane.table)),
    );

  function noteDrops(): void {
    for (const [index, ring] of sampler.rings.entries())
      tellDropEpisode(ring, lanes[index]!, sampler.devices, tell);
  }

  return {
    source: sampler.source,
    description: sampler.description,
    devices: sampler.devices,
    lanes,
    intake: { sampler, lanes, source: options.source, life: Math.max(...deliveries.map(({ life }) => life)) },
    ended: sampler.ended,
    refreshJobs,
    async flush() {
      const isReady = await gate.open();
      refreshJobs();
      if (isReady) await jobMap.recover();
      noteDrops();
      const untilUs = factsUs;
      // Ownership first: whoever reads a labelled sample shall find the interval that explains it.
      const smallTaken = isReady && (await small.add(() => outbox.flush()));
      if (smallTaken) jobMap.acknowledge(untilUs);
      jobMap.labelledUntil(untilUs);
      // A flush that is under way makes this one's first batch.
      toldUs = untilUs;
      const taken = await Promise.all(
        queues.map((queue, index) => queue.add(() => deliverLane(index, untilUs))),
      );
      keeper.afterFlush(smallTaken);
      if (!taken.every(Boolean)) return false;
      const isStored = (await jobMap.relabel()) && smallTaken;
      if (isStored) storedFactsUs = untilUs;
      return isStored;
    },
    noteStats: () => {
      const own = ownUse();
      const stamp = {
        tsUs: nowUs(),
        node: sampler.devices[0]!.node,
        source: sampler.source,
        lifeStartUs: startUs,
        ...(options.version === undefined ? {} : { version: options.version }),
        ...own,
      };
      const costs = sampler.rings.map(tickStatOf);
      outbox.stats(
        account().map((each, lane) => ({ ...stamp, ...statOf(each, Date.now()), ...costs[lane] })),
      );
      options.onStats?.(own);
    },
    watchStore: () => suspension.look(),
    settleJobFigures: () => jobFigures.settle(storedFactsUs),
    callMs() {
      const { callSinceMs } = sampler.control;
      return callSinceMs === 0 ? 0 : Math.max(0, Date.now() - callSinceMs);
    },
    async stopSampling(deadlineMs) {
      await stopSampler(sampler, deadlineMs);
      silence.stopped(nowUs());
    },
    account,
    stopSending: gate.close,
    close: () => {
      keeper.finish();
      for (const delivery of deliveries) delivery.close();
    },
  };
}

/** What the source tells of its devices is a row, and no news for the terminal. */
function noticeOfEvent(event: GpuEvent): Notice {
  const device = event.gpu === undefined ? {} : { device: event.gpu };
  return { level: 'debug', code: 'source.event', sentence: event.text, ...device, events: [event] };
}

function loggedOnly(tell: Tell): DeadLetters {
  return {
    add: (table, rows, _body, reason) => {
      const sentence = `${table}: QuestDB refused ${rows} rows: ${reason}`;
      tell({ level: 'error', code: 'rows.refused', sentence, data: { table, rows } });
    },
  };
}

function laneFlush(
  lane: Lane,
  sampler: Sampler,
  index: number,
  ownership: Ownership,
  delivery: LaneDelivery,
  batchRows: number,
): LaneFlush {
  const { devices } = sampler;
  return createLaneFlush({
    ring: sampler.rings[index]!,
    encoder: createEncoder({
      table: lane.table,
      devices,
      columns: lane.fields.map((field) => field.column),
      hasEnergyRise: energyColumnOf(lane) >= 0,
    }),
    labelOf: (device, tsUs) => ownership.labelAt(devices[device]!.uuid, tsUs),
    take: delivery.take,
    batchTicksMax: Math.max(1, Math.floor(batchRows / devices.length)),
  });
}
