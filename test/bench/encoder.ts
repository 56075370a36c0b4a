import { createEncoder, type EncodedBatch, type EncoderOptions } from '../../src/core/wire/encode.ts';
import { soleLabel } from '../../src/core/jobs/label.ts';
import { addToClient, openClientBuffer, type ClientBuffer, type PlainRow } from '../helpers/client-rows.ts';
import { DEVICE_COUNT, devices, fields, filledRing } from './filled-ring.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

/** One flush of a node: 5 s at 10 Hz, 400 rows. */
const TICKS = 50;
/** So that a round of either takes a while. */
const BATCHES = 50;
const CLIENT_BATCHES = 3;
const ROUNDS = 9;
const WARM_UP_ROUNDS = 3;
const RATIO_GOAL = 50;
const LABEL = soleLabel('4217');

/** 2 symbols, job, 2 longs and 40 doubles; the energy rise and its time are left out of both. */
const options: EncoderOptions = {
  table: 'gpu_profiling',
  devices,
  columns: fields.map(({ column }) => column),
  hasEnergyRise: false,
};

function plainRows(ring: ReturnType<typeof filledRing>): PlainRow[] {
  return Array.from({ length: TICKS * DEVICE_COUNT }, (_, at) => ({
    device: at % DEVICE_COUNT,
    label: LABEL,
    tsUs: ring.tsUs[at]!,
    dtUs: ring.dtUs[at]!,
    values: ring.columns.map((column) => column[at]!),
    energyRise: ring.energyRise[at]!,
    energyRiseDtUs: ring.energyRiseDtUs[at]!,
  }));
}

async function measure(): Promise<Measurement[]> {
  const ring = filledRing(TICKS);
  const encoder = createEncoder(options);
  const client = await openClientBuffer();
  const rows = plainRows(ring);

  const encode = (): EncodedBatch => {
    let batch: EncodedBatch | undefined;
    ring.peek(TICKS, (range) => {
      batch = encoder.encode(ring, range, () => LABEL, Infinity);
      return 0;
    });
    encoder.recycle(batch!.body);
    return batch!;
  };
  const encodeByClient = (): void => {
    client.reset();
    for (const row of rows) addToClient(client, options, row);
  };
  const ours = (): number => rowsPerSecond(BATCHES, encode);
  const theirs = (): number => rowsPerSecond(CLIENT_BATCHES, encodeByClient);

  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    ours();
    theirs();
  }
  refuseDifference(client, encode());
  const { value, baseline } = await interleave(ROUNDS, ours, theirs);
  const goal = { text: `ratio ≥ ${RATIO_GOAL}`, isMet: value / baseline >= RATIO_GOAL };
  return [{ name: 'encoder_rows_per_second', value, unit: 'rows/s', baseline, goal }];
}

function rowsPerSecond(batches: number, encodeBatch: () => unknown): number {
  const startMs = performance.now();
  for (let batch = 0; batch < batches; batch += 1) encodeBatch();
  return ((batches * TICKS * DEVICE_COUNT) / (performance.now() - startMs)) * 1000;
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
