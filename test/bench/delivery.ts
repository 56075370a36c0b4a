import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withBisect } from '../../src/delivery/with-bisect.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { fateOf, type Answer } from '../helpers/send-rows.ts';
import { createEncoder } from '../../src/core/wire/encode.ts';
import { soleLabel } from '../../src/core/jobs/label.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { createLaneFlush } from '../../src/delivery/flush.ts';
import { openLaneDelivery } from '../../src/delivery/lane-delivery.ts';
import type { Batch } from '../../src/core/wire/sink.ts';
import { createRingJournal } from '../../src/disk/ring-journal.ts';
import {
  addTick,
  DEVICE_COUNT,
  devices,
  fields,
  INTERVAL_US,
  makeSamples,
  shapeOf,
  START_US,
} from './filled-ring.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

/** One flush of a node: 5 s at 10 Hz, 400 rows. */
const TICKS_PER_FLUSH = 50;
const FLUSHES = 20;
const CAPACITY_TICKS = 600;
const ROUNDS = 7;
const WARM_UP_ROUNDS = 2;
const ROWS = FLUSHES * TICKS_PER_FLUSH * DEVICE_COUNT;
const LABEL = soleLabel('4217');

const samples = makeSamples(TICKS_PER_FLUSH);
interface Kind {
  /** Account, spool and journal on disk. */
  readonly isDurable: boolean;
  readonly answer: Answer;
}

/** CPU of this process per row from tick to release, µs: no network, the store answers at once. */
async function cpuUsPerRow({ isDurable, answer }: Kind): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  const ring = new Ring(shapeOf(CAPACITY_TICKS));
  const disk = {
    disk: realDisk,
    directory,
    spoolBytesMax: 1e9,
    spoolAgeMsMax: 1e12,
    hasJournal: true,
    nowMs: Date.now,
  };
  const store = { send: (batch: Batch) => Promise.resolve(fateOf(batch, answer)) };
  const delivery = await openLaneDelivery({
    table: 'gpu_profiling',
    sink: withBisect(store, { add: () => undefined }, () => undefined),
    tell: () => undefined,
    onLost: () => undefined,
    ...(isDurable ? { disk } : {}),
  });
  const shape = {
    table: 'gpu_profiling',
    devices,
    columns: fields.map(({ column }) => column),
    hasEnergyRise: true,
  };
  if (delivery.journal !== undefined) {
    const { id, path } = delivery.journal;
    const journal = createRingJournal(realDisk, path, {
      ...shape,
      journal: id,
      capacityTicks: CAPACITY_TICKS,
    });
    ring.beforeCommit = (tick, base, sampledRows) => {
      journal.write(ring, tick, base, sampledRows);
    };
  }
  delivery.attach(ring, devices);
  const flush = createLaneFlush({
    table: 'gpu_profiling',
    ring,
    encoder: createEncoder(shape),
    labelOf: () => LABEL,
    delivery,
    batchTicksMax: TICKS_PER_FLUSH,
  });
  let tsUs = START_US;
  const start = process.cpuUsage();
  for (let round = 0; round < FLUSHES; round += 1) {
    for (let tick = 0; tick < TICKS_PER_FLUSH; tick += 1)
      addTick(ring, (tsUs += INTERVAL_US), samples[tick]!);
    await flush.flush(Infinity, () => Infinity);
  }
  const { user, system } = process.cpuUsage(start);
  delivery.close();
  rmSync(directory, { recursive: true });
  return (user + system) / ROWS;
}

async function compared(name: string, ours: Kind, theirs: Kind): Promise<Measurement> {
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    await cpuUsPerRow(ours);
    await cpuUsPerRow(theirs);
  }
  const figures = await interleave(
    ROUNDS,
    () => cpuUsPerRow(ours),
    () => cpuUsPerRow(theirs),
  );
  return { name, unit: 'µs/row', ...figures };
}

async function measure(): Promise<Measurement[]> {
  const memoryOnly = { isDurable: false, answer: 'acknowledged' as const };
  return [
    await compared(
      'flush_cpu_with_journal_and_account',
      { isDurable: true, answer: 'acknowledged' as const },
      memoryOnly,
    ),
    await compared('flush_cpu_with_journal_and_spool', { isDurable: true, answer: 'store' }, memoryOnly),
  ];
}

export const deliveryBench: Bench = {
  name: 'delivery',
  about:
    'CPU from tick to release, 8 GPUs x 40 fields: with journal and account, and with everything spooled (fsynced), over memory only',
  measure,
};
