import fc from 'fast-check';
import type { EncoderOptions, LabelOf } from '../../src/core/wire/encode.ts';
import { isColumnName, isTableName } from '../../src/core/wire/ilp-text.ts';
import { UNOWNED, type Label } from '../../src/core/jobs/label.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import type { PlainRow } from './client-rows.ts';

/** Rings full of whatever a lane, a device, a job and a value can be called and be, for property tests. */

/** UTF-16 units in any order: lone surrogates, control characters, half an emoji. */
const anyUnits = fc.array(fc.nat(0xffff), { maxLength: 12 }).map((units) => String.fromCharCode(...units));
const sharpText = fc
  .array(
    fc.constantFrom(' ', ',', '=', '\n', '\r', '"', '\\', '\0', '\t', ']', 'é', '😀', '\ud800', 'a', '7'),
    {
      maxLength: 12,
    },
  )
  .map((characters) => characters.join(''));
export const oddText = fc.oneof(sharpText, anyUnits, fc.string({ unit: 'grapheme', maxLength: 12 }));
const longText = fc
  .tuple(oddText, fc.integer({ min: 1, max: 400 }))
  .map(([text, times]) => text.repeat(times));

const columnName = fc.oneof(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/), oddText).filter(isColumnName);
const tableName = fc.oneof(fc.stringMatching(/^gpu_[a-z0-9]{1,20}$/), oddText).filter(isTableName);

/** As large as the client's own numbers are exact; `encode.test.ts` has one with all digits. */
const anySet = fc.option(fc.maxSafeNat().map(String));
const anyLabel: fc.Arbitrary<Label> = fc.oneof(
  fc.constant(UNOWNED),
  fc.record({
    ...{ jobId: fc.oneof(fc.stringMatching(/^\d{1,9}$/), oddText, longText), owners: fc.constant(1) },
    ownerSet: anySet,
  }),
  fc.record({ jobId: fc.constant(null), owners: fc.integer({ min: 0, max: 2 ** 40 }), ownerSet: anySet }),
);
/** Everything that a double can be but infinity. */
const anyValue = fc.oneof(
  fc.double({ noDefaultInfinity: true }),
  fc.constantFrom(
    NaN,
    0,
    -0,
    1,
    Number.MIN_VALUE,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    Number.EPSILON,
    2 ** 53,
  ),
);
/** A clock that goes steadily, with some steps anywhere. */
const anyTimeUs = fc.oneof(
  fc.integer({ min: 1_766_311_200_000_000, max: 1_766_311_202_000_000 }),
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 9, 10, 99_999_999, 100_000_000, 999_999_999_999_999, 2 ** 53 - 2),
);

export interface Case {
  readonly options: EncoderOptions;
  /** Per tick, per device: time and values, or nothing. */
  readonly ticks: readonly (readonly ({ tsUs: number; values: readonly number[] } | null)[])[];
  readonly labels: readonly Label[];
  /** Ticks that went through the ring before, so that slots wrap around. */
  readonly ticksBefore: number;
}

export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    deviceCount: fc.integer({ min: 1, max: 4 }),
    columns: fc.uniqueArray(columnName, { maxLength: 5 }),
    hasEnergyRise: fc.boolean(),
  })
  .chain(({ deviceCount, columns, hasEnergyRise }) => {
    const perDevice = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(one, { minLength: deviceCount, maxLength: deviceCount });
    const values = fc.array(anyValue, { minLength: columns.length, maxLength: columns.length });
    return fc.record({
      options: fc.record({
        table: tableName,
        devices: perDevice(
          fc.record({ cluster: oddText, node: oddText, uuid: oddText }, { requiredKeys: ['node', 'uuid'] }),
        ),
        columns: fc.constant(columns),
        hasEnergyRise: fc.constant(hasEnergyRise),
      }),
      ticks: fc.array(perDevice(fc.option(fc.record({ tsUs: anyTimeUs, values }), { freq: 4 })), {
        maxLength: 8,
      }),
      labels: fc.array(anyLabel, { minLength: 1, maxLength: 5 }),
      ticksBefore: fc.nat(20),
    });
  });

export function filledRing({ options, ticks, ticksBefore }: Case): Ring {
  const ring = new Ring({
    capacityTicks: 9,
    deviceCount: options.devices.length,
    columnCount: options.columns.length,
    intervalUs: 1_000_000,
    energyColumn: options.hasEnergyRise && options.columns.length > 0 ? 0 : -1,
  });
  for (let tick = 0; tick < ticksBefore; tick += 1) {
    ring.reserve();
    ring.setRow(0, tick);
    ring.commit();
    ring.release(ring.peek(1, () => 1).to);
  }
  for (const tick of ticks) {
    ring.reserve();
    tick.forEach((row, device) => {
      if (row === null) return;
      ring.setRow(device, row.tsUs);
      row.values.forEach((value, column) => {
        ring.set(device, column, value);
      });
    });
    ring.commit();
  }
  return ring;
}

export function labelsOf(labels: readonly Label[]): LabelOf {
  return (device, tsUs) => labels[(device * 7 + tsUs) % labels.length]!;
}

/** What the ring holds, as plain rows. */
export function rowsOf(ring: Ring, labelOf: LabelOf): PlainRow[] {
  const rows: PlainRow[] = [];
  ring.peek(Infinity, ({ from, to }) => {
    for (let tick = from; tick < to; tick += 1) {
      for (let device = 0; device < ring.shape.deviceCount; device += 1) {
        const at = ring.baseOf(tick) + device;
        const tsUs = ring.tsUs[at]!;
        if (Number.isNaN(tsUs)) continue;
        const values = ring.columns.map((column) => column[at]!);
        const label = labelOf(device, tsUs);
        const [dtUs, energyRise, energyRiseDtUs] = [
          ring.dtUs[at]!,
          ring.energyRise[at]!,
          ring.energyRiseDtUs[at]!,
        ];
        rows.push({ device, label, tsUs, dtUs, values, energyRise, energyRiseDtUs });
      }
    }
    return 0;
  });
  return rows;
}
