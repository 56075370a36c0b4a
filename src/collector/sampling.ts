import type { Notice, Tell } from '../core/base/notice.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { LaneDelivery } from '../delivery/lane-delivery.ts';
import type { ClockOrder } from '../sampler/sampler-protocol.ts';
import { startSampler, stopSampler, type Sampler, type SamplerListener } from '../sampler/sampler.ts';
import { watchSilence } from '../sampler/source-silence.ts';
import { createWallClock } from '../sampler/wall-clock.ts';
import type { SourceSpec } from '../source/open-source.ts';
import { orderOf, type Intake } from './intake.ts';

export interface SamplingOptions {
  readonly lanes: readonly Lane[];
  readonly source: SourceSpec;
  readonly clock: ClockOrder;
  /** Sampling that is under way; default: it begins now. */
  readonly intake?: Intake;
  readonly tell: Tell;
}

interface JournaledOptions extends SamplingOptions {
  /** The ring journal of a lane, by its position, is no longer written. */
  readonly onJournalFailed: (lane: number) => void;
}

/** The sampling thread as a collector sees it. */
export interface Sampling {
  readonly sampler: Sampler;
  /** When this life began, epoch µs. */
  readonly startUs: number;
  /** Epoch µs, of the clock that samples are stamped by. */
  readonly nowUs: () => number;
  /** Tells when the source has gone silent, and when it is back. */
  readonly lookForSilence: () => void;
  /** How long the source has been inside one call, ms; 0 when it is in none. A native call can hang for minutes. */
  readonly callMs: () => number;
  /** Stops ticking and waits for the worker, but not for longer than `deadlineMs`. */
  readonly stop: (deadlineMs: number) => Promise<void>;
}

/** Of each lane: where the rows of its devices go on from, by UUID. */
export type RowsBefore = readonly ReadonlyMap<string, RowBefore>[];

/**
 * @param journals that the rings are to be written to, one a lane
 * @param before of rings that begin now; those of sampling that is under way go on by themselves
 * @throws OperatingError when the source cannot be opened
 */
export async function startSampling(
  options: JournaledOptions,
  journals: readonly LaneDelivery['journal'][],
  before: RowsBefore,
): Promise<Sampling> {
  const { lanes, source, clock: order, tell } = options;
  const listener = listenerOf(options);
  const orders = lanes.map((lane, index) => orderOf(lane, journals[index]));
  const sampler =
    options.intake?.sampler ??
    (await startAfter(before, startSampler(source, orders, order, listener, { doesWait: true })));
  sampler.listen(listener);
  const clock = createWallClock();
  const startUs = order.kind === 'real' ? clock.nowUs() : order.startUs;
  // Before its first tick the virtual clock stands at 0, and the job inputs would be asked for everything since 1970.
  const nowUs = order.kind === 'real' ? clock.nowUs : () => Math.max(startUs, sampler.control.virtualNowUs);
  const silence = watchSilence({ sampler, lanes, source, tell });
  return {
    sampler,
    startUs,
    nowUs,
    lookForSilence: () => {
      silence.look();
    },
    callMs: () => sampler.control.callMs,
    async stop(deadlineMs) {
      await stopSampler(sampler, deadlineMs);
      silence.stopped(nowUs());
    },
  };
}

/** Lets the first tick come when the rings know what it follows. */
async function startAfter(before: RowsBefore, opening: Promise<Sampler>): Promise<Sampler> {
  const sampler = await opening;
  for (const [index, ring] of sampler.rings.entries()) {
    for (const [device, { uuid }] of sampler.devices.entries()) {
      const row = before[index]?.get(uuid);
      if (row !== undefined) ring.carry.continueFrom(device, row);
    }
  }
  sampler.control.begin();
  return sampler;
}

function listenerOf({ lanes, tell, onJournalFailed }: JournaledOptions): SamplerListener {
  return {
    onEvent: (event) => {
      tell(noticeOfEvent(event));
    },
    onMissed: (lane, ticks) => {
      const sentence = `lane ${lane}: ${ticks} ticks missed`;
      tell({ level: 'warn', code: 'lane.late', sentence, lane, data: { ticks } });
    },
    onJournalFailed: (lane, message) => {
      const sentence = `lane ${lane}: the ring journal cannot be written (${message}): a kill would cost what is in memory`;
      tell({ level: 'error', code: 'journal.failed', sentence, lane });
      onJournalFailed(lanes.findIndex(({ name }) => name === lane));
    },
  };
}

/**
 * Rows of `gpu_events`, which the log shows only to those who debug; but somebody waits for a pause that is refused, and the route
 * was told at the start.
 */
export function noticeOfEvent(event: GpuEvent): Notice {
  const device = event.gpu === undefined ? {} : { device: event.gpu };
  const level = LEVEL_OF_EVENT[event.kind] ?? 'debug';
  return { level, code: 'source.event', sentence: event.text, ...device, events: [event] };
}

const LEVEL_OF_EVENT: Partial<Record<GpuEvent['kind'], Notice['level']>> = {
  // A device that somebody named, and that is not there.
  unresolved: 'warn',
  pause_refused: 'warn',
  route_changed: 'info',
};
