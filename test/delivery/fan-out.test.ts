/** A second place for samples, as a forwarder or an archive will be: the first one's ledger is not touched by it. */
import { describe, expect, test } from 'vitest';
import { EMPTY_LEDGER, moveRows, sampleRows, type Ledger } from '../../src/core/base/ledger.ts';
import { refusedRowsOf, type Batch, type Sink } from '../../src/core/wire/sink.ts';
import { fanOut } from '../../src/delivery/fan-out.ts';
import { fateOf, type Answer } from '../helpers/send-rows.ts';

/** Copies what it is lent, so many batches at most, and keeps a ledger of its own. */
class KeepingSink implements Sink {
  ledger: Ledger = EMPTY_LEDGER;
  readonly kept: Batch[] = [];
  readonly #batchesMax: number;

  constructor(batchesMax: number) {
    this.#batchesMax = batchesMax;
  }

  send(batch: Batch) {
    this.ledger = sampleRows(this.ledger, batch.rows);
    this.kept.push({ ...batch, body: batch.body.slice() });
    const given = this.kept.length > this.#batchesMax ? this.kept.shift()!.rows : 0;
    this.ledger = moveRows(this.ledger, 'held', 'dropped', given);
    return Promise.resolve(fateOf(batch, 'acknowledged'));
  }
}

const body = new Uint8Array(Buffer.from('t v=1 1t\n'));

describe('a fan-out', () => {
  test.each<Answer>(['acknowledged', 'rows', 'store'])(
    'gives the fate of the first sink: %s',
    async (answer) => {
      const further = new KeepingSink(9);
      const fate = await fanOut({ send: (batch) => Promise.resolve(fateOf(batch, answer)) }, [further]).send({
        ...{ table: 't', body, rows: 1 },
      });
      expect(fate.acknowledgedRows).toBe(answer === 'acknowledged' ? 1 : 0);
      expect(fate.unsent?.cause).toBe(answer === 'acknowledged' ? undefined : answer);
      expect(refusedRowsOf(fate)).toBe(0);
      expect(further.ledger).toMatchObject({ sampledRows: 1, heldRows: 1 });
    },
  );

  test('lends the bytes until every sink has done with them', async () => {
    const slow = Promise.withResolvers<undefined>();
    const lent = new Uint8Array(body);
    const seen: string[] = [];
    const further: Sink = {
      async send(batch) {
        await slow.promise;
        seen.push(Buffer.from(batch.body).toString());
        return fateOf(batch, 'acknowledged');
      },
    };
    const first: Sink = { send: (batch) => Promise.resolve(fateOf(batch, 'acknowledged')) };
    const sending = fanOut(first, [further]).send({ table: 't', body: lent, rows: 1 });
    let isOver = false;
    void sending.then(() => (isOver = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    slow.resolve(undefined);
    await sending;
    lent.fill(0);
    expect(seen).toEqual(['t v=1 1t\n']);
  });

  test('a sink that keeps bytes longer has copied them, in bounds, and its ledger says what it gave up', async () => {
    const further = new KeepingSink(2);
    const sink = fanOut({ send: (batch) => Promise.resolve(fateOf(batch, 'acknowledged')) }, [further]);
    const lent = new Uint8Array(body);
    for (const digit of '12345') {
      lent[4] = digit.charCodeAt(0);
      await sink.send({ table: 't', body: lent, rows: 1 });
    }
    expect(further.kept.map((batch) => Buffer.from(batch.body).toString())).toEqual([
      't v=4 1t\n',
      't v=5 1t\n',
    ]);
    expect(further.ledger).toMatchObject({ sampledRows: 5, heldRows: 2, droppedRows: 3 });
  });
});
