import type { DoctorReport } from '../../../schemas/reports/doctor.ts';
import { harmless, widthOf, wrap } from '../../report/text/table-text.ts';
import { TERMINAL_WIDTH_MIN } from '../terminal.ts';

type Entry = DoctorReport['checks'][number];

const STATES = { fine: 'fine', wrong: 'wrong', untold: 'not told' } as const;
/** Wider than this a sentence is not read. */
const WIDTH_MAX = 110;

/** One line a check, and below what is not fine why it matters and what mends it. */
export function doctorText(report: DoctorReport, terminalWidth: number): string {
  const width = Math.max(TERMINAL_WIDTH_MIN, Math.min(terminalWidth, WIDTH_MAX));
  const { checks, parts, because } = report;
  const stateWidth = Math.max(...Object.values(STATES).map(widthOf));
  const nameWidth = Math.max(0, ...checks.map(({ check }) => widthOf(check)));
  const reason = because === undefined ? '' : `: ${because}`;
  const lines = parts.flatMap((part) => {
    const own = checks.filter((entry) => entry.part === part);
    return ['', part, ...own.flatMap((entry) => entryLines(entry, { width, stateWidth, nameWidth }))];
  });
  return [
    ...wrap(`looked at: ${parts.join(', ')}${reason}`, width, '', '  '),
    ...lines,
    '',
    ...wrap(summaryOf(checks), width, '', '  '),
    '',
  ].join('\n');
}

function entryLines(
  { state, check, what, why, mend, done }: Entry,
  {
    width,
    stateWidth,
    nameWidth,
  }: { readonly width: number; readonly stateWidth: number; readonly nameWidth: number },
): string[] {
  const pad = (text: string, columns: number): string =>
    text + ' '.repeat(Math.max(0, columns - widthOf(text)));
  const head = `  ${pad(STATES[state], stateWidth)}  ${pad(check, nameWidth)}  `;
  const hanging = ' '.repeat(stateWidth + 4);
  const below = (label: string, text: string): string[] =>
    wrap(harmless(text), width, `${hanging}${label}`, `${hanging}  `);
  const text = harmless(what);
  const indent = ' '.repeat(Math.min(widthOf(head), stateWidth + 6));
  // A path is no word that can be broken: it has a line of its own where there is no room beside the name.
  const isBeside = widthOf(head) + widthOf(text.split(' ', 1)[0]!) <= width;
  const first = isBeside
    ? wrap(text, width, head, indent)
    : [head.trimEnd(), ...wrap(text, width, indent, indent)];
  return [
    ...first,
    ...(done === undefined ? [] : below('done: ', done)),
    ...(state === 'wrong' ? below('why: ', why) : []),
    ...(state === 'fine' ? [] : mend.flatMap((one) => below('do:  ', one))),
  ];
}

function summaryOf(checks: readonly Entry[]): string {
  const count = (wanted: Entry['state']): number => checks.filter(({ state }) => state === wanted).length;
  const [wrong, untold, fine] = [count('wrong'), count('untold'), count('fine')];
  if (wrong + untold === 0) return `all ${fine} fine`;
  return `${wrong} wrong, ${untold} not told, ${fine} fine`;
}
