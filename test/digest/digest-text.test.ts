/** Goal: the text adds up, names who lost most, and says what could not be told. Method: made figures, and sums by hand. */
import { expect, test } from 'vitest';
import { HOUR_US } from '../../src/core/base/hour.ts';
import type { CapacityFigures, InstalledRow } from '../../src/figures/capacity/figures.ts';
import { addTimes, type InstalledTimes } from '../../src/figures/capacity/installed/parts.ts';
import { renderDigest } from '../../src/report/digest/digest-text.ts';

const LONG = `\u202e~!rm ${'x'.repeat(10_000)}`;

function rowOf(
  name: string | undefined,
  hours: InstalledTimes,
  kind: InstalledRow['kind'] = 'group',
): InstalledRow {
  const parts = Object.fromEntries(Object.entries(hours).map(([part, of]) => [part, of * HOUR_US]));
  return { kind, name, also: [], cluster: undefined, period: undefined, parts };
}

function textOf(rows: readonly InstalledRow[]): string {
  const installed = { rows, all: addTimes(rows.map(({ parts }) => parts)) };
  return renderDigest({
    month: '2026-10',
    timeZone: 'UTC',
    // Of the other figures a digest tells nothing.
    capacity: { installed, fromUs: 0, toUs: HOUR_US, isSynthetic: false } as unknown as CapacityFigures,
    forecast: { failure: 'no\u001b[2J answer' },
    reliability: { failure: 'gone' },
    bill: undefined,
  });
}

const ROWS = [
  rowOf('a', { effective: 300, low: 10, stalled: 20, idle: 5, idleHead: 4, idleTail: 1 }),
  rowOf('b', { effective: 100, idle: 100 }),
  rowOf(undefined, { idle: 60, untold: 20 }),
  rowOf(LONG, { idleTail: 50 }),
  rowOf('c', { low: 30 }),
  rowOf('d', { low: 29 }),
  rowOf('none lost', { effective: 71 }),
  rowOf(undefined, { free: 150, drained: 50 }, 'unowned'),
  rowOf(undefined, { unseen: 200 }, 'unseen'),
];

test('what was there, owned, idle and lost, and the five that lost most', () => {
  const lines = textOf(ROWS)
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));
  expect(lines).toContainEqual(['there', '1,200.0 GPU-hours']);
  expect(lines).toContainEqual(['owned', '800.0 GPU-hours', '67 % of what was there']);
  expect(lines).toContainEqual(['idle while owned', 'at least 220.0 GPU-hours', '28 % of what was owned']);
  expect(lines).toContainEqual(['lost while owned', 'at least 309.0 GPU-hours', '39 % of what was owned']);
  const from = lines.findIndex(([first]) => first === 'Accounts that lost most');
  const named = lines.slice(from + 1, from + 7).map(([name, hours]) => [name?.slice(0, 16), hours]);
  expect(named).toEqual([
    ['b', '100.0 GPU-hours'],
    ['(not told)', 'at least 60 GPU-hours'],
    ['<U+202E>~!rm xxx', '50 GPU-hours'],
    ['a', '40 GPU-hours'],
    ['c', '30 GPU-hours'],
    ['', undefined],
  ]);
});

test('says what could not be told, and obeys no name', () => {
  const text = textOf(ROWS);
  expect(text).toContain('It could not be told whether GPUs will be short: no␛[2J answer.');
  expect(text).toContain('It could not be told how often nodes failed: gone.');
  expect(text).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]|^[~.]|.{79}/m);
  expect(textOf([rowOf('b', { effective: 100 })])).not.toContain('lost most');
});
