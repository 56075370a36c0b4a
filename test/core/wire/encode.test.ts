import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createEncoder,
  type Body,
  type EncodedBatch,
  type EncoderOptions,
  type LabelOf,
} from '../../../src/core/wire/encode.ts';
import { isColumnName, isTableName, writeDigits } from '../../../src/core/wire/ilp-text.ts';
import { soleLabel, UNOWNED, type Label } from '../../../src/core/jobs/label.ts';
import { Ring } from '../../../src/core/ring/ring.ts';
import { anyCase, filledRing, labelsOf, oddText, rowsOf } from '../../helpers/odd-rows.ts';
import { clientBytes, openClientBuffer } from '../../helpers/client-rows.ts';

const client = await openClientBuffer();

/** Takes everything out of the ring in batches of at most `bytesMax`. */
function encodeAll(ring: Ring, options: EncoderOptions, labelOf: LabelOf, bytesMax: number): EncodedBatch[] {
  const encoder = createEncoder(options);
  const batches: EncodedBatch[] = [];
  while (ring.heldTicks > 0) {
    let batch: EncodedBatch | undefined;
    const taken = ring.peek(Infinity, (range) => {
      batch = encoder.encode(ring, range, labelOf, bytesMax);
      return batch.ticks;
    });
    ring.release(taken.to);
    batches.push(batch!);
  }
  return batches;
}

const plainOptions: EncoderOptions = {
  table: 'gpu_profiling',
  devices: [{ node: 'n1', uuid: 'GPU-1' }],
  columns: ['power_watts', 'energy_joules'],
  hasEnergyRise: true,
};

/** A ring of `plainOptions` with one tick a second. */
function plainRing(ticks: number, powerWatts = 500): Ring {
  const shape = { capacityTicks: 64, deviceCount: 1, columnCount: 2, intervalUs: 1_000_000, energyColumn: 1 };
  const ring = new Ring(shape);
  for (let tick = 0; tick < ticks; tick += 1)
    addTick(ring, 1_766_311_200_000_000 + tick * 1_000_000, powerWatts);
  return ring;
}

function addTick(ring: Ring, tsUs: number, powerWatts: number): void {
  ring.reserve();
  ring.setRow(0, tsUs);
  ring.set(0, 0, powerWatts);
  ring.commit();
}

function encodeOnce(
  ring: Ring,
  labelOf: LabelOf = () => UNOWNED,
  encoder = createEncoder(plainOptions),
): EncodedBatch {
  let batch: EncodedBatch | undefined;
  ring.peek(Infinity, (range) => {
    batch = encoder.encode(ring, range, labelOf, 1_000_000);
    return batch.ticks;
  });
  return batch!;
}

test('a GPU that is cut into MIG instances has no owners and no set of them, whoever is told', () => {
  const options = { ...plainOptions, devices: [{ node: 'n1', uuid: 'GPU-1', isCut: true as const }] };
  const { body } = encodeOnce(
    plainRing(1),
    () => ({ ...soleLabel('j'), ownerSet: '7' }),
    createEncoder(options),
  );
  expect(Buffer.from(body).toString('latin1')).toContain('node=n1,gpu=GPU-1 dt_us=0i,');
});

// ── claims ──────────────────────────────────────────────────────────────────────────────────────────────────────────

