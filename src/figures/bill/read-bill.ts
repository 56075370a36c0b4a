import { OperatingError } from '../../core/base/errors.ts';
import { monthName, monthSpan, type Month } from '../../core/calendar/month.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import type { HourlyGrams } from '../../core/costs/hourly-grams.ts';
import type { Lane } from '../../core/fields/lane.ts';
import type { Asked } from '../query-cells.ts';
import { isoMicroseconds } from '../sql-text.ts';
import { issuedFigures, unissuedFigures, type BillFigures, type BillShape } from './bill-figures.ts';
import type { BillTerms, IssuedBill, ReckonedBill } from './figures.ts';
import { issuedVersions, readIssued, type IssuedVersion } from './issued.ts';
import { refuseUnknownCluster } from './known-cluster.ts';
import { reckonBill } from './reckon.ts';
import { termsOf } from './terms.ts';

/** What is configured of bills. */
export interface BillConfig {
  readonly lanes: readonly Lane[];
  /** Undefined where nothing of costs is configured. */
  readonly rates: CostRates | undefined;
  readonly timeZone: string;
  readonly idleTailCredit: number | undefined;
}

/** A bill that was issued, with the version before it; or what was reckoned, with the newest that was issued. */
export type FoundBill =
  | { readonly issued: IssuedBill; readonly former: IssuedBill | undefined }
  | { readonly reckoned: ReckonedBill; readonly former: IssuedBill | undefined };

/**
 * A month's bill, for those who may not issue one: the version that is asked for, the newest, or where none was issued what it would
 * be by now.
 * @throws OperatingError `bill.month`, `bill.no_costs`, `bill.no_version`, and what `ask` throws
 */
export async function readBill(
  db: Asked,
  config: BillConfig,
  {
    month,
    version,
    nowUs,
  }: { readonly month: Month; readonly version: number | undefined; readonly nowUs: number },
): Promise<FoundBill> {
  refuseFuture(month, config.timeZone, nowUs);
  const name = monthName(month);
  const { versions } = await versionsOf(db, name);
  if (version !== undefined) return await askedVersion(db, name, versions, version);
  const newest = await newestVersion(db, name, versions);
  if (newest !== undefined) return newest;
  const asked = { month, terms: configuredTerms(config), grams: hourlyGrams(config.rates), nowUs };
  return { reckoned: await reckonBill(db, config.lanes, asked), former: undefined };
}

/** As it is shown. @throws OperatingError `report.unknown_cluster`, and what `ask` throws */
export async function shownBill(db: Asked, found: FoundBill, shape: BillShape): Promise<BillFigures> {
  const figures =
    'issued' in found
      ? issuedFigures(found.issued, found.former, shape)
      : unissuedFigures(found.reckoned, found.former, shape);
  if (shape.cluster !== undefined && figures.totals.rows.length === 0)
    await refuseUnknownCluster(db, shape.cluster);
  return figures;
}

/** @throws OperatingError `bill.month` */
export function refuseFuture(month: Month, timeZone: string, nowUs: number): void {
  const { fromUs } = monthSpan(month, timeZone);
  if (fromUs < nowUs) return;
  throw new OperatingError(`expected a month that has begun, came ${monthName(month)}`, {
    code: 'bill.month',
    exit: 'usage',
    hints: [`in ${timeZone} it begins ${isoMicroseconds(fromUs).slice(0, 19)}Z`],
  });
}

/** Those of a month. A store of before there were bills has no table of them, which `failure` tells: what is reckoned can be shown. */
export async function versionsOf(
  db: Asked,
  month: string,
): Promise<{ readonly versions: readonly IssuedVersion[]; readonly failure?: OperatingError }> {
  try {
    return { versions: await issuedVersions(db, month) };
  } catch (thrown) {
    if (thrown instanceof OperatingError && thrown.code === 'questdb.no_table')
      return { versions: [], failure: thrown };
    throw thrown;
  }
}

/** Undefined where none was issued. */
export async function newestVersion(
  db: Asked,
  month: string,
  versions: readonly IssuedVersion[],
): Promise<Extract<FoundBill, { readonly issued: unknown }> | undefined> {
  const newest = versions.at(-1);
  return newest && (await withFormer(db, month, versions, newest));
}

/** @throws OperatingError `bill.no_version` */
export async function askedVersion(
  db: Asked,
  month: string,
  versions: readonly IssuedVersion[],
  wanted: number,
): Promise<FoundBill> {
  const found = versions.find(({ version }) => version === wanted);
  if (found !== undefined) return await withFormer(db, month, versions, found);
  const there = versions.map(
    ({ version, issuedUs }) => `${version} of ${isoMicroseconds(issuedUs).slice(0, 19)}Z`,
  );
  throw new OperatingError(`no version ${wanted} of the bill of ${month}`, {
    code: 'bill.no_version',
    exit: 'usage',
    where: `${db.where}, table bills`,
    hints: [
      there.length === 0
        ? `none was issued yet: gpuledger report bill --month ${month}`
        : `there are: ${there.join(', ')}`,
    ],
  });
}

async function withFormer(
  db: Asked,
  month: string,
  versions: readonly IssuedVersion[],
  one: IssuedVersion,
): Promise<Extract<FoundBill, { readonly issued: unknown }>> {
  return { issued: await readIssued(db, month, one), former: await beforeOf(db, month, versions, one) };
}

/** The version before one of them. */
export async function beforeOf(
  db: Asked,
  month: string,
  versions: readonly IssuedVersion[],
  { version }: Pick<IssuedVersion, 'version'>,
): Promise<IssuedBill | undefined> {
  const before = versions.find((one) => one.version === version - 1);
  return before && (await readIssued(db, month, before));
}

/** @throws OperatingError `bill.no_costs` */
export function configuredTerms({ rates, timeZone, idleTailCredit }: Omit<BillConfig, 'lanes'>): BillTerms {
  if (rates === undefined)
    throw new OperatingError('expected prices in the configuration, came none', {
      code: 'bill.no_costs',
      exit: 'config',
      hints: ['give costs.currency and costs.gpu_hour, or costs.kwh: docs/configuration.md'],
    });
  return termsOf(rates, { timeZone, idleTailCredit });
}

export function hourlyGrams(rates: CostRates | undefined): HourlyGrams | undefined {
  return typeof rates?.gramsPerKwh === 'object' ? rates.gramsPerKwh : undefined;
}
