import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { assert } from '../core/base/assert.ts';
import { formatDuration } from '../../schemas/duration.ts';
import { carried } from '../core/base/carried-error.ts';
import { OperatingError } from '../core/base/errors.ts';
import { fileReasonOf } from '../core/base/file-fault.ts';
import { inCluster, type Device } from '../core/devices/device.ts';
import type { SelectableDevice } from '../core/devices/device-selector.ts';
import { findField } from '../core/fields/find-field.ts';
import { ENERGY_FIELD_ID, THROTTLE_FIELD_ID } from '../core/fields/well-known.ts';
import { continueRing } from '../core/ring/ring-continuation.ts';
import { Ring } from '../core/ring/ring.ts';
import { checkValues } from '../core/sampling/checked-source.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { SampledLane } from '../core/sampling/source.ts';
import { realDisk } from '../disk/disk.ts';
import { createRingJournal, type RingJournal } from '../disk/ring-journal.ts';
import { openSource } from '../source/open-source.ts';
import { gapEvent } from './gap-event.ts';
import { SamplerControl } from './sampler-control.ts';
import type {
  EngineCallNews,
  EngineCallOrders,
  LaneOrder,
  ListedSource,
  Listing,
  ListNews,
  ListOrders,
  SamplerNews,
  SamplerOrders,
  SharedRing,
} from './sampler-protocol.ts';
import { finishLanes, runRealClock, runVirtualClock } from './ticker.ts';
import type { TickedLane, TickerListener } from './ticker.ts';

assert(parentPort !== null, 'the sampler runs as a worker');
const port = parentPort;
const tell = (news: SamplerNews | ListNews | EngineCallNews): void => {
  port.postMessage(news);
};

function sampledLane(order: LaneOrder, index: number): SampledLane {
  const fields = order.fieldIds.map((id) => {
    const field = findField(id);
    assert(field !== undefined, `field ${id} is not in the catalogue`);
    return field;
  });
  return { index, name: order.name, intervalMs: order.intervalMs, fields };
}

function openLane(
  order: LaneOrder,
  lane: SampledLane,
  devices: readonly Device[],
  gaps: GapTeller | undefined,
): TickedLane {
  const ring = new Ring({
    capacityTicks: order.capacityTicks,
    deviceCount: devices.length,
    columnCount: lane.fields.length,
    intervalUs: order.intervalMs * 1000,
    energyColumn: order.fieldIds.indexOf(ENERGY_FIELD_ID),
    countedColumn: order.fieldIds.indexOf(THROTTLE_FIELD_ID),
  });
  if (order.journal !== undefined) keepJournal(order.journal, order, lane, ring, devices);
  ring.onGap = gaps?.ofRing(order.name, devices);
  return { lane, ring, isContinuous: order.isContinuous };
}

interface GapTeller {
  /** An event of the source: it tells of devices that are silent while others answer. */
  heard(event: GpuEvent): void;
  /** What tells the gaps of a ring that the source has not told. */
  ofRing(lane: string, devices: readonly Device[]): NonNullable<Ring['onGap']>;
}

function createGapTeller(): GapTeller {
  /** By lane and device, the beginning of the gap whose end was told last. */
  const told = new Map<string, number>();
  return {
    heard({ kind, subject, gpu, tsUs, endUs }) {
      if (kind === 'gap' && endUs !== undefined) told.set(`${subject} ${gpu ?? ''}`, tsUs);
    },
    ofRing: (lane, devices) => (device, fromUs, toUs) => {
      const where = devices[device]!;
      if (told.get(`${lane} ${where.uuid}`) === fromUs) return;
      tell({ type: 'event', event: gapEvent(lane, where, fromUs, toUs) });
    },
  };
}

/** Writes each tick of the ring into a file too. Sampling goes on when that fails. */
function keepJournal(
  { id, path, table }: NonNullable<LaneOrder['journal']>,
  order: LaneOrder,
  lane: SampledLane,
  ring: Ring,
  devices: readonly Device[],
): void {
  const fail = (thrown: unknown): void => {
    ring.beforeCommit = undefined;
    tell({ type: 'journal_failed', lane: order.name, message: fileReasonOf(thrown) });
  };
  const create = (): RingJournal =>
    createRingJournal(realDisk, path, {
      journal: id,
      table,
      devices: devices.map(({ cluster, node, uuid, isCut }) => ({
        ...(cluster === undefined ? {} : { cluster }),
        node,
        uuid,
        ...(isCut === true ? { isCut } : {}),
      })),
      columns: lane.fields.map(({ column }) => column),
      hasEnergyRise: order.fieldIds.includes(ENERGY_FIELD_ID),
      capacityTicks: order.capacityTicks,
    });
  let isSecond = false;
  const begin = (): void => {
    try {
      const journal = create();
      ring.beforeCommit = (tick, base, sampledRows) => {
        try {
          journal.write(ring, tick, base, sampledRows);
        } catch (thrown) {
          fail(thrown);
          if (!(thrown instanceof OperatingError && thrown.code === 'journal.gone') || isSecond) return;
          // Whoever removes files once may have cleaned up; whoever does it again would be told at every tick.
          isSecond = true;
          journal.close();
          begin();
          ring.beforeCommit?.(tick, base, sampledRows);
        }
      };
    } catch (thrown) {
      fail(thrown);
    }
  };
  begin();
}

function sharedRings(lanes: readonly TickedLane[]): SharedRing[] {
  return lanes.map(({ ring }) => ({ shape: ring.shape, memory: ring.memory }));
}

