import type { Cause } from '../core/analysis/causes.ts';
import { HOUR_US } from '../core/base/hour.ts';
import type { CauseAmount, JobCauses } from '../figures/job/causes/figures.ts';
import type { JobFigures } from '../figures/job/figures.ts';
import { costColumns } from './costs-text.ts';
import { barText } from './text/bar-text.ts';
import { formatEnergies, formatHours, formatRatio, hourDecimals, NOT_KNOWN } from './text/format-quantity.ts';
import { tableText, wrap } from './text/table-text.ts';

/** What people call a cause. */
export const CAUSE_LABELS: Readonly<Record<Cause, string>> = {
  notSeen: 'not seen',
  untold: 'seen, engine not known',
  idleHead: 'idle at the beginning',
  idleTail: 'idle at the end',
  pause: 'pauses of all GPUs',
  hang: 'no progress',
  deviceIdle: 'idle while others work',
  gaps: 'gaps between kernels',
  waiting: 'waiting for the slowest',
  throttled: 'throttled',
  low: 'busy with few SMs',
  effective: 'effective',
};

/** Work first, then what it lost. */
const SHOWN: readonly Cause[] = [
  'effective',
  'low',
  'throttled',
  'waiting',
  'gaps',
  'deviceIdle',
  'pause',
  'hang',
  'idleHead',
  'idleTail',
  'untold',
  'notSeen',
];

const BAR_WIDTH = 20;
/** Beside what causes cost, so that a line fits a terminal. */
const SHORT_BAR_WIDTH = 10;

export const CAUSES_HEADING = '  Where the time went';

/** Those of some time, in the order in which people are shown them. */
export function shownCauses({
  causes,
}: Pick<JobCauses, 'causes'>): ({ readonly cause: Cause } & CauseAmount)[] {
  return SHOWN.flatMap((cause) => {
    const amount = causes.get(cause);
    return amount === undefined ? [] : [{ cause, ...amount }];
  });
}

/** Why there is no table of causes. */
export function noCausesLines({ causes }: Pick<JobFigures, 'causes'>, width: number): string[] {
  if (causes === undefined || !('why' in causes)) return [];
  return wrap(`where the time went is not told: ${NOT_TOLD[causes.why]}`, width, '  ', '    ');
}

/** The table of causes, with a blank line behind it. */
export function causesLines(
  { causes, costs }: Pick<JobFigures, 'causes' | 'costs'>,
  width: number,
): string[] {
  if (causes === undefined || 'why' in causes) return [];
  const shown = shownCauses(causes);
  const allUs = shown.reduce((sum, { us }) => sum + us, 0);
  if (allUs === 0) return [];
  const decimals = hourDecimals(Math.max(...shown.map(({ us }) => us)) / HOUR_US);
  const energies = formatEnergies(
    shown.map(({ us, joules }) =>
      joules === undefined ? undefined : { value: joules, unit: 'joules' as const, knownUs: us },
    ),
  );
  const hasEnergy = shown.some(({ joules }) => joules !== undefined);
  const money =
    costs === undefined
      ? []
      : costColumns(
          costs.rates,
          shown.map(({ cause }) => costs.causes.get(cause)),
        );
  const rows = shown.map(({ cause, us, joules }, at) => [
    CAUSE_LABELS[cause],
    formatRatio(us / allUs),
    `${formatHours(us, decimals)} h`,
    ...(hasEnergy ? [joules === undefined ? NOT_KNOWN : energies[at]!] : []),
    ...money.map(({ cells }) => cells[at]!),
    barText(us / allUs, money.length > 0 ? SHORT_BAR_WIDTH : BAR_WIDTH),
  ]);
  const titles = [
    'of the time',
    'GPU-hours',
    ...(hasEnergy ? ['energy'] : []),
    ...money.map(({ title }) => title),
  ];
  const head = ['', ...titles, ''];
  const sides = ['left', ...titles.map(() => 'right' as const), 'left'] as const;
  const notes = causeNotes(causes, allUs).flatMap((text) => wrap(text, width, '  ', '    '));
  return [CAUSES_HEADING, ...tableText([head, ...rows], sides), ...notes, ''];
}

const NOT_TOLD = {
  no_engine: "the activity of the engine (DCGM's field 1001) was not recorded",
  aged_out: 'the samples and minutes of a part of its time have aged out',
} as const;

export function causeNotes({ origin, isCut, isKept, waiting }: JobCauses, allUs: number): string[] {
  const texts: string[] = [];
  if (waiting !== undefined && waiting.mostUs > 0)
    texts.push(
      `waiting is estimated: ${formatRatio(waiting.leastUs / allUs)} to ${formatRatio(waiting.mostUs / allUs)}`,
    );
  if (origin === 'minutes_alone' && !isKept)
    texts.push('the samples have aged out: told by whole minutes, so that shorter pauses count as gaps');
  if (isKept) texts.push('where the time went was told while the samples were there');
  if (isCut) texts.push('pauses of less than a minute were not looked for everywhere: some count as gaps');
  return texts;
}
