/** The ledger, the ring journal and the spool of a lane together, at every crash. */
import { expect, test } from 'vitest';
import { addsUp } from '../../src/core/base/ledger.ts';
import { UNOWNED } from '../../src/core/jobs/label.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { createEncoder } from '../../src/core/wire/encode.ts';
import type { Batch, Fate } from '../../src/core/wire/sink.ts';
import { createLaneFlush, type LaneFlush } from '../../src/delivery/flush.ts';
import { openLaneDelivery, type LaneDelivery } from '../../src/delivery/lane-delivery.ts';
import { createRingJournal } from '../../src/disk/ring-journal.ts';
import {
  crashAtEveryCall,
  createCrashingDisk,
  lossesBy,
  type CrashingDisk,
} from '../helpers/crashing-disk.ts';
import { fateOf } from '../helpers/send-rows.ts';

const DIRECTORY = '/state/delivery';
const DEVICES = [{ node: 'n1', uuid: 'GPU-1' }];
const SHAPE = { table: 'gpu_t', devices: DEVICES, columns: ['power_watts'], hasEnergyRise: false };
const CAPACITY_TICKS = 32;

/** What somebody outside knows. */
interface Said {
  nowMs: number;
  isAway: boolean;
  /** Seconds of ticks that a source was told are in the ring; and of those on their way there. */
  readonly ticked: number[];
  readonly begun: number[];
  /** Seconds that the store has. */
  readonly stored: Set<number>;
  /** Seconds that the spool was said to hold. */
  readonly spooled: number[];
  lostRows: number;
}

const newSaid = (): Said => ({
  nowMs: 1_000,
  isAway: false,
  ticked: [],
  begun: [],
  stored: new Set(),
  spooled: [],
  lostRows: 0,
});

const secondsOf = ({ body }: Batch): number[] =>
  [
    ...Buffer.from(body)
      .toString('latin1')
      .matchAll(/ (\d+)t\n/g),
  ].map(([, us]) => Number(us) / 1e6);

interface Life {
  readonly delivery: LaneDelivery;
  readonly ring: Ring;
  readonly flush: LaneFlush;
}

async function open(disk: CrashingDisk, said: Said): Promise<Life> {
  said.nowMs += 1;
  const send = (batch: Batch): Promise<Fate> => {
    if (!said.isAway && !disk.hasCrashed) for (const second of secondsOf(batch)) said.stored.add(second);
    return Promise.resolve(fateOf(batch, said.isAway ? 'store' : 'acknowledged'));
  };
  const delivery = await openLaneDelivery({
    table: 'gpu_t',
    sink: { send },
    tell: () => undefined,
    onLost: ({ rows }) => (said.lostRows += rows),
    disk: {
      ...{ disk, directory: DIRECTORY, hasJournal: true, nowMs: () => said.nowMs },
      ...{ spoolBytesMax: 1e6, spoolAgeMsMax: 1e9 },
    },
  });
  const ring = new Ring({
    ...{ capacityTicks: CAPACITY_TICKS, deviceCount: 1, columnCount: 1, intervalUs: 1e6, energyColumn: -1 },
  });
  const { id, path } = delivery.journal!;
  const journal = createRingJournal(disk, path, { ...SHAPE, journal: id, capacityTicks: CAPACITY_TICKS });
  ring.beforeCommit = (tick, base, sampledRows) => {
    journal.write(ring, tick, base, sampledRows);
  };
  delivery.attach(ring, DEVICES);
  const flush = createLaneFlush({
    ...{ table: 'gpu_t', ring, encoder: createEncoder(SHAPE), labelOf: () => UNOWNED, batchTicksMax: 2 },
    delivery: {
      async send(batch) {
        const fate = await delivery.send(batch);
        if (fate.spooledRows !== undefined && !disk.hasCrashed) said.spooled.push(...secondsOf(batch));
        return fate;
      },
    },
  });
  return { delivery, ring, flush };
}

function tick({ ring }: Life, said: Said): void {
  const second = said.begun.length + 1;
  said.begun.push(second);
  ring.reserve();
  ring.setRow(0, second * 1e6);
  ring.set(0, 0, second);
  ring.commit();
  said.ticked.push(second);
}

async function deliver({ delivery, flush }: Life): Promise<void> {
  await delivery.recover(() => UNOWNED, true);
  if (await flush.flush(Infinity, () => Infinity)) await delivery.replay(1e9);
}

/** The next life, whose store is there: what it makes of what the crash has left. */
async function expectDelivered(disk: CrashingDisk, said: Said, isKill: boolean): Promise<void> {
  said.isAway = false;
  const life = await open(disk, said);
  const lastUs = life.delivery.rowsBefore.get('GPU-1')?.tsUs;
  expect(addsUp(life.delivery.totals())).toBe(true);
  await deliver(life);
  const totals = life.delivery.totals();
  expect(totals).toMatchObject({ heldRows: 0, spooledRows: 0, refusedRows: 0 });
  expect([...said.spooled].filter((second) => !said.stored.has(second))).toEqual([]);
  if (!isKill) return;
  // Nothing that was in the ring is lost; nothing is counted twice; the tick on its way may be there or not.
  expect(said.ticked.filter((second) => !said.stored.has(second))).toEqual([]);
  expect({ lost: said.lostRows, dropped: totals.droppedRows }).toEqual({ lost: 0, dropped: 0 });
  expect(totals.acknowledgedRows).toBe(totals.sampledRows);
  expect([said.ticked.length, said.begun.length]).toContain(totals.sampledRows);
  // Its own rows go on after the last one.
  expect([said.ticked.at(-1), said.begun.at(-1)].map((second) => second && second * 1e6)).toContain(lastUs);
}

test('a life with an outage in it, wherever a kill or a power failure cuts it short', async () => {
  await crashAtEveryCall({
    losses: lossesBy([1, 2, 3]),
    begin: newSaid,
    async live(disk, said) {
      const life = await open(disk, said);
      for (let count = 0; count < 3; count += 1) tick(life, said);
      await deliver(life);
      said.isAway = true;
      for (let count = 0; count < 5; count += 1) tick(life, said);
      await deliver(life);
      said.isAway = false;
      tick(life, said);
      await deliver(life);
      tick(life, said);
      life.delivery.close();
    },
    check: (disk, said, loss) => expectDelivered(disk, said, loss.kind === 'kill'),
  });
});

test('the life after twenty that wrote nothing, wherever it is cut short', async () => {
  const before = newSaid();
  let start = createCrashingDisk();
  for (let count = 0; count < 20; count += 1) {
    tick(await open(start, before), before);
    start = start.after({ kind: 'kill' });
  }
  await crashAtEveryCall({
    start,
    losses: [{ kind: 'kill' }],
    begin: () => ({
      ...before,
      ticked: [...before.ticked],
      begun: [...before.begun],
      stored: new Set<number>(),
      spooled: [],
    }),
    async live(disk, said) {
      const life = await open(disk, said);
      tick(life, said);
      await deliver(life);
      life.delivery.close();
    },
    check: (disk, said) => expectDelivered(disk, said, true),
  });
});
