import { HOUR_US } from '../../core/base/hour.ts';
import { isOfWholeHours } from '../../core/calendar/month.ts';
import { decimalText } from '../../core/costs/exact.ts';
import type { BillFigures } from '../../figures/bill/bill-figures.ts';
import { dueOf, type BillRow, type BillTotals } from '../../figures/bill/totals.ts';
import {
  formatCount,
  formatCoverage,
  formatGpuHours,
  formatMoment,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { foldedTables, pack, stacked, wrap } from '../text/table-text.ts';

/** A bill for people: a line for each group, all of them, and what is to be known to read it. */
export function renderBill(bill: BillFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = pack(titleParts(bill), ' · ', width, '', '  ');
  const bold = new Set(options.isColored ? title.slice(0, 1) : []);
  if (bill.totals.rows.length === 0)
    return finishLines([...title, ...wrap(nothingText(bill), width, '  ', '  ')], options, bold);
  const lines = [...title, ...wrap(stateText(bill), width, '  ', '  ')];
  lines.push('', ...tableLines(bill, options), ...differenceLines(bill, options));
  lines.push(...notesOf(bill).flatMap((note) => wrap(note, width, '  ', '  ')));
  return finishLines(lines, options, bold);
}

function titleParts({ head, totals }: BillFigures): string[] {
  const { month, fromUs, toUs, terms, isSynthetic } = head;
  return [
    `Bill of ${month}`,
    ...(totals.cluster === undefined ? [] : [`cluster ${totals.cluster}`]),
    `${terms.timeZone}, ${Number(((toUs - fromUs) / HOUR_US).toFixed(2))} h`,
    `${formatMoment(fromUs).replace(/ UTC$/, '')} → ${formatMoment(toUs)}`,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
}

function stateText({ state, version, issuedUs, id, untilUs }: BillFigures): string {
  switch (state) {
    case 'issued':
      return `Version ${version ?? 0}, issued ${formatMoment(issuedUs ?? 0)} (${id ?? ''}).`;
    case 'provisional':
      return `Provisional, and not stored: the month has not ended. Up to ${formatMoment(untilUs)}.`;
    case 'draft':
      return 'Draft: it is not stored, and no bill.';
  }
}

function nothingText({ totals, firstUs, head, before }: BillFigures): string {
  if (totals.cluster !== undefined) return `No job owned a GPU of cluster ${totals.cluster} in this month.`;
  if (before !== undefined)
    return `No job owned a GPU in this month, as far as this store knows now: version ${before.version} of its bill says otherwise.`;
  if (firstUs === undefined)
    return 'No job owned a GPU in this month: this store has never heard of one that did.';
  if (firstUs >= head.toUs)
    return `No job owned a GPU in this month: the first that this store heard of was at ${formatMoment(firstUs)}.`;
  return 'No job owned a GPU in this month.';
}

const NAMES = { account: 'account', user: 'user', device: 'device' } as const;

interface Column {
  readonly title: string;
  readonly cell: (row: Pick<BillRow, keyof BillTotals['all']>) => string;
}

function columnsOf({ totals: { all, places }, head: { terms } }: BillFigures): Column[] {
  const currency = terms.currency === undefined ? '' : ` ${terms.currency}`;
  const money = (of: (row: BillTotals['all']) => bigint | undefined) => (row: BillTotals['all']) =>
    moneyText(of(row), places);
  const isPriced = terms.gpuHour !== undefined;
  return [
    { title: 'GPU time (h:mm:ss)', cell: ({ seconds }) => clockText(seconds) },
    ...(isPriced ? [{ title: `cost${currency}`, cell: money(({ cost }) => cost) }] : []),
    ...(all.credit === undefined
      ? []
      : [
          { title: 'credit', cell: money(({ credit }) => (credit === undefined ? undefined : -credit)) },
          { title: 'to pay', cell: money(dueOf) },
        ]),
    { title: 'kWh', cell: ({ wattHours }) => groupedText(wattHours, 3) },
    ...(terms.kwhPrice === undefined
      ? []
      : [{ title: `energy cost${currency}`, cell: money(({ energyCost }) => energyCost) }]),
    ...(terms.gramsPerKwh === undefined
      ? []
      : [{ title: 'kg CO2e', cell: (row: BillTotals['all']) => groupedText(row.grams, 3) }]),
  ];
}

function tableLines(bill: BillFigures, options: RenderOptions): string[] {
  const { totals } = bill;
  const columns = columnsOf(bill);
  const isDevice = totals.by === 'device';
  const keys = isDevice ? 2 : 1;
  const rows = totals.rows.map((row) => [
    nameCell(row, totals.by, options),
    ...(isDevice
      ? [
          cellText(
            [row.cluster, row.node].filter((word) => word !== undefined && word !== '').join('/'),
            options,
            24,
          ),
        ]
      : []),
    ...columns.map(({ cell }) => cell(row)),
  ]);
  const titles = [NAMES[totals.by], ...(isDevice ? ['node'] : []), ...columns.map(({ title }) => title)];
  const all = ['all', ...(isDevice ? [''] : []), ...columns.map(({ cell }) => cell(totals.all))];
  const sides = Array.from({ length: keys }, () => 'left' as const);
  return stacked(foldedTables([titles, ...rows, all], sides, keys, lineWidth(options)));
}

function nameCell({ name }: BillRow, by: BillTotals['by'], options: RenderOptions): string {
  return name === undefined ? '(not told)' : cellText(name, options, by === 'device' ? 44 : 32);
}

/** What is other than in the version before it, line by line and in all. */
function differenceLines(bill: BillFigures, options: RenderOptions): string[] {
  const { before, totals, state } = bill;
  if (before === undefined) return [];
  const heading = `Differences from version ${before.version} of ${formatMoment(before.issuedUs)}`;
  const rows = differingRows(totals, before.totals);
  if (rows.length === 0)
    return [
      '',
      `  ${heading}: none${totals.cluster === undefined ? '' : ` in cluster ${totals.cluster}`}${state === 'issued' ? ' in these lines' : ''}.`,
    ];
  const priced = bill.head.terms.gpuHour !== undefined;
  const cells = (now: Amounts | undefined, then: Amounts | undefined): string[] => [
    signed((now?.seconds ?? 0n) - (then?.seconds ?? 0n), clockText),
    ...(priced
      ? [
          signed(
            (now && dueOf(now)) ?? 0n,
            (value) => moneyText(value, totals.places),
            (then && dueOf(then)) ?? 0n,
          ),
        ]
      : []),
    signed((now?.wattHours ?? 0n) - (then?.wattHours ?? 0n), (value) => groupedText(value, 3)),
  ];
  const titles = [NAMES[totals.by], 'GPU time (h:mm:ss)', ...(priced ? ['to pay'] : []), 'kWh'];
  const lines = [
    titles,
    ...rows.map(({ row, now, then }) => [nameCell(row, totals.by, options), ...cells(now, then)]),
    ['all', ...cells(totals.all, before.totals.all)],
  ];
  return ['', `  ${heading}`, ...stacked(foldedTables(lines, ['left'], 1, lineWidth(options)))];
}

type Amounts = BillTotals['all'];

/** In the order of the newer one; what is there no more, last. */
function differingRows(
  now: BillTotals,
  then: BillTotals,
): { readonly row: BillRow; readonly now: BillRow | undefined; readonly then: BillRow | undefined }[] {
  const keyOf = ({ name, cluster }: BillRow): string => JSON.stringify([name, cluster]);
  const [newer, older] = [now, then].map(({ rows }) => new Map(rows.map((row) => [keyOf(row), row])));
  return [...new Set([...newer!.keys(), ...older!.keys()])]
    .map((key) => ({ now: newer!.get(key), then: older!.get(key) }))
    .filter(({ now: a, then: b }) => AMOUNT_KEYS.some((key) => a?.[key] !== b?.[key]))
    .map((one) => ({ row: (one.now ?? one.then)!, ...one }));
}

const AMOUNT_KEYS = ['seconds', 'cost', 'credit', 'wattHours', 'energyCost', 'grams'] as const;

function notesOf({ head, totals, before }: BillFigures): string[] {
  const { terms, openStays, unresolvedUs, untoldTails, missingHours } = head;
  const { all, unpricedModels, unsizedDevices } = totals;
  const unpriced = [
    ...unpricedModels.map((model) => model ?? 'GPUs of unknown model'),
    ...(unsizedDevices === 0 ? [] : [`${formatCount(unsizedDevices, 'instance')} of unknown size`]),
  ];
  return [
    ...(before === undefined ? [] : ['']),
    ...(unpriced.length === 0
      ? []
      : [
          `${formatGpuHours(all.unpricedUs)} have no price and no amount (costs.gpu_hour): ${unpriced.join(', ')}.`,
        ]),
    ...(openStays === 0
      ? []
      : [
          `${formatCount(openStays, 'GPU')} of jobs of which nobody has told an end in time: billed up to the end.`,
        ]),
    ...(unresolvedUs === 0
      ? []
      : [`${formatGpuHours(unresolvedUs)} belong to jobs that nobody could name, and are in no line.`]),
    ...(all.energyUs < 0.9999 * all.ownedUs
      ? [
          `Energy is known for ${formatCoverage(all.energyUs / all.ownedUs)} of the time; of the rest there is none in this bill.`,
        ]
      : []),
    ...(missingHours === 0
      ? []
      : [`costs.grams_file has no value of ${formatCount(missingHours, 'hour')}: their energy has no CO2e.`]),
    ...(terms.idleTailCredit === undefined
      ? []
      : [creditText(totals, terms.idleTailCredit, untoldTails ?? 0)]),
    ...(terms.kwhPrice === undefined && terms.gramsPerKwh === undefined
      ? []
      : [
          `Energy cost and CO2e: ${terms.pue === undefined ? 'of the GPUs alone' : `with PUE ${terms.pue}`}. Energy cost is an account of its own, and in no other amount.`,
        ]),
    ...(isOfWholeHours(head)
      ? []
      : [
          'The edges of this month are no whole hours of UTC: time is exact, energy around them by minutes for as long as those are kept.',
        ]),
  ];
}

function creditText({ all, places }: BillTotals, ratio: number, untold: number): string {
  const given = `credit: ${Number((ratio * 100).toFixed(4))} % of the price of ${formatGpuHours(all.idleTailUs)} at the end of ended jobs in which no GPU worked (${moneyText(all.credit, places)})`;
  return untold === 0
    ? `${given}.`
    : `${given}; of ${formatCount(untold, 'job')} that is not known, and nothing is given back.`;
}

/** `1,204:17:36`. */
function clockText(seconds: bigint): string {
  const [sign, whole] = seconds < 0n ? ['-', -seconds] : ['', seconds];
  const two = (value: bigint): string => String(value).padStart(2, '0');
  return `${sign}${(whole / 3600n).toLocaleString('en-US')}:${two((whole / 60n) % 60n)}:${two(whole % 60n)}`;
}

/** `1,204.30`. @param coins in the smallest coin of the currency */
export function moneyText(coins: bigint | undefined, places: number): string {
  return groupedText(coins, places);
}

/** `1,204.30`. */
function groupedText(value: bigint | undefined, places: number): string {
  if (value === undefined) return NOT_KNOWN;
  const [whole = '', ...part] = decimalText(value < 0n ? -value : value, places).split('.');
  return [`${value < 0n ? '-' : ''}${BigInt(whole).toLocaleString('en-US')}`, ...part].join('.');
}

function signed(now: bigint, show: (value: bigint) => string, then = 0n): string {
  const difference = now - then;
  return difference > 0n ? `+${show(difference)}` : show(difference);
}
