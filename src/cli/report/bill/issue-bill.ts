import { createHash } from 'node:crypto';
import { rateOf } from '../../../core/costs/model-rates.ts';
import { OperatingError } from '../../../core/base/errors.ts';
import { monthName, type Month } from '../../../core/calendar/month.ts';
import { VERSION } from '../../../config/package-version.ts';
import type { ReckonedBill } from '../../../figures/bill/figures.ts';
import {
  headText,
  issuedVersions,
  monthKeyUs,
  readIssued,
  type IssuedVersion,
} from '../../../figures/bill/issued.ts';
import { contentOf, withFormerEnergy } from '../../../figures/bill/late-facts.ts';
import {
  askedVersion,
  beforeOf,
  configuredTerms,
  hourlyGrams,
  refuseFuture,
  versionsOf,
  type FoundBill,
} from '../../../figures/bill/read-bill.ts';
import { reckonBill } from '../../../figures/bill/reckon.ts';
import { isUnpriced } from '../../../figures/bill/totals.ts';
import type { Asked } from '../../../figures/query-cells.ts';
import type { QuestDb } from '../../../questdb/http.ts';
import { writeBillRows, type BillRowToWrite } from '../../../questdb/rows/bill-rows.ts';
import { reportCosts } from '../../report-costs.ts';
import type { StoreConfig } from '../../with-store.ts';

export interface BillQuestion {
  readonly month: Month;
  /** As it was issued; undefined for the newest, which is reckoned again. */
  readonly version: number | undefined;
  /** By the prices and the time zone of the configuration as they are, and not by those of the newest version. */
  readonly isReissued: boolean;
  readonly nowUs: number;
}

/** What is to be shown, and why it is not stored: undefined of one that is, of a month that has not ended, or in which nobody owned a GPU. */
export type BillOutcome = FoundBill & { readonly failure?: OperatingError | undefined };

/** The store: to ask it, and to write to it. */
export interface BillStore {
  readonly db: Asked;
  readonly store: QuestDb;
  readonly config: StoreConfig;
}

/**
 * The bill of a month: reckoned, and stored as a new version where it is the first of an ended month, or facts came late since.
 * @throws OperatingError `bill.month`, `bill.no_costs`, `bill.no_version`, and what `ask` throws
 */
export async function issueBill(at: BillStore, question: BillQuestion): Promise<BillOutcome> {
  const { db, store, config } = at;
  const { month, nowUs } = question;
  const name = monthName(month);
  // Of what was issued the month is over, by whatever zone.
  refuseFuture(month, config.timeZone, nowUs);
  const { versions, failure } = await versionsOf(db, name);
  if (question.version !== undefined) return await askedVersion(db, name, versions, question.version);
  const newest = versions.at(-1);
  const former = newest && (await readIssued(db, name, newest));
  const rates = reportCosts(config);
  const { timeZone, costs } = config;
  const terms =
    former === undefined || question.isReissued
      ? configuredTerms({ rates, timeZone, idleTailCredit: costs.idleTailCredit })
      : former.head.terms;
  const reckoned = withFormerEnergy(
    await reckonBill(db, config.lanes, { month, terms, grams: hourlyGrams(rates), nowUs }),
    former,
  );
  const isOver = reckoned.untilUs === reckoned.head.toUs;
  if (!isOver || reckoned.lines.length === 0) return { reckoned, former, failure: undefined };
  if (former !== undefined && contentOf(former) === contentOf(reckoned))
    return { issued: former, former: await beforeOf(db, name, versions, former) };
  const refused = failure ?? unpricedFailure(reckoned);
  if (refused !== undefined) return { reckoned, former, failure: refused };
  try {
    const id = idOf(reckoned, newest);
    await writeBillRows(store, rowsOf(reckoned, { id, follows: newest?.id, issuedUs: nowUs }));
    const written = await issuedVersions(db, name);
    const own = written.find((one) => one.id === id);
    if (own === undefined) throw notStored(db.where);
    return {
      issued: await readIssued(db, name, own),
      former: await beforeOf(db, name, written, own),
    };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return { reckoned, former, failure: unwritten(thrown) };
  }
}

/** Rows of a collector wait until a read-only store takes them again: a bill does not wait. */
function unwritten(error: OperatingError): OperatingError {
  if (error.code !== 'questdb.read_only') return error;
  const { message, code, where = '', hints } = error;
  return new OperatingError(message, { code, exit: 'permission', where, hints, cause: error });
}

/** Time without a price cannot be billed, and is not free. */
function unpricedFailure({ head: { terms }, lines }: ReckonedBill): OperatingError | undefined {
  const unpriced = lines.filter((line) => isUnpriced(line, terms));
  if (unpriced.length === 0) return undefined;
  const hasPrice = ({ model }: { readonly model: string | undefined }): boolean =>
    rateOf(terms.gpuHour!, model) !== undefined;
  const models = [
    ...new Set(
      unpriced.filter((line) => !hasPrice(line)).map(({ model }) => model ?? 'GPUs of unknown model'),
    ),
  ];
  const unsized = [...new Set(unpriced.filter(hasPrice).map(({ gpu }) => gpu))];
  return new OperatingError('the bill is not issued, since some of its time has no price', {
    code: 'bill.unpriced',
    exit: 'config',
    where: [...models.sort(), ...unsized.map((gpu) => `${gpu}, of unknown size`)].join(', '),
    hints: [
      ...(models.length === 0
        ? []
        : ['give each a price in costs.gpu_hour, 0 where it is free, or one of all others: other=0.5']),
      ...(unsized.length === 0
        ? []
        : ['the size of an instance is told by the inventory: run a collector there']),
    ],
  });
}

/** Of two who issue the same after the same, both have one. */
function idOf(bill: ReckonedBill, follows: IssuedVersion | undefined): string {
  return createHash('sha256')
    .update(`${follows?.id ?? ''}\n${contentOf(bill)}`)
    .digest('hex')
    .slice(0, 16);
}

function rowsOf(
  { head, lines }: ReckonedBill,
  {
    id,
    follows,
    issuedUs,
  }: { readonly id: string; readonly follows: string | undefined; readonly issuedUs: number },
): BillRowToWrite[] {
  const { gpuHour } = head.terms;
  return lines.map((one, line) => ({
    ...one,
    monthUs: monthKeyUs(head.month),
    bill: id,
    ...{ follows, issuedUs, line },
    lines: lines.length,
    month: head.month,
    version: VERSION,
    head: line === 0 ? headText(head) : undefined,
    price: gpuHour === undefined || !one.isSizeKnown ? undefined : rateOf(gpuHour, one.model),
  }));
}

function notStored(where: string): OperatingError {
  return new OperatingError('the bill was written, and cannot be read back', {
    code: 'bill.not_stored',
    exit: 'temporary',
    where: `${where}, table bills`,
    hints: ['run the same command again: what was written is written once'],
  });
}
