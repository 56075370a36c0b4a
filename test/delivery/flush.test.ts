import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEncoder } from '../../src/core/wire/encode.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { UNOWNED } from '../../src/core/jobs/label.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { createBatchSender } from '../../src/delivery/batch-send.ts';
import { createLaneFlush } from '../../src/delivery/flush.ts';
import { openLaneDelivery } from '../../src/delivery/lane-delivery.ts';
import type { WriteReply } from '../../src/questdb/http.ts';

const ACKNOWLEDGED: WriteReply = { kind: 'acknowledged' };
const error = new OperatingError('down', { code: 'questdb.unreachable', exit: 'temporary' });
const RETRYABLE: WriteReply = { kind: 'retryable', message: 'down', error };
const REFUSED: WriteReply = { kind: 'refused', status: 400, message: 'bad row', error };

const device = { node: 'n1', uuid: 'GPU-1' };

/** A lane of one device and one column, whose store answers what the test says. */
function lane(
  options: {
    capacityTicks?: number;
    batchTicksMax?: number;
    replies?: (WriteReply | Promise<WriteReply>)[];
    ownership?: Ownership;
  } = {},
) {
  const ring = new Ring({
    capacityTicks: options.capacityTicks ?? 8,
    deviceCount: 1,
    columnCount: 1,
    intervalUs: 1_000_000,
    energyColumn: -1,
  });
  const sent: string[] = [];
  const replies = options.replies ?? [];
  const delivery = openLaneDelivery({
    table: 'gpu_t',
    sender: createBatchSender(
      (_table, body) => {
        sent.push(Buffer.from(body).toString('latin1'));
        return Promise.resolve(replies.shift() ?? ACKNOWLEDGED);
      },
      { add: () => undefined },
      () => undefined,
    ),
    tell: () => undefined,
    onLost: () => undefined,
  });
  delivery.attach(ring);
  const flush = createLaneFlush({
    ring,
    encoder: createEncoder({ table: 'gpu_t', devices: [device], columns: ['x_ratio'], hasEnergyRise: false }),
    labelOf: (_, tsUs) => options.ownership?.labelAt(device.uuid, tsUs) ?? UNOWNED,
    take: delivery.take,
    batchTicksMax: options.batchTicksMax ?? 100,
  });
  return { ring, flush, sent, totals: delivery.totals };
}

function tick(ring: Ring, second: number): void {
  expect(ring.reserve()).toBe(true);
  ring.setRow(0, second * 1_000_000);
  ring.set(0, 0, second);
  ring.commit();
}

const times = (body: string): number[] =>
  [...body.matchAll(/ (\d+)t\n/g)].map((match) => Number(match[1]) / 1_000_000);

