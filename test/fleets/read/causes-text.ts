import { note, takeExactly, takeMatch, type Reading } from './job-lines.ts';
import { energyWrong, isPrinted, ratioWrong } from './printed.ts';

/** Names in the order of the table. */
export const LABELS = {
  effective: 'effective',
  low: 'busy with few SMs',
  throttled: 'throttled',
  waiting: 'waiting for the slowest',
  gaps: 'gaps between kernels',
  deviceIdle: 'idle while others work',
  pause: 'pauses of all GPUs',
  hang: 'no progress',
  idleHead: 'idle at the beginning',
  idleTail: 'idle at the end',
  untold: 'seen, engine not known',
  notSeen: 'not seen',
} as const;
const NOT_TOLD: Readonly<Record<string, string>> = {
  no_engine: "the activity of the engine (DCGM's field 1001) was not recorded",
  aged_out: 'the samples and minutes of a part of its time have aged out',
};

export interface Causes {
  readonly notTold?: string;
  readonly origin?: string;
  readonly isCut?: true;
  readonly ownedUs: number;
  readonly parts?: Readonly<Record<string, { readonly us: number; readonly joules?: number }>>;
  readonly waitingLeastUs?: number;
  readonly waitingMostUs?: number;
}

/** The table of causes against the JSON, and the blank line behind it. */
export function readCauses(reading: Reading): void {
  const { causes } = reading.report;
  if (causes?.parts === undefined) return;
  const { parts, ownedUs } = causes;
  takeExactly(reading, 'causes', '  Where the time went');
  const hasEnergy = Object.values(parts).some(({ joules }) => joules !== undefined);
  takeMatch(
    reading,
    'causes',
    hasEnergy ? /^ +of the time +GPU-hours +energy$/ : /^ +of the time +GPU-hours$/,
  );
  for (const [key, label] of Object.entries(LABELS)) {
    const part = parts[key];
    if (part === undefined) continue;
    const line = reading.lines.shift() ?? '';
    const [name = '', ratio = '', hours = '', ...rest] = line.trim().split(/\s{2,}/);
    note(reading, key, name === label ? undefined : label, line);
    note(reading, key, ratioWrong(ratio, part.us / ownedUs), ratio);
    const isHours = isPrinted(hours.replace(/\sh$/, ''), part.us / 3.6e9);
    note(reading, key, isHours ? undefined : `${part.us / 3.6e9} h`, hours);
    if (hasEnergy) note(reading, key, energyWrong(rest.shift() ?? '', part.joules), line);
    const eighths = Array.from(rest.shift() ?? '').reduce((sum, block) => sum + BLOCKS.indexOf(block) + 1, 0);
    const wanted = Math.round((part.us / ownedUs) * 160);
    note(reading, key, eighths === wanted ? undefined : `a bar of ${wanted} eighths`, line);
  }
  readNotes(reading, causes);
  takeExactly(reading, 'blank', '');
}

const BLOCKS = '▏▎▍▌▋▊▉█';

function readNotes(
  reading: Reading,
  { origin, isCut, ownedUs, waitingLeastUs = 0, waitingMostUs = 0 }: Causes,
): void {
  if (waitingMostUs > 0) {
    const [, least = '', most = ''] = takeMatch(
      reading,
      'waiting',
      /^ {2}waiting is estimated: (.+) to (.+)$/,
    );
    note(reading, 'waiting', ratioWrong(least, waitingLeastUs / ownedUs), least);
    note(reading, 'waiting', ratioWrong(most, waitingMostUs / ownedUs), most);
  }
  if (origin === 'minutes_alone')
    takeExactly(
      reading,
      'minutes',
      '  the samples have aged out: told by whole minutes, so that shorter pauses count as gaps',
    );
  if (isCut === true)
    takeExactly(
      reading,
      'pauses',
      '  pauses of less than a minute were not looked for everywhere: some count as gaps',
    );
}

/** Why there is no table. */
export function readNoCauses(reading: Reading): void {
  const notTold = reading.report.causes?.notTold;
  if (notTold !== undefined)
    takeExactly(reading, 'causes', `  where the time went is not told: ${NOT_TOLD[notTold]!}`);
}
