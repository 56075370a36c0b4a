import type { Config } from '../config/config.ts';
import { monthName, monthSpan, type Month } from '../core/calendar/month.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { CostRates } from '../core/costs/costs.ts';
import { realDisk } from '../disk/disk.ts';
import { issuedFigures, type BillFigures } from '../figures/bill/bill-figures.ts';
import { newestVersion, versionsOf } from '../figures/bill/read-bill.ts';
import type { Asked } from '../figures/query-cells.ts';
import { reliabilityFigures } from '../figures/reliability/query.ts';
import { askFleetPage, fleetPageHtml } from '../fleet-page/page.ts';
import { answerOf } from '../fleet-page/sections.ts';
import { billCsv } from '../report/bill/bill-csv.ts';
import { capacityCsv } from '../report/capacity/capacity-csv.ts';
import { renderDigest } from '../report/digest/digest-text.ts';
import { formatMoment } from '../report/text/format-quantity.ts';
import { claimDirectory, writeDigestFiles, type DigestFile } from './files.ts';

export interface DigestQuestion {
  readonly month: Month;
  readonly directory: string;
  readonly nowUs: number;
  readonly costs: CostRates | undefined;
}

/** A digest that was written. */
export interface Digest {
  /** `2026-10`. */
  readonly month: string;
  /** For a mail, with a newline at its end. */
  readonly text: string;
  /** Where its files are. */
  readonly paths: Readonly<Partial<Record<DigestFile, string>>>;
}

/**
 * Asks what a month was and writes its files. Issues no bill: one that was issued is written as it is.
 * @throws OperatingError `digest.month`, `digest.no_data`, `digest.locked`, `digest.unwritable`, and what `capacityFigures` throws
 */
export async function writeDigest(
  db: Asked,
  config: Pick<Config, 'lanes' | 'idle' | 'timeZone'>,
  question: DigestQuestion,
): Promise<Digest> {
  refuseRunningMonth(question, config);
  const release = await claimDirectory(realDisk, question.directory);
  try {
    return await askAndWrite(db, config, question);
  } finally {
    release();
  }
}

async function askAndWrite(
  db: Asked,
  { lanes, idle, timeZone }: Pick<Config, 'lanes' | 'idle' | 'timeZone'>,
  { month, directory, costs }: DigestQuestion,
): Promise<Digest> {
  const name = monthName(month);
  const span = monthSpan(month, timeZone);
  const page = await askFleetPage(db, { lanes }, { ...span, by: 'account', idleLimits: idle, costs });
  const { figures: capacity, sections } = page;
  if (capacity.samples === 0) throw noData(name, db.where);
  const reliability = await answerOf(reliabilityFigures(db, lanes, span));
  // Last: it fails where the store went away meanwhile, while what planners ask beside it only says so.
  const bill = await newestBill(db, name);
  const forecast = sections?.forecast ?? { failure: 'it was not asked for' };
  const paths = writeDigestFiles(realDisk, directory, name, {
    page: fleetPageHtml(page),
    capacity: capacityCsv(capacity),
    ...(bill === undefined ? {} : { bill: billCsv(bill) }),
  });
  return {
    month: name,
    text: renderDigest({ month: name, timeZone, capacity, forecast, reliability, bill }),
    paths,
  };
}

/** As `report bill` prints it by account. */
async function newestBill(db: Asked, month: string): Promise<BillFigures | undefined> {
  const { versions } = await versionsOf(db, month);
  const found = await newestVersion(db, month, versions);
  return found && issuedFigures(found.issued, found.former, { by: 'account', cluster: undefined });
}

function refuseRunningMonth({ month, nowUs }: DigestQuestion, { timeZone }: Pick<Config, 'timeZone'>): void {
  const { toUs } = monthSpan(month, timeZone);
  if (toUs <= nowUs) return;
  throw new OperatingError(
    `expected a month that has ended, came ${monthName(month)}, which ends at ${formatMoment(toUs)} (${timeZone})`,
    {
      code: 'digest.month',
      exit: 'usage',
      hints: ['what there is of it so far: gpuledger report capacity --html FILE'],
    },
  );
}

function noData(month: string, where: string): OperatingError {
  return new OperatingError(`no digest: nothing was sampled in ${month}`, {
    code: 'digest.no_data',
    exit: 'unavailable',
    where,
    hints: [
      'was a collector running, and is it this store?',
      'another month: gpuledger digest --month YYYY-MM',
    ],
  });
}