/**
 * Fills other rings from the next tick on, each in continuation of the one before: from one collector to the next
 * sampling does not pause, and no dt is cut. The orders are fetched from the port, since no event loop runs meanwhile.
 */
function exchangeRings(lanes: TickedLane[], devices: readonly Device[], gaps: GapTeller | undefined): void {
  let next: readonly LaneOrder[] = [];
  // The newest orders count: those of an exchange that was taken back are still in the port.
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port))
    next = (got as { readonly message: readonly LaneOrder[] }).message;
  assert(next.length === lanes.length, 'an exchange brings an order for every lane');
  const sameDevices = devices.map((_, device) => device);
  for (const [index, order] of next.entries()) {
    const former = lanes[index]!;
    const opened = openLane(order, former.lane, devices, gaps);
    continueRing(opened.ring, former.ring, sameDevices);
    lanes[index] = opened;
  }
  tell({ type: 'exchanged', rings: sharedRings(lanes) });
}

async function sample(orders: SamplerOrders): Promise<void> {
  const control = new SamplerControl(orders.control);
  const sampled = orders.lanes.map(sampledLane);
  const gapTeller = createGapTeller();
  const tellEvent = (event: GpuEvent): void => {
    gapTeller.heard(event);
    tell({ type: 'event', event });
  };
  const lanes: TickedLane[] = [];
  const opened = await openSource(orders.source, sampled, tellEvent);
  const source = checkValues(opened, sampled, tellEvent, ({ index }, cells) => {
    lanes[index]!.ring.tally.doubt(cells);
  });
  try {
    if (source.devices.length === 0) {
      throw new OperatingError(`source ${source.name} has no device`, {
        code: 'source.no_device',
        exit: 'unavailable',
        hints: ['see what there is: gpuledger devices', 'without a GPU: --source synthetic'],
      });
    }
    const devices = inCluster(source.devices, orders.source.cluster);
    // A source with a rhythm of its own sees the holes in its series itself; a virtual clock makes none.
    const gaps = source.callIntervalMs === undefined && orders.clock.kind === 'real' ? gapTeller : undefined;
    lanes.push(...orders.lanes.map((order, index) => openLane(order, sampled[index]!, devices, gaps)));
    const rings = sharedRings(lanes);
    if (orders.clock.kind === 'virtual') stepBack();
    const isHurried = orders.clock.kind === 'virtual' || (await hurry());
    const description = `${source.describe?.() ?? source.name}${isHurried ? '' : '; no real-time priority'}`;
    tell({ type: 'ready', source: source.name, description, devices, rings });
    if (orders.doesWait) control.waitForBegin();
    const listener: TickerListener = {
      onExchange: () => {
        exchangeRings(lanes, devices, gaps);
      },
      onMissed: (lane, ticks) => {
        tell({ type: 'missed', lane, ticks });
      },
      onClockStep: (stepUs, tsUs) => {
        const text = `the clock of the node was set ${stepUs > 0 ? 'forward' : 'back'} by ${formatDuration(Math.abs(stepUs) / 1000)}`;
        const { node } = devices[0]!;
        tell({ type: 'event', event: { tsUs, node, kind: 'clock_step', subject: '', text } });
      },
    };
    if (orders.clock.kind === 'real') {
      runRealClock({ source, lanes, control, listener, forMs: orders.clock.forMs ?? Infinity });
    } else
      runVirtualClock({ source, lanes, control, startUs: orders.clock.startUs, endUs: orders.clock.endUs });
    finishLanes(source, lanes);
  } finally {
    source.close();
  }
  tell({ type: 'ended' });
}

/** Lowers the priority of this thread: a virtual clock waits for the store, so the store and the sender go first. */
function stepBack(): void {
  // The process's own directory of the thread that asks: …/task/TID.
  const thread = Number(basename(readlinkSync('/proc/thread-self')));
  setPriority(thread, constants.priority.PRIORITY_LOW);
}

/** Asks for real-time priority, by code that a virtual clock never loads. @returns whether it was granted. */
async function hurry(): Promise<boolean> {
  const { runInRealTime } = await import('../../native/real-time.ts');
  return runInRealTime();
}

async function list(source: ListedSource): Promise<void> {
  tell({ type: 'listed', listing: source.name === 'dcgm' ? await listDcgm(source) : await listNvml(source) });
}

async function listDcgm(source: Extract<ListedSource, { name: 'dcgm' }>): Promise<Listing> {
  const { listDevices } = await import('../source/dcgm/dcgm.ts');
  const { devices, ...rest } = listDevices(source);
  return { ...rest, devices: devices.map(selectable) };
}

async function listNvml(source: Extract<ListedSource, { name: 'nvml' }>): Promise<Listing> {
  const { listDevices } = await import('../source/nvml/nvml.ts');
  const { devices, ...rest } = listDevices(source);
  return { ...rest, devices: devices.map(selectable) };
}

/** As it can cross a thread: handles cannot. */
function selectable({ device, selectorId }: SelectableDevice): SelectableDevice {
  return { device, selectorId };
}

async function callEngine({ engine, library, call }: EngineCallOrders['engineCall']): Promise<void> {
  const { callEngineOnce } = await import('../source/dcgm/dcgm.ts');
  callEngineOnce(engine, library, call);
  tell({ type: 'answered' });
}

async function obey(orders: SamplerOrders | ListOrders | EngineCallOrders): Promise<void> {
  if ('list' in orders) await list(orders.list);
  else if ('engineCall' in orders) await callEngine(orders.engineCall);
  else await sample(orders);
}

obey(workerData as SamplerOrders | ListOrders | EngineCallOrders).catch((thrown: unknown) => {
  tell({ type: 'failed', error: carried(thrown) });
});