describe('a lane flush', () => {
  it('releases ticks on acknowledgement and not before', async () => {
    const { ring, flush, sent, totals } = lane({ replies: [RETRYABLE] });
    tick(ring, 1);
    tick(ring, 2);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(false);
    expect(ring.heldTicks).toBe(2);
    expect(totals().acknowledgedRows).toBe(0);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(ring.heldTicks).toBe(0);
    expect(totals().acknowledgedRows).toBe(2);
    expect(sent).toHaveLength(2);
  });

  it('sends the very same bytes again, even when the ring has overwritten their slots meanwhile', async () => {
    const { ring, flush, sent, totals } = lane({ capacityTicks: 4, replies: [RETRYABLE] });
    for (const second of [1, 2, 3]) tick(ring, second);
    await flush.flush(Infinity, () => Infinity);
    for (const second of [4, 5, 6, 7]) tick(ring, second);
    expect(ring.droppedRows).toBe(0);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(sent[1]).toBe(sent[0]);
    expect(sent.slice(1).flatMap(times)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(totals().acknowledgedRows).toBe(7);
  });

  it('drops the oldest held ticks, never those in flight, and counts them', async () => {
    const { ring, flush, sent, totals } = lane({ capacityTicks: 4, batchTicksMax: 2, replies: [RETRYABLE] });
    for (const second of [1, 2, 3]) tick(ring, second);
    await flush.flush(Infinity, () => Infinity);
    for (const second of [4, 5, 6, 7, 8]) tick(ring, second);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(sent.slice(1).flatMap(times)).toEqual([1, 2, 3, 5, 6, 7, 8]);
    expect(ring.takeDropEpisode()).toEqual({ ticks: 1, rows: 1, firstUs: 4_000_000, lastUs: 4_000_000 });
    expect(ring.takeDropEpisode()).toBeUndefined();
    expect(ring.sampledRows).toBe(totals().acknowledgedRows + ring.droppedRows);
  });

  it('makes the next batch while one is on its way, so that the store need not wait for it', async () => {
    const answer = Promise.withResolvers<WriteReply>();
    const { ring, flush, sent } = lane({ capacityTicks: 4, batchTicksMax: 2, replies: [answer.promise] });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    const flushing = flush.flush(Infinity, () => Infinity);
    await nextTurn();
    await nextTurn();
    // Their slots are used again, so these ticks live on in a body only.
    for (const second of [5, 6, 7, 8]) tick(ring, second);
    expect(ring.droppedRows).toBe(0);
    expect(sent.flatMap(times)).toEqual([1, 2]);
    answer.resolve(ACKNOWLEDGED);
    expect(await flushing).toBe(true);
    expect(sent.map(times)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
  });

  it('makes a batch of what comes to be known meanwhile, and leaves it to the next call', async () => {
    const answer = Promise.withResolvers<WriteReply>();
    const { ring, flush, sent } = lane({ capacityTicks: 4, batchTicksMax: 2, replies: [answer.promise] });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    let knownUs = 2_000_000;
    const flushing = flush.flush(2_000_000, () => knownUs);
    knownUs = 3_000_000;
    await nextTurn();
    await nextTurn();
    answer.resolve(ACKNOWLEDGED);
    expect(await flushing).toBe(true);
    expect(sent.map(times)).toEqual([[1, 2]]);
    // The third is made already, so the ring may use its slot again; the fourth, of which nothing was known, is not.
    for (const second of [5, 6, 7]) tick(ring, second);
    expect(ring.droppedRows).toBe(0);
    expect(await flush.flush(4_000_000, () => 4_000_000)).toBe(true);
    expect(sent.map(times)).toEqual([[1, 2], [3], [4]]);
  });

  it('writes no tick that is later than what is known of the jobs', async () => {
    const { ring, flush, sent } = lane();
    for (const second of [1, 2, 3]) tick(ring, second);
    await flush.flush(2_000_000, () => 2_000_000);
    expect(sent.flatMap(times)).toEqual([1, 2]);
    expect(ring.heldTicks).toBe(1);
  });

  it('labels by the time of the sample: a job owns (start, end]', async () => {
    const ownership = new Ownership();
    const fact = { node: 'n1', gpu: device.uuid, jobId: '42', run: 0, share: 1, source: 'test' };
    ownership.apply({ ...fact, kind: 'start', atUs: 1_000_000 });
    ownership.apply({ ...fact, kind: 'end', atUs: 3_000_000 });
    const { ring, flush, sent } = lane({ ownership });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    await flush.flush(Infinity, () => Infinity);
    const labels = sent[0]!
      .split('\n')
      .filter((line) => line.includes('owners'))
      .map((line) => /job_id="42",owners=1i/.test(line));
    expect(labels).toEqual([false, true, true, false]);
  });

  it('counts refused rows and goes on with the next batch', async () => {
    const { ring, flush, totals } = lane({ batchTicksMax: 1, replies: [REFUSED] });
    tick(ring, 1);
    tick(ring, 2);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(totals()).toMatchObject({ refusedRows: 1, acknowledgedRows: 1 });
    expect(ring.heldTicks).toBe(0);
  });
});
