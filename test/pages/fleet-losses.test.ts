/**
 * Goal: the page of the fleet shows who lost most, who could have done with less, and what the GPUs drew and emit, says what nobody can
 * tell, and shows names as text. Method: figures by hand, markup read back.
 */
import { describe, expect, test } from 'vitest';
import type { Amount, Costs } from '../../src/core/costs/costs.ts';
import type { CapacityFigures, CapacityRow, InstalledRow } from '../../src/figures/capacity/figures.ts';
import type { InstalledTimes } from '../../src/figures/capacity/installed/parts.ts';
import type { RightSizeFigures, SizedGroup } from '../../src/figures/right-size/figures.ts';
import { energyCarbon } from '../../src/report/page/fleet/energy-carbon.ts';
import { lostMost } from '../../src/report/page/fleet/lost-most.ts';
import { rightSizeHtml } from '../../src/report/page/fleet/right-size.ts';
import { HOSTILE, HOUR, T0 } from './section-figures.ts';

const HARMLESS = '&lt;img src=x&gt;&quot;&lt;U+202E&gt;';

describe('who lost most', () => {
  type Row = readonly [name: string, hours: InstalledTimes, more?: Partial<InstalledRow>];
  const row = ([name, hours, more = {}]: Row): InstalledRow => ({
    ...{ kind: 'group', name, also: [], cluster: undefined, period: undefined },
    parts: Object.fromEntries(Object.entries(hours).map(([part, amount]) => [part, amount * HOUR])),
    ...more,
  });
  const html = (by: string, ...rows: readonly Row[]): string | undefined =>
    lostMost({ by, installed: { all: {}, rows: rows.map(row) } } as unknown as CapacityFigures)?.safe;

  test('is drawn by what was owned and not effective, most first, those who are not named last', () => {
    const drawn = html(
      'account',
      ['little', { idle: 10, effective: 90, free: 500 }],
      [HOSTILE, { idleTail: 20, stalled: 15, low: 5, effective: 40 }],
      ['none', { effective: 100 }],
      ['', { idle: 60, effective: 60 }, { kind: 'others', name: undefined }],
      ['', { free: 700, idle: 99 }, { kind: 'unowned', name: undefined }],
    )!;
    expect(
      [...drawn.matchAll(/text-anchor="end">([^<]*)<\/text>/g)].map(([, name]) => name?.replaceAll('\n', '')),
    ).toEqual([HARMLESS, 'little', 'others']);
    expect(drawn).not.toMatch(/<img|\u202e/);
    const widths = [...drawn.matchAll(/<rect class="part (\w+)" x="([\d.]+)"[^>]*width="([\d.]+)"/g)].map(
      ([, part, x, width]) => [part, Number(x), Number(width)],
    );
    // 590 wide are 60 hours.
    expect(widths).toEqual([
      ['idleTail', 180, 196.7],
      ['stalled', 376.7, 147.5],
      ['low', 524.2, 49.2],
      ['idle', 180, 98.3],
      ['idle', 180, 590],
    ]);
    expect(drawn.replaceAll(/\s/g, ' ')).toContain('40.0 h, 50 % of their own');
    expect(drawn.replaceAll(/\s/g, ' ')).toContain('10.0 h, 10 % of their own');
  });

  test('adds up the periods of a group, and names no time a loser', () => {
    const twice = ['a', 'b'].map((period): Row => ['twice', { idle: 5, effective: 5 }, { period }]);
    expect(html('user', ...twice)!.replaceAll(/\s/g, ' ')).toContain('10.0 h, 50 % of their own');
    expect(html('day', ['2026-01-05', { idle: 5 }])).toBeUndefined();
  });

  test('are at most ten, and the others are counted', () => {
    const rows = Array.from({ length: 13 }, (_, at): Row => [`u${at}`, { low: at + 1 }]);
    const drawn = html('user', ...rows)!;
    expect(drawn.match(/<g>/g)).toHaveLength(10);
    expect(drawn).toContain('and 3 more who lost less');
  });

  test('of which nobody told what was done lost nothing that is known', () => {
    expect(html('user', ['u', { untold: 50 }])).toContain(
      'Nothing is known to have been lost: of some of what was owned it is not told what was done.',
    );
    expect(html('user', ['u', { effective: 50 }])).toContain('Nothing is known to have been lost.');
  });
});

