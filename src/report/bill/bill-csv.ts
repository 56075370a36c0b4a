import { decimalText } from '../../core/costs/exact.ts';
import type { BillFigures } from '../../figures/bill/bill-figures.ts';
import { dueOf, type BillRow, type BillTotals } from '../../figures/bill/totals.ts';
import { isoMicroseconds } from '../../figures/sql-text.ts';
import { csvOf, type CsvRow } from '../text/csv-lines.ts';

type Amounts = BillTotals['all'];

/** For a finance system: a header, a row for each group, and `all` last. Decimals, which add up to those of `all`. */
export function billCsv(bill: BillFigures): string {
  const { totals, before } = bill;
  const then = new Map(before?.totals.rows.map((row) => [keyOf(row), row]));
  const keys = new Set(totals.rows.map(keyOf));
  const gone = (before?.totals.rows ?? []).filter((row) => !keys.has(keyOf(row)));
  return csvOf([
    ...totals.rows.map((row) => rowOf(bill, 'line', row, row, then.get(keyOf(row)))),
    // What only the version before it had.
    ...gone.map((row) => rowOf(bill, 'line', row, undefined, row)),
    rowOf(bill, 'all', undefined, totals.all, before?.totals.all),
  ]);
}

function keyOf({ name, cluster }: BillRow): string {
  return JSON.stringify([name, cluster]);
}

function rowOf(
  { head, state, version, issuedUs, totals, before }: BillFigures,
  kind: 'line' | 'all',
  row: BillRow | undefined,
  amounts: Amounts | undefined,
  former: Amounts | undefined,
): CsvRow {
  const { terms } = head;
  const { places, by, cluster } = totals;
  const decimals = (value: bigint | undefined, count: number): string | undefined =>
    value === undefined ? undefined : decimalText(value, count);
  const money = (value: bigint | undefined): string | number | undefined =>
    // Text below zero would be taken for a formula.
    value !== undefined && value < 0n ? Number(decimalText(value, places)) : decimals(value, places);
  const isPriced = terms.gpuHour !== undefined;
  return {
    month: head.month,
    time_zone: terms.timeZone,
    state,
    version,
    issued: issuedUs === undefined ? undefined : isoMicroseconds(issuedUs),
    kind,
    by,
    cluster: row?.cluster ?? cluster,
    name: row?.name,
    node: row?.node,
    model: row?.model,
    gpu_seconds: Number(amounts?.seconds ?? 0n),
    gpu_hours: decimals(amounts?.hours10k ?? 0n, 4),
    ...(isPriced ? { unpriced_us: amounts?.unpricedUs ?? 0, cost: money(amounts?.cost) } : {}),
    ...(terms.idleTailCredit === undefined
      ? {}
      : { credit: money(amounts?.credit), to_pay: money(amounts && dueOf(amounts)) }),
    kwh: decimals(amounts?.wattHours, 3),
    energy_us: amounts?.energyUs ?? 0,
    ...(terms.kwhPrice === undefined ? {} : { energy_cost: money(amounts?.energyCost) }),
    ...(terms.currency === undefined ? {} : { currency: terms.currency }),
    ...(terms.gramsPerKwh === undefined ? {} : { co2e_kg: decimals(amounts?.grams, 3) }),
    ...(before === undefined
      ? {}
      : {
          before_version: before.version,
          before_gpu_seconds: Number(former?.seconds ?? 0n),
          ...(isPriced ? { before_to_pay: money(former && dueOf(former)) } : {}),
          before_kwh: decimals(former?.wattHours, 3),
        }),
  };
}
