import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEncoder } from '../../src/core/wire/encode.ts';
import { UNOWNED } from '../../src/core/jobs/label.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import { withBisect } from '../../src/delivery/with-bisect.ts';
import type { Sink } from '../../src/core/wire/sink.ts';
import { fateOf, type Answer } from '../helpers/send-rows.ts';
import { createLaneFlush } from '../../src/delivery/flush.ts';
import { openLaneDelivery } from '../../src/delivery/lane-delivery.ts';

const device = { node: 'n1', uuid: 'GPU-1' };

/** A lane of one device and one column, whose store answers what the test says. */
async function lane(
  options: {
    capacityTicks?: number;
    batchTicksMax?: number;
    answers?: (Answer | Promise<Answer>)[];
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
  const answers = options.answers ?? [];
  const store: Sink = {
    async send(batch) {
      sent.push(Buffer.from(batch.body).toString('latin1'));
      return fateOf(batch, (await answers.shift()) ?? 'acknowledged');
    },
  };
  const delivery = await openLaneDelivery({
    table: 'gpu_t',
    sink: withBisect(store, { add: () => undefined }, () => undefined),
    tell: () => undefined,
    onLost: () => undefined,
  });
  delivery.attach(ring, [device]);
  const flush = createLaneFlush({
    table: 'gpu_t',
    ring,
    encoder: createEncoder({ table: 'gpu_t', devices: [device], columns: ['x_ratio'], hasEnergyRise: false }),
    labelOf: (_, tsUs) => options.ownership?.labelAt(device.uuid, tsUs) ?? UNOWNED,
    delivery,
    batchTicksMax: options.batchTicksMax ?? 100,
  });
  return { ring, flush, sent, totals: () => delivery.totals() };
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
    const { ring, flush, sent, totals } = await lane({ answers: ['store'] });
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
    const { ring, flush, sent, totals } = await lane({ capacityTicks: 4, answers: ['store'] });
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
    const { ring, flush, sent, totals } = await lane({
      capacityTicks: 4,
      batchTicksMax: 2,
      answers: ['store'],
    });
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
    const answer = Promise.withResolvers<Answer>();
    const { ring, flush, sent } = await lane({
      capacityTicks: 4,
      batchTicksMax: 2,
      answers: [answer.promise],
    });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    const flushing = flush.flush(Infinity, () => Infinity);
    await nextTurn();
    await nextTurn();
    // Their slots are used again, so these ticks live on in a body only.
    for (const second of [5, 6, 7, 8]) tick(ring, second);
    expect(ring.droppedRows).toBe(0);
    expect(sent.flatMap(times)).toEqual([1, 2]);
    answer.resolve('acknowledged');
    expect(await flushing).toBe(true);
    expect(sent.map(times)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
  });

  it('makes a batch of what comes to be known meanwhile, and leaves it to the next call', async () => {
    const answer = Promise.withResolvers<Answer>();
    const { ring, flush, sent } = await lane({
      capacityTicks: 4,
      batchTicksMax: 2,
      answers: [answer.promise],
    });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    let knownUs = 2_000_000;
    const flushing = flush.flush(2_000_000, () => knownUs);
    knownUs = 3_000_000;
    await nextTurn();
    await nextTurn();
    answer.resolve('acknowledged');
    expect(await flushing).toBe(true);
    expect(sent.map(times)).toEqual([[1, 2]]);
    // The third is made already, so the ring may use its slot again; the fourth, of which nothing was known, is not.
    for (const second of [5, 6, 7]) tick(ring, second);
    expect(ring.droppedRows).toBe(0);
    expect(await flush.flush(4_000_000, () => 4_000_000)).toBe(true);
    expect(sent.map(times)).toEqual([[1, 2], [3], [4]]);
  });

  it('writes no tick that is later than what is known of the jobs', async () => {
    const { ring, flush, sent } = await lane();
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
    const { ring, flush, sent } = await lane({ ownership });
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    await flush.flush(Infinity, () => Infinity);
    const labels = sent[0]!
      .split('\n')
      .filter((line) => line.includes('owners'))
      .map((line) => /job_id="42",owners=1i/.test(line));
    expect(labels).toEqual([false, true, true, false]);
  });

  it('sends only what is left of a batch of which the store took a part, and counts each row once', async () => {
    const { ring, flush, sent, totals } = await lane({ answers: ['rows', 'acknowledged', 'store'] });
    for (const second of [1, 2, 3]) tick(ring, second);
    // Searched for its bad row: the first is taken, then the store goes away.
    expect(await flush.flush(Infinity, () => Infinity)).toBe(false);
    expect(totals()).toMatchObject({ acknowledgedRows: 1, refusedRows: 0, heldRows: 2 });
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(sent.map(times)).toEqual([[1, 2, 3], [1], [2, 3], [2, 3]]);
    expect(totals()).toMatchObject({ sampledRows: 3, acknowledgedRows: 3, heldRows: 0 });
  });

  it('counts refused rows and goes on with the next batch', async () => {
    const { ring, flush, totals } = await lane({ batchTicksMax: 1, answers: ['rows'] });
    tick(ring, 1);
    tick(ring, 2);
    expect(await flush.flush(Infinity, () => Infinity)).toBe(true);
    expect(totals()).toMatchObject({ refusedRows: 1, acknowledgedRows: 1 });
    expect(ring.heldTicks).toBe(0);
  });
});