describe('who could have done with less', () => {
  const whole = {
    profile: undefined,
    slices: 8,
    wholeSlices: 8,
    memoryBytes: 141e9,
    eighths: 8,
    countMax: 1,
  };
  const part = { profile: '1g.18gb', slices: 1, wholeSlices: 8, memoryBytes: 18e9, eighths: 1, countMax: 7 };
  const group = (name: string, size: SizedGroup['size']): SizedGroup => ({
    ...{ cluster: undefined, account: HOSTILE, name, model: 'NVIDIA H200', runs: 3, ownedUs: 70 * HOUR },
    ...{ memoryPeakBytes: 11 * 2 ** 30, smP95: 0.11, had: whole, size, sizedUs: 10 * HOUR },
  });
  const FIGURES = {
    ...{ fromUs: T0, toUs: T0 + 28 * 24 * HOUR, cluster: undefined, isSynthetic: false },
    groups: [group('tiny', part), group('large', whole)],
    ...{ sized: { runs: 6, ownedUs: 140 * HOUR }, unsized: new Map(), whatIfs: [], weeks: [] },
    ...{ usedUs: 140 * HOUR, neededUs: 105 * HOUR, usedMost: 4, neededMost: 3 },
  } as unknown as RightSizeFigures;

  test('is a table of those, and what packing would have freed', () => {
    const html = rightSizeHtml(FIGURES).safe.replaceAll(/\s/g, ' ');
    expect(html.match(/<tr><th scope="row">/g)).toHaveLength(1);
    expect(html).toContain(`<th scope="row">${HARMLESS}</th>`);
    expect(html).not.toMatch(/<img|\u202e/);
    expect(html).toMatch(/<td[^>]*>tiny<\/td><td>3<\/td><td>70\.0<\/td>/);
    expect(html).toContain('105.0 GPU-hours of whole GPUs instead of 140.0 GPU-hours (25 % less)');
  });
  test('is nobody, or not known', () => {
    expect(rightSizeHtml({ ...FIGURES, groups: [group('large', whole)] }).safe).toContain(
      'Nobody is known to have been able to do with less than they had.',
    );
    const none = { ...FIGURES, groups: [], usedUs: 0 };
    expect(rightSizeHtml(none).safe).toContain('No job had a GPU in this time.');
    const unseen = new Map([['no_memory', { runs: 2, ownedUs: HOUR }]]) as RightSizeFigures['unsized'];
    expect(rightSizeHtml({ ...none, unsized: unseen }).safe).toContain('2 jobs');
  });
});

describe('energy and carbon', () => {
  const amount = (value: number): Amount => ({ value, covered: 1, of: 1 });
  const row = (kind: string, period: string, kwh: number | undefined, grams?: number): CapacityRow =>
    ({
      ...{ kind, period, attributedUs: HOUR },
      energy: { best: kwh === undefined ? undefined : { value: kwh * 3.6e6, knownUs: HOUR, unit: 'joules' } },
      costs: grams === undefined ? undefined : { carbon: amount(grams) },
    }) as unknown as CapacityRow;
  const figures = (kwh: number | undefined, rows: readonly CapacityRow[], costs?: Costs): CapacityFigures =>
    ({
      ...{ every: 'day', sampledUs: 4 * HOUR, rows },
      all: {
        energy: {
          best: kwh === undefined ? undefined : { value: kwh * 3.6e6, knownUs: 3 * HOUR, unit: 'joules' },
        },
        costs,
      },
      costBasis: costs && { rates: { currency: 'EUR', pue: 1.3 } },
    }) as unknown as CapacityFigures;
  const DAYS = [
    row('group', '2026-01-05', 6, 720),
    row('unowned', '2026-01-05', 2, 240),
    row('group', '2026-01-06', 4, 480),
    row('group', '2026-01-07', undefined),
  ];

  test('of all, of nobody, and by day', () => {
    const priced = figures(12, DAYS, { energy: amount(2.5), carbon: amount(1440) });
    const html = energyCarbon(priced, priced).safe.replaceAll(/\s/g, ' ');
    expect(html).toContain(
      'The GPUs drew 12 kWh, as far as that is known: of 75 % of the time that was seen. 17 % of it while no job owned them.',
    );
    expect(html).toContain('Energy cost 2.50 EUR · 1.44 kg CO2e (with PUE 1.3');
    expect([...html.matchAll(/<g><title>([^<]+)</g)].map(([, text]) => text)).toEqual([
      '2026-01-05: 8 kWh, 2 kWh of it for nobody, 0.96 kg CO2e',
      '2026-01-06: 4 kWh, 0.48 kg CO2e',
      '2026-01-07: not known',
    ]);
    expect(
      [...html.matchAll(/<rect class="part (\w+)"[^>]*height="([\d.]+)"/g)].map(([, kind, height]) => [
        ...[kind, Number(height)],
      ]),
    ).toEqual([
      ['rest', 88.5],
      ['unknown', 29.5],
      ['rest', 59],
    ]);
  });
  test('without grams or energy say so, and draw nothing', () => {
    const bare = energyCarbon(figures(12, DAYS), undefined).safe;
    expect(bare).toContain('What it emits is not told: costs.grams_per_kwh.');
    expect(bare).not.toContain('<svg');
    const unknown = figures(undefined, [row('group', '2026-01-05', undefined)]);
    const html = energyCarbon(unknown, unknown).safe;
    expect(html).toContain('No energy was recorded in this time.');
    expect(html).not.toContain('<svg');
  });
});
