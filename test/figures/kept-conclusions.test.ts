/** What rows of `job_figures` say together of one run, and that what they do not say is not made up. */
import { expect, test } from 'vitest';
import type { Cause } from '../../src/core/analysis/causes.ts';
import type { JobWindow } from '../../src/figures/job/facts.ts';
import type { KeptFigures } from '../../src/figures/job/kept-figures.ts';
import type { KeptCauses, RunConclusions } from '../../src/figures/job/kept/conclusions.ts';
import { keptConclusions } from '../../src/figures/job/kept/run-conclusions.ts';
import { emptySums } from '../../src/figures/job/rows/scan.ts';

type Us = Readonly<Partial<Record<Cause, number>>>;

function causesOf(us: Us, rest: Partial<KeptCauses> = {}): KeptCauses {
  const causes = new Map(
    (Object.entries(us) as [Cause, number][]).map(([cause, own]) => [cause, { us: own, joules: own / 10 }]),
  );
  return { origin: 'samples', isCut: false, waiting: undefined, causes, ...rest };
}

/** A row of job 7. */
function rowOf(
  gpu: string,
  [startUs, endUs]: readonly [number, number],
  causes: KeptCauses | { readonly why: 'no_engine' } | undefined,
  rules: readonly string[] = [],
): KeptFigures {
  const concluded = causes && { ownedUs: endUs - startUs, causes, steps: undefined, rules };
  return { jobId: '7', gpu, startUs, endUs, sums: emptySums(), conclusions: concluded };
}

function windowOf(...stays: readonly (readonly [string, number, number])[]): JobWindow {
  const intervals = stays.map(([gpu, startUs, endUs]) => ({
    ...{ gpu, startUs, endUs },
    node: 'n1',
    isOpen: false,
  }));
  return { startUs: 0, endUs: 100, intervals };
}

function usOf(told: RunConclusions | undefined): unknown {
  if (told === undefined || 'why' in told.causes) return told?.causes;
  return Object.fromEntries([...told.causes.causes].map(([cause, { us }]) => [cause, us]));
}

const BOTH = windowOf(['a', 0, 100], ['b', 0, 100]);
const A = rowOf('a', [0, 100], causesOf({ effective: 60, gaps: 40 }));
const B = rowOf('b', [0, 100], causesOf({ effective: 90, notSeen: 10 }), ['dips']);

test.each([
  ['two devices add up', BOTH, [A, B], { notSeen: 10, gaps: 40, effective: 150 }],
  ['of a device without a row nothing is known', BOTH, [A], undefined],
  ['nor of one of which nothing was concluded', BOTH, [A, rowOf('b', [0, 100], undefined)], undefined],
  [
    'nobody saw a device that nobody could name',
    windowOf(['a', 0, 100], ['unresolved:n1:3', 0, 100]),
    [A],
    { notSeen: 100, gaps: 40, effective: 60 },
  ],
  [
    'nor what was owned beyond the rows',
    windowOf(['a', 0, 100]),
    [rowOf('a', [0, 70], causesOf({ effective: 70 }))],
    { notSeen: 30, effective: 70 },
  ],
  [
    'a device that the job had twice has both stays',
    windowOf(['a', 0, 40], ['a', 60, 100]),
    [rowOf('a', [0, 40], causesOf({ effective: 40 })), rowOf('a', [60, 100], causesOf({ pause: 40 }))],
    { pause: 40, effective: 40 },
  ],
  [
    'of two rows of one time the later one counts',
    windowOf(['a', 0, 100]),
    [rowOf('a', [0, 100], causesOf({ gaps: 100 })), A],
    { gaps: 40, effective: 60 },
  ],
  [
    'without the engine there are none',
    BOTH,
    [A, rowOf('b', [0, 100], { why: 'no_engine' })],
    { why: 'no_engine' },
  ],
])('%s', (_, window, rows, expected) => {
  expect(usOf(keptConclusions(rows, '7', window))).toEqual(expected);
});

test('energy and waiting are added where they are known, and the least certain origin is told', () => {
  const waiting = { leastUs: 5, mostUs: 20 };
  const coarse = causesOf({ waiting: 100 }, { origin: 'minutes', isCut: true, waiting });
  const told = keptConclusions([A, rowOf('b', [0, 100], coarse, ['hang', 'dips'])], '7', BOTH)!;
  expect(told.causes).toMatchObject({ origin: 'minutes', isCut: true, isKept: true, waiting });
  if ('why' in told.causes) throw new Error('no causes');
  expect(told.causes.causes.get('waiting')).toEqual({ us: 100, joules: 10 });
  expect(told.causes.devices.map(({ gpu }) => gpu)).toEqual(['a', 'b']);
  expect(told.rules).toEqual(['hang', 'dips']);
});
