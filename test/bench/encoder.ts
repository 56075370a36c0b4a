import { createEncoder, type EncodedBatch, type EncoderOptions } from '../../src/core/encode.ts';
import type { Label } from '../../src/core/label.ts';
import { addToClient, openClientBuffer, type ClientBuffer, type PlainRow } from '../helpers/client-rows.ts';
import { DEVICE_COUNT, devices, fields, filledRing } from './filled-ring.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

const TICKS = 640;
/** The client needs 50 µs a row: a part of the ticks is enough of it. */
const CLIENT_TICKS = 160;
const ROUNDS = 9;
const WARM_UP_ROUNDS = 3;
const RATIO_GOAL = 50;
const LABEL: Label = { jobId: '4217', owners: 1 };

/** 2 symbols, job, 2 longs and 40 doubles; the energy rise would be the 41st and is left out of both. */
const options: EncoderOptions = {
  table: 'gpu_profiling',
  devices,
  columns: fields.map(({ column }) => column),
  hasEnergyRise: false,
};

function plainRows(ring: ReturnType<typeof filledRing>): PlainRow[] {
  return Array.from({ length: CLIENT_TICKS * DEVICE_COUNT }, (_, at) => ({
    device: at % DEVICE_COUNT,
    label: LABEL,
    tsUs: ring.tsUs[at]!,
    dtUs: ring.dtUs[at]!,
    values: ring.columns.map((column) => column[at]!),
    energyRise: ring.energyRise[at]!,
  }));
}

async function measure(): Promise<Measurement[]> {
  const ring = filledRing(TICKS);
  const encoder = createEncoder(options);
  const client = await openClientBuffer();
  const rows = plainRows(ring);

  const encodeAll = (ticks: number): EncodedBatch => {
    let batch: EncodedBatch | undefined;
    ring.peek(ticks, (range) => {
      batch = encoder.encode(ring, range, () => LABEL, Infinity);
      return 0;
    });
    return batch!;
  };
  const ours = (): number => {
    const startMs = performance.now();
    const batch = encodeAll(TICKS);
    const rowsPerSecond = (batch.rows / (performance.now() - startMs)) * 1000;
    encoder.recycle(batch.body);
    return rowsPerSecond;
  };
  const theirs = (): number => {
    client.reset();
    const startMs = performance.now();
    for (const row of rows) addToClient(client, options, row);
    return (rows.length / (performance.now() - startMs)) * 1000;
  };

  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    ours();
    theirs();
  }
  refuseDifference(client, encodeAll(CLIENT_TICKS));
  const { value, baseline } = await interleave(ROUNDS, ours, theirs);
  const goal = { text: `ratio ≥ ${RATIO_GOAL}`, isMet: value / baseline >= RATIO_GOAL };
  return [{ name: 'encoder_rows_per_second', value, unit: 'rows/s', baseline, goal }];
}

/** A fast encoder of other bytes would be worth nothing. */
function refuseDifference(client: ClientBuffer, batch: EncodedBatch): void {
  if (Buffer.compare(client.toBufferView(), batch.body) !== 0)
    throw new Error('the encoders write different bytes');
}

export const encoderBench: Bench = {
  name: 'encoder',
  about: `ILP rows of 2 symbols, job and 40 doubles, against the official client's buffer`,
  measure,
};