describe('the bytes', () => {
  test('are those of the official client, whatever the names, labels and values', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const ring = filledRing(given);
        const labelOf = labelsOf(given.labels);
        const expected = clientBytes(client, given.options, rowsOf(ring, labelOf));
        const batches = encodeAll(ring, given.options, labelOf, 10_000_000);
        expect(Buffer.compare(Buffer.concat(batches.map(({ body }) => body)), expected)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('are one row as it stands in the documentation', () => {
    const ring = plainRing(1);
    const { body } = encodeOnce(ring, () => soleLabel('a "b"'));
    const power = '\x00\x00\x00\x00\x00\x40\x7f\x40';
    const blank = '\x00\x00\x00\x00\x00\x00\xf8\x7f';
    expect(Buffer.from(body).toString('latin1')).toBe(
      'gpu_profiling,node=n1,gpu=GPU-1 job_id="a \\"b\\"",owners=1i,dt_us=0i,' +
        `power_watts==\x10${power},energy_joules==\x10${blank},energy_rise_joules==\x10${blank},energy_rise_dt_us=0i 1766311200000000t\n`,
    );
  });

  test('hold all digits of an owner set, of which a number of the client has a part', () => {
    const setOf = (ownerSet: string): Buffer => {
      const label = { jobId: null, owners: 2, ownerSet };
      return Buffer.from(encodeOnce(plainRing(2), () => label).body);
    };
    const [small, large] = ['4611686018427387', '9223372036854775807'];
    const label = { jobId: null, owners: 2, ownerSet: small };
    const byClient = clientBytes(
      client,
      plainOptions,
      rowsOf(plainRing(2), () => label),
    );
    expect(Buffer.compare(setOf(small), byClient)).toBe(0);
    expect(setOf(large).toString('latin1')).toBe(byClient.toString('latin1').replaceAll(small, large));
    expect(setOf(large).toString('latin1')).toContain(' owners=2i,owner_set=9223372036854775807i,dt_us=0i,');
  });

  test('tell labels apart that differ in nothing but the set', () => {
    const labels = ['1', '2', null].map((ownerSet): Label => ({ jobId: 'j', owners: 1, ownerSet }));
    const labelOf: LabelOf = (_, tsUs) => labels[(tsUs / 1e6) % 3]!;
    const expected = clientBytes(client, plainOptions, rowsOf(plainRing(9), labelOf));
    expect(Buffer.compare(encodeOnce(plainRing(9), labelOf).body, expected)).toBe(0);
  });

  test('begin with the cluster where it is known', () => {
    const devices = [{ cluster: 'alpha one', node: 'n1', uuid: 'GPU-1' }];
    const { body } = encodeOnce(plainRing(1), () => UNOWNED, createEncoder({ ...plainOptions, devices }));
    expect(Buffer.from(body).toString('latin1')).toContain(
      'gpu_profiling,cluster=alpha\\ one,node=n1,gpu=GPU-1 ',
    );
  });

  test('hold one pattern for every NaN', () => {
    const ring = plainRing(1, 0);
    // A quiet NaN with its sign bit and a payload, as native code may leave it.
    new BigUint64Array(ring.memory, ring.columns[0]!.byteOffset, 1)[0] = 0xfff8_0000_dead_beefn;
    const expected = clientBytes(client, plainOptions, [
      {
        device: 0,
        label: UNOWNED,
        tsUs: 1_766_311_200_000_000,
        dtUs: 0,
        values: [NaN, NaN],
        energyRise: NaN,
        energyRiseDtUs: 0,
      },
    ]);
    expect(Buffer.compare(encodeOnce(ring).body, expected)).toBe(0);
  });

  test('of a re-label are those of the official client', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const ring = filledRing(given);
        const labelOf = labelsOf(given.labels);
        const rows = rowsOf(ring, labelOf);
        const samples = {
          tsUs: Float64Array.from(rows, (row) => row.tsUs),
          dtUs: Float64Array.from(rows, (row) => row.dtUs),
          energyRise: Float64Array.from(rows, (row) => row.energyRise),
          energyRiseDtUs: Float64Array.from(rows, (row) => row.energyRiseDtUs),
          columns: given.options.columns.map((_, column) =>
            Float64Array.from(rows, (row) => row.values[column]!),
          ),
        };
        const encoder = createEncoder(given.options);
        const body = encoder.encodeRows(samples, rows.length, (row) => rows[row]!.device, labelOf);
        expect(Buffer.compare(body, clientBytes(client, given.options, rows))).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test('are right after more labels than are remembered', () => {
    const ring = plainRing(60);
    const labelOf: LabelOf = (_, tsUs) => soleLabel(`job ${(tsUs / 1e6) % 50}`);
    const expected = clientBytes(client, plainOptions, rowsOf(ring, labelOf));
    expect(Buffer.compare(encodeOnce(ring, labelOf).body, expected)).toBe(0);
  });
});

test('the heads that are remembered of a device are few, however many jobs it sees', () => {
  const encoder = createEncoder(plainOptions);
  const ring = plainRing(1);
  const encodeFor = (label: Label): void => {
    encoder.encodeRows(
      ring,
      1,
      () => 0,
      () => label,
    );
  };
  for (let job = 0; job < 1_000; job += 1) encodeFor(soleLabel(`job ${job}`));
  let looks = 0;
  encodeFor({
    // The encoder asks for it once for each head that it compares.
    get jobId() {
      looks += 1;
      return 'one more';
    },
    owners: 1,
    ownerSet: null,
  });
  expect(looks).toBeGreaterThan(1);
  expect(looks).toBeLessThan(50);
});

describe('a batch', () => {
  test('holds whole ticks and at most bytesMax, or one tick; together they are the whole', () => {
    fc.assert(
      fc.property(anyCase, fc.integer({ min: 1, max: 3_000 }), (given, bytesMax) => {
        const labelOf = labelsOf(given.labels);
        const whole = clientBytes(client, given.options, rowsOf(filledRing(given), labelOf));
        const ring = filledRing(given);
        const tickRows = Array.from({ length: ring.heldTicks }, (_, tick) =>
          ring.rowCountOf(given.ticksBefore + tick),
        );
        const batches = encodeAll(ring, given.options, labelOf, bytesMax);
        for (const { body, ticks, rows } of batches) {
          expect(ticks).toBeGreaterThan(0);
          expect(body.length <= bytesMax || ticks === 1).toBe(true);
          expect(rows).toBe(tickRows.splice(0, ticks).reduce((sum, count) => sum + count, 0));
        }
        expect(tickRows).toEqual([]);
        expect(Buffer.compare(Buffer.concat(batches.map(({ body }) => body)), whole)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('takes another tick as long as that fits exactly', () => {
    const both = encodeOnce(plainRing(2)).body.length;
    const [exact] = encodeAll(plainRing(2), plainOptions, () => UNOWNED, both);
    expect(exact!.ticks).toBe(2);
    const [less] = encodeAll(plainRing(2), plainOptions, () => UNOWNED, both - 1);
    expect(less!.ticks).toBe(1);
  });

  test('outlives the slots that it was made from', () => {
    const ring = plainRing(30);
    const encoder = createEncoder(plainOptions);
    const first = encodeOnce(ring, undefined, encoder);
    const copy = Buffer.from(first.body);
    for (let tick = 30; tick < 200; tick += 1) addTick(ring, 1_766_311_200_000_000 + tick * 1_000_000, 1);
    encodeOnce(ring, undefined, encoder);
    encodeOnce(plainRing(5), undefined, encoder);
    expect(Buffer.compare(first.body, copy)).toBe(0);
  });
});

describe('a recycled body', () => {
  test('becomes the next one', () => {
    const encoder = createEncoder(plainOptions);
    const memory = (): Body['buffer'] => {
      const { body } = encodeOnce(plainRing(3), undefined, encoder);
      encoder.recycle(body);
      return body.buffer;
    };
    expect(memory()).toBe(memory());
  });

  test('is taken once', () => {
    const encoder = createEncoder(plainOptions);
    const { body } = encodeOnce(plainRing(3), undefined, encoder);
    encoder.recycle(body);
    expect(() => {
      encoder.recycle(body);
    }).toThrow('a body is recycled once');
  });

  test('does not shorten a batch that needs more', () => {
    const encoder = createEncoder(plainOptions);
    encoder.recycle(encodeOnce(plainRing(1), undefined, encoder).body);
    const wordy: LabelOf = () => soleLabel('x'.repeat(10_000));
    const { body, rows } = encodeOnce(plainRing(60), wordy, encoder);
    expect(rows).toBe(60);
    expect(Buffer.compare(body, clientBytes(client, plainOptions, rowsOf(plainRing(60), wordy)))).toBe(0);
  });
});

describe('what must not be written is refused', () => {
  test.each([Infinity, -Infinity])('%d in a column', (value) => {
    expect(() => encodeOnce(plainRing(1, value))).toThrow(/power_watts is -?Infinity/);
  });

  test.each([Infinity, -Infinity])('%d as an energy rise', (rise) => {
    const samples = {
      tsUs: Float64Array.of(1_766_311_200_000_000),
      dtUs: Float64Array.of(1_000_000),
      energyRise: Float64Array.of(rise),
      energyRiseDtUs: Float64Array.of(1_000_000),
      columns: [Float64Array.of(1), Float64Array.of(1)],
    };
    expect(() =>
      createEncoder(plainOptions).encodeRows(
        samples,
        1,
        () => 0,
        () => UNOWNED,
      ),
    ).toThrow(`energy_rise_joules is ${rise}`);
  });

  test.each([0.5, -1, 2 ** 53])('%d as a time', (tsUs) => {
    const ring = plainRing(0);
    addTick(ring, tsUs, 1);
    expect(() => encodeOnce(ring)).toThrow(`time is ${tsUs}`);
  });

  test('another number of devices or columns than the ring has', () => {
    const twice = createEncoder({
      ...plainOptions,
      devices: [...plainOptions.devices, ...plainOptions.devices],
    });
    expect(() => encodeOnce(plainRing(1), undefined, twice)).toThrow('differ in their devices');
    const narrow = createEncoder({ ...plainOptions, columns: ['power_watts'] });
    expect(() => encodeOnce(plainRing(1), undefined, narrow)).toThrow('differ in their columns');
  });

  test('exactly the names that the client refuses', () => {
    const name = fc.oneof(
      oddText,
      fc.string({ maxLength: 3 }),
      fc.integer({ min: 126, max: 129 }).map((n) => 'x'.repeat(n)),
    );
    const doesTake = (write: () => void): boolean => {
      client.reset();
      try {
        write();
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(name, (text) => {
        expect(isTableName(text)).toBe(doesTake(() => client.table(text)));
        expect(isColumnName(text)).toBe(doesTake(() => client.table('t').floatColumn(text, 1)));
      }),
      { numRuns: 2_000 },
    );
    for (let unit = 0; unit <= 0xffff; unit += 1) {
      const text = `a${String.fromCharCode(unit)}b`;
      if (isTableName(text) !== doesTake(() => client.table(text)))
        expect.fail(`table name with U+${unit.toString(16)}`);
      if (isColumnName(text) !== doesTake(() => client.table('t').floatColumn(text, 1))) {
        expect.fail(`column name with U+${unit.toString(16)}`);
      }
    }
    expect(() => createEncoder({ ...plainOptions, table: 'a/b' })).toThrow('no table name: "a/b"');
    expect(() => createEncoder({ ...plainOptions, columns: ['a-b'] })).toThrow('no column name: "a-b"');
  });
});

test('digits are those of String', () => {
  const target = new Uint8Array(20);
  const whole = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(20_000),
    fc
      .integer({ min: 0, max: 15 })
      .chain((power) => fc.integer({ min: -1, max: 1 }).map((by) => Math.max(0, 10 ** power + by))),
  );
  fc.assert(
    fc.property(whole, (value) => {
      const end = writeDigits(target, 2, value);
      expect(Buffer.from(target.subarray(2, end)).toString('latin1')).toBe(String(value));
    }),
    { numRuns: 2_000 },
  );
});
