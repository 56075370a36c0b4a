import type { BillFigures } from '../../figures/bill/bill-figures.ts';
import { dueOf } from '../../figures/bill/totals.ts';
import type { CapacityFigures, InstalledRow } from '../../figures/capacity/figures.ts';
import {
  IDLE_PARTS,
  LOST_PARTS,
  OWNED_PARTS,
  partsUs,
  timesUs,
  type InstalledTimes,
} from '../../figures/capacity/installed/parts.ts';
import type { ForecastFigures } from '../../figures/forecast/figures.ts';
import type { ReliabilityFigures } from '../../figures/reliability/figures.ts';
import { moneyText } from '../bill/bill-text.ts';
import { installedLines } from '../capacity/installed-text.ts';
import { forecastAnswer } from '../forecast/forecast-text.ts';
import type { Answer } from '../page/fleet/sections.ts';
import { failureRateText, lemonText } from '../reliability/reliability-text.ts';
import { formatGpuHours, formatMoment, formatRatio } from '../text/format-quantity.ts';
import { cellText, finishLines, type RenderOptions } from '../text/report-text.ts';
import { harmless, tableText, wrap } from '../text/table-text.ts';

/** A month of the fleet in short. */
export interface DigestFigures {
  /** `2026-10`, and in which time zone. */
  readonly month: string;
  readonly timeZone: string;
  /** By account. */
  readonly capacity: CapacityFigures;
  /** As of the end of the month. */
  readonly forecast: Answer<ForecastFigures>;
  /** Of the month. */
  readonly reliability: Answer<ReliabilityFigures>;
  /** The newest that was issued of the month; undefined where none was. */
  readonly bill: BillFigures | undefined;
}

/** Mails are read in windows of any width. */
const OPTIONS: RenderOptions = { width: 78, isColored: false };
const ACCOUNTS_MAX = 5;

/** For a mail: no line begins with a name, so that no mail program takes one for a command. */
export function renderDigest(figures: DigestFigures): string {
  const { capacity, forecast, reliability, bill } = figures;
  const { width } = OPTIONS;
  const sentences = [
    told(forecast, forecastAnswer, 'whether GPUs will be short'),
    told(reliability, failuresText, 'how often nodes failed'),
    ...(bill === undefined ? [] : [billText(bill)]),
  ];
  return finishLines(
    [
      ...wrap(titleOf(figures), width, '', '  '),
      '',
      ...totalLines(capacity),
      ...installedLines(capacity.installed, width),
      ...accountLines(capacity),
      ...sentences.flatMap((text) => wrap(text, width, '  ', '    ')),
    ],
    OPTIONS,
    new Set(),
  );
}

function titleOf({ month, timeZone, capacity }: DigestFigures): string {
  const { fromUs, toUs, isSynthetic } = capacity;
  return [
    `GPUs in ${month}`,
    timeZone,
    `${formatMoment(fromUs).replace(/ UTC$/, '')} → ${formatMoment(toUs)}`,
    ...(isSynthetic ? ['synthetic'] : []),
  ].join(' · ');
}

function totalLines({ installed: { all } }: CapacityFigures): string[] {
  const thereUs = timesUs(all);
  const ownedUs = partsUs(all, OWNED_PARTS);
  return tableText(
    [
      ['there', formatGpuHours(thereUs), ''],
      ['owned', formatGpuHours(ownedUs), ofAll(ownedUs, thereUs, 'of what was there')],
      ['idle while owned', ...lostCells(all, IDLE_PARTS, ownedUs)],
      ['lost while owned', ...lostCells(all, LOST_PARTS, ownedUs)],
    ],
    ['left', 'right', 'left'],
  );
}

/** Of owned time of which nobody can tell what was done, any part may have been lost, too. */
function lostCells(times: InstalledTimes, parts: typeof LOST_PARTS, ownedUs: number): [string, string] {
  const us = partsUs(times, parts);
  const least = times.untold === undefined ? '' : 'at least ';
  return [`${least}${formatGpuHours(us)}`, ofAll(us, ownedUs, 'of what was owned')];
}

function ofAll(us: number, allUs: number, what: string): string {
  return allUs === 0 ? '' : `${formatRatio(us / allUs)} ${what}`;
}

function accountLines({ installed: { rows } }: CapacityFigures): string[] {
  const lost = rows
    .filter(({ kind }) => kind === 'group')
    .map((row) => ({ row, us: partsUs(row.parts, LOST_PARTS) }))
    .filter(({ us }) => us > 0)
    .sort((a, b) => b.us - a.us)
    .slice(0, ACCOUNTS_MAX);
  if (lost.length === 0) return [];
  const cells = ({ row }: { readonly row: InstalledRow }): string[] => [
    row.name === undefined ? '(not told)' : cellText(row.name, OPTIONS, 28),
    ...lostCells(row.parts, LOST_PARTS, partsUs(row.parts, OWNED_PARTS)),
  ];
  return ['  Accounts that lost most', ...tableText(lost.map(cells), ['left', 'right', 'left']), ''];
}

function told<T>(answer: Answer<T>, say: (figures: T) => string, what: string): string {
  return 'failure' in answer
    ? `It could not be told ${what}: ${harmless(answer.failure)}.`
    : say(answer.figures);
}

function failuresText(figures: ReliabilityFigures): string {
  if (figures.nodes.length === 0) return 'Of failures nothing is known: no node was seen.';
  return `${failureRateText(figures)} ${lemonText(figures, OPTIONS)}`;
}

function billText({ version = 0, issuedUs = 0, totals, head: { terms } }: BillFigures): string {
  const { all, places } = totals;
  const currency = terms.currency ?? '';
  const amounts = [
    ...(all.cost === undefined ? [] : [`${moneyText(dueOf(all), places)} ${currency} to pay`]),
    ...(all.energyCost === undefined
      ? []
      : [`energy ${moneyText(all.energyCost, places)} ${currency} (an account of its own)`]),
  ];
  const sum = amounts.length === 0 ? `${formatGpuHours(all.ownedUs)}, without prices` : amounts.join('; ');
  return `Bill, version ${version} of ${formatMoment(issuedUs)}: ${sum}.`;
}
