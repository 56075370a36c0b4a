import { quoteText } from '../../../schemas/tables.ts';
import { readMonth } from '../../core/calendar/month.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import type { BillHead, BillLine, IssuedBill } from './figures.ts';
import { readTerms, termsText } from './terms.ts';

/** A version of a month's bill, without what is in it. */
export type IssuedVersion = Pick<IssuedBill, 'id' | 'version' | 'issuedUs'>;

/** By this `bills` finds a month: its beginning, as if it were in UTC. */
export function monthKeyUs(month: string): number {
  const { year, month: number } = readMonth(month)!;
  return Date.UTC(year, number - 1) * 1000;
}

/**
 * The bills that were issued of a month, each after the one that it follows: by that, since clocks of machines differ. One of which rows
 * are missing, since whoever wrote it was stopped, is none; what was issued twice at once counts as of the earlier time.
 * @throws what `ask` throws
 */
export async function issuedVersions(db: Asked, month: string): Promise<IssuedVersion[]> {
  const rows = await ask(
    db,
    'SELECT bill, follows, cast(issued_ts AS LONG) AS issued_us, max(lines) AS lines, count() AS written FROM bills' +
      ` WHERE ts = ${quoteTime(monthKeyUs(month))} GROUP BY bill, follows, issued_us`,
  );
  const whole = rows
    .filter((row) => row.number('written') === row.number('lines'))
    .map((row) => ({
      id: row.text('bill')!,
      follows: row.text('follows'),
      issuedUs: row.number('issued_us')!,
    }))
    .sort((a, b) => a.issuedUs - b.issuedUs || (a.id < b.id ? -1 : 1));
  const first = new Map(whole.toReversed().map((one) => [one.id, one]));
  const depthOf = ({ follows }: { readonly follows: string | undefined }): number => {
    const before = first.get(follows ?? '');
    return before === undefined ? 0 : 1 + depthOf(before);
  };
  return whole
    .filter((one) => first.get(one.id) === one)
    .map((one) => ({ one, depth: depthOf(one) }))
    .sort((a, b) => a.depth - b.depth)
    .map(({ one: { id, issuedUs } }, index) => ({ id, issuedUs, version: index + 1 }));
}

/** @throws what `ask` throws */
export async function readIssued(
  db: Asked,
  month: string,
  { id, version, issuedUs }: IssuedVersion,
): Promise<IssuedBill> {
  const rows = await ask(
    db,
    `SELECT * FROM bills WHERE ts = ${quoteTime(monthKeyUs(month))} AND bill = ${quoteText(id)} AND issued_ts = ${quoteTime(issuedUs)} ORDER BY line`,
  );
  const [first] = rows;
  return {
    ...{ id, version, issuedUs },
    by: first?.text('version') ?? '',
    head: readHead(month, first?.text('head') ?? '{}'),
    lines: rows.map(lineOf),
  };
}

/** What line 0 holds. */
export function headText({ terms, ...head }: BillHead): string {
  return JSON.stringify({ ...head, terms: termsText(terms) });
}

function readHead(month: string, text: string): BillHead {
  const { terms, ...head } = JSON.parse(text) as Omit<BillHead, 'terms'> & { readonly terms: string };
  return { ...head, month, untoldTails: head.untoldTails, terms: readTerms(terms) };
}

function lineOf(row: Cells): BillLine {
  return {
    cluster: row.text('cluster'),
    account: row.text('account'),
    user: row.text('user'),
    gpu: row.text('gpu') ?? '',
    node: row.text('node') ?? '',
    model: row.text('model'),
    isSizeKnown: row.number('size_known') === 1,
    ownedUs: row.number('owned_us') ?? 0,
    idleTailUs: row.number('idle_tail_us') ?? 0,
    millijoules: row.number('energy_millijoules'),
    energyUs: row.number('energy_us') ?? 0,
    milligrams: row.number('co2e_milligrams'),
    carbonMillijoules: row.number('co2e_millijoules') ?? 0,
  };
}
