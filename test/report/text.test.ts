/** Goal: numbers, tables and plots read well and never run over. Method: golden texts, properties over any text and width. */
import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { reportWindow } from '../../src/figures/asked/report-window.ts';
import type { CapacityFigures, CapacitySums } from '../../src/figures/capacity/figures.ts';
import { quantity } from '../../src/figures/quantity.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import {
  formatCoverage,
  formatEnergies,
  formatEnergy,
  formatGpuHours,
  formatHours,
  formatInterval,
  formatMemory,
  formatPeriod,
  formatRate,
  formatRatio,
  formatSpan,
  formatWatts,
} from '../../src/report/text/format-quantity.ts';
import type { IdleLimits } from '../../src/core/fields/idle-limits.ts';
import { capacityBaseCsv, capacityCsv } from '../../src/report/capacity/capacity-csv.ts';
import { capacityJson } from '../../src/report/json.ts';
import { sparkline } from '../../src/report/text/sparkline.ts';
import { isoMicroseconds } from '../../src/figures/sql-text.ts';
import {
  clip,
  foldedTables,
  harmless,
  harmlessLines,
  shownFormats,
  stacked,
  tableText,
  widthOf,
  wrap,
} from '../../src/report/text/table-text.ts';

const HOUR = 3.6e9;

describe('quantities', () => {
  test.each([
    [formatRatio(0), '0 %'],
    [formatRatio(0.0004), '< 0.1 %'],
    [formatRatio(0.004), '0.4 %'],
    [formatRatio(0.0096), '1 %'],
    [formatRatio(0.714), '71 %'],
    [formatCoverage(0.99999), '99.99 %'],
    [formatCoverage(1), '100 %'],
    [formatCoverage(1.0001), '100 %'],
    [formatSpan(12_577e6), '3 h 29 min 37 s'],
    [formatSpan(0.4e6), '0.4 s'],
    [formatSpan(3600e6), '1 h'],
    [formatSpan(0), '0 s'],
    [formatSpan(2 * 86_400e6 + 61e6), '2 d 1 min'],
    [formatInterval(100e3), '100 ms'],
    [formatInterval(1e6), '1 s'],
    [formatEnergy(28.6 * 3.6e6), '28.6 kWh'],
    [formatEnergy(81.5 * 3.6e3), '81.5 Wh'],
    [formatMemory(121 * 2 ** 30), '121 GiB'],
    [formatRate(2.14e9), '2.1 GB/s'],
    [formatRate(118e9), '118 GB/s'],
    [formatRate(0), '0 B/s'],
    [formatGpuHours(1204.3 * HOUR), '1,204.3 GPU-hours'],
    [formatGpuHours(55.9 * HOUR), '55.9 GPU-hours'],
    [formatGpuHours(0.0006 * HOUR), '0.001 GPU-hours'],
    [formatGpuHours(0.0004 * HOUR), '<0.001 GPU-hours'],
    [formatGpuHours(1), '<0.001 GPU-hours'],
    [formatGpuHours(0), '0 GPU-hours'],
    // What rounding leaves of parts that add up to all.
    [formatGpuHours(1e-7), '0 GPU-hours'],
    [formatHours(0.04 * HOUR, 1), '<0.1'],
    [formatHours(0.06 * HOUR, 1), '0.1'],
    [formatHours(0.004 * HOUR, 2), '<0.01'],
    [formatHours(1e-7, 3), '0.000'],
    [formatHours(1204.31 * HOUR, 1), '1,204.3'],
    [formatEnergy(0.001 * 3.6e3), '0.001 Wh'],
    [formatEnergy(0.0001 * 3.6e3), '<0.001 Wh'],
    [formatMemory(1000), '<0.001 GiB'],
    [formatWatts(0.3), '<1 W'],
    [formatWatts(0), '0 W'],
    [formatRate(0.2), '<1 B/s'],
    [
      formatPeriod(Date.UTC(2026, 10, 21, 9, 2, 11) * 1000, Date.UTC(2026, 10, 21, 12, 31, 48) * 1000),
      '2026-11-21 09:02:11 → 12:31:48 UTC',
    ],
    [
      formatPeriod(Date.UTC(2026, 10, 21, 23) * 1000, Date.UTC(2026, 10, 22, 1) * 1000),
      '2026-11-21 23:00:00 → 2026-11-22 01:00:00 UTC',
    ],
    [isoMicroseconds(Date.UTC(2026, 10, 21) * 1000 + 250), '2026-11-21T00:00:00.000250Z'],
  ])('%s', (actual, expected) => {
    expect(actual).toBe(expected);
  });

  test('a column of energies has one unit and the decimals that its largest needs', () => {
    const texts = (...joules: (number | undefined)[]): string[] =>
      formatEnergies(joules.map((value) => quantity(value, 'joules', HOUR)));
    expect(texts(641.2 * 3.6e6, 0.36 * 3.6e6, undefined)).toEqual(['641.2 kWh', '0.4 kWh', '–']);
    expect(texts(1500, 90_000)).toEqual(['0.4 Wh', '25.0 Wh']);
    expect(texts(641.2 * 3.6e6, 100, 0)).toEqual(['641.2 kWh', '<0.1 kWh', '0.0 kWh']);
  });
});

describe('tables and lines', () => {
  test('numbers are flush right, names left, nothing trails', () => {
    expect(
      tableText(
        [
          ['', 'GPU-hours', ''],
          ['physics', '1,204.3', 'x'],
          ['übung', '0.1', ''],
        ],
        ['left', 'right', 'left'],
      ),
    ).toEqual(['           GPU-hours', '  physics    1,204.3  x', '  übung          0.1']);
  });

  test('a cell is as wide as a terminal shows it', () => {
    const names = [
      ['naïve', '1'],
      ['nai\u0308ve', '1'],
      ['作业', '1'],
      ['👩‍🚀', '1'],
      ['\u001B[2J', '1'],
    ];
    expect(tableText(names, 'left', '')).toEqual([
      'naïve  1',
      'nai\u0308ve  1',
      '作业   1',
      '👩‍🚀     1',
      '␛[2J   1',
    ]);
    expect([clip('作业作业', 8), clip('作业作业', 7), clip('nai\u0308ve', 4)]).toEqual([
      '作业作业',
      '作业作…',
      'nai\u0308…',
    ]);
  });

  test('characters that are counted without the tables of Unicode take one column each', () => {
    const wide = Array.from({ length: 0xffff }, (_, code) => String.fromCharCode(code)).filter(
      (character) => widthOf(character) !== stringWidth(character) && !/\p{Cc}/u.test(character),
    );
    expect(wide).toEqual([]);
  });

  test('a sentence is broken between words, never between a number and its unit', () => {
    expect(wrap('it ran at 58 % of the others', 16, '  · ', '    ')).toEqual([
      '  · it ran at',
      '    58 % of the',
      '    others',
    ]);
  });

  test('a line is never wider than asked, unless one word is', () => {
    fc.assert(
      fc.property(fc.lorem({ maxCount: 30 }), fc.integer({ min: 30, max: 100 }), (text, width) => {
        const lines = wrap(text, width, '  · ', '    ');
        expect(lines.every((line) => widthOf(line) <= width)).toBe(true);
        expect(
          lines
            .map((line) => line.trim())
            .join(' ')
            .replace('· ', ''),
        ).toBe(text);
      }),
    );
  });

  test('clipped text fits and shows that it was cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, width) => {
        const cut = clip(text, width);
        expect(widthOf(cut)).toBeLessThanOrEqual(width);
        expect(cut === text || cut.endsWith('…')).toBe(true);
      }),
    );
  });

  test('at any width every column is in one of the tables, none is wider than that, and each says whose row it is', () => {
    const cell = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('a', 'b', 'c', 'd') });
    const table = fc
      .integer({ min: 3, max: 9 })
      .chain((columns) =>
        fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 4 }),
      );
    fc.assert(
      fc.property(table, fc.integer({ min: 42, max: 130 }), (rows, width) => {
        const tables = foldedTables(rows, ['left', 'left'], 2, width);
        const shown = tables.map((lines) => lines.map((line) => line.trim().split(/ +/)));
        for (const lines of tables)
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
        for (const [index, row] of rows.entries()) {
          expect(shown.flatMap((lines) => lines[index]!.slice(2))).toEqual(row.slice(2));
          for (const lines of shown) expect(lines[index]!.slice(0, 2)).toEqual(row.slice(0, 2));
        }
        expect(stacked(tables)).toHaveLength(tables.length * (rows.length + 1) - 1);
      }),
    );
  });

  test('a last column of free text is cut, and does not make a table of its own', () => {
    const rows = [
      ['node', 'gpu', 'SM', 'events'],
      ['n1', '0', '12 %', 'a long tale of what came to pass'],
      ['n1', '1', '13 %', ''],
    ];
    expect(foldedTables(rows, ['left', 'left', 'right', 'left'], 2, 40)).toHaveLength(1);
  });

  test('control characters do not reach a terminal', () => {
    expect(harmless('a\u001B[31mb\r\nc\u007f')).toBe('a␛[31mb␍␊c␡');
  });

  test.each(
    '061C 200B 200C 200D 200E 200F 202A 202B 202C 202D 202E 2066 2067 2068 2069 FEFF 0085 009B 2028 2029 00AD E0041'.split(
      ' ',
    ),
  )('a character that nobody sees, U+%s, is shown', (code) => {
    const shown = `<U+${code}>`;
    const text = `a${String.fromCodePoint(parseInt(code, 16))}b`;
    expect([harmless(text), shownFormats(text)]).toEqual([`a${shown}b`, `a${shown}b`]);
    expect(
      tableText(
        [
          [text, '1'],
          ['c', '2'],
        ],
        'left',
        '',
      ),
    ).toEqual([`a${shown}b  1`, expect.stringMatching(/^c +2$/)]);
  });

  test('what joins an emoji is part of it, and lines stay lines', () => {
    expect(harmless('👩‍🚀 👩🏽‍🚀 é')).toBe('👩‍🚀 👩🏽‍🚀 é');
    expect(harmlessLines('a\u202e\nb\u001b')).toBe('a<U+202E>\nb␛');
  });

  test('a plot has one mark per value, nothing where nothing is known', () => {
    expect(sparkline([0, 0.5, null, 1, 2], 1)).toBe('▁▅ ██');
    expect(sparkline([0, 0], 0)).toBe('▁▁');
  });
});

function sums(hours: number, idleHours: number, sm: number | undefined, kilowattHours: number): CapacitySums {
  const knownUs = hours * HOUR;
  const joules = quantity(kilowattHours * 3.6e6, 'joules', knownUs);
  return {
    attributedUs: knownUs,
    instanceUs: 0,
    idle: { value: idleHours * HOUR, unit: 'microseconds', knownUs },
    smActive: quantity(sm, 'ratio', knownUs),
    wasted: quantity(sm === undefined ? undefined : (1 - sm) * knownUs, 'microseconds', knownUs),
    energy: { counter: joules, power: undefined, best: joules },
    costs: undefined,
  };
}

const capacity: CapacityFigures = {
  by: 'account',
  also: [],
  where: [],
  top: undefined,
  timeZone: undefined,
  installed: { rows: [], all: {}, inPieces: undefined },
  unseenNodes: [],
  every: undefined,
  cluster: undefined,
  costBasis: undefined,
  reusedIdsLeft: 0,
  closeIdsLeft: 0,
  billing: { compared: 0, unbilled: 2, unrecorded: 0, differences: [], isCut: false },
  askedFromUs: Date.UTC(2026, 10, 14) * 1000,
  askedToUs: Date.UTC(2026, 10, 21) * 1000,
  fromUs: Date.UTC(2026, 10, 14) * 1000,
  toUs: Date.UTC(2026, 10, 21) * 1000,
  roundedTo: 'hour',
  isAged: false,
  isSynthetic: false,
  nodes: 2,
  devices: 16,
  migInstances: 0,
  samples: 1,
  sampledUs: 2677 * HOUR,
  knownUs: 2688 * HOUR,
  rows: [
    {
      kind: 'group',
      name: 'physics',
      also: [],
      cluster: undefined,
      period: undefined,
      ...sums(1204.25, 61, 0.68, 641),
      unownedUs: undefined,
      unownedEnergy: undefined,
      jobs: 212,
    },
    {
      kind: 'group',
      name: '=cmd(), "x"',
      also: [],
      cluster: undefined,
      period: undefined,
      ...sums(801, 302.5, 0.24, 230),
      unownedUs: undefined,
      unownedEnergy: undefined,
      jobs: 1048,
    },
    {
      kind: 'unowned',
      name: undefined,
      also: [],
      cluster: undefined,
      period: undefined,
      ...sums(671.75, 671, undefined, 71),
      unownedUs: undefined,
      unownedEnergy: undefined,
      jobs: 0,
    },
  ],
  all: {
    ...sums(2677, 1034.5, 0.51, 942),
    idle: { value: 363.5 * HOUR, unit: 'microseconds', knownUs: 2005.25 * HOUR },
    wasted: { value: 1203.15 * HOUR, unit: 'microseconds', knownUs: 2005.25 * HOUR },
    jobs: 1260,
  },
  sharedUs: { stated: 0, measured: 0, equal: 0 },
  areSharesScaled: false,
  undividedUs: 0,
  unknownSlicesUs: 0,
  lastSigns: [],
  idleLimits: { smRatio: 0.05 },
  invalidRollups: [],
  hasActivity: true,
};

describe('a capacity report', () => {
  test('reads like this', () => {
    expect(renderCapacityReport(capacity, { width: 100, isColored: false })).toBe(
      [
        'Capacity · 2026-11-14 to 2026-11-21 UTC · 2 nodes, 16 GPUs, 2,688.0 GPU-hours · seen 99.59 %',
        '               GPU-hours  share  allocated-idle  SM active   wasted     energy   jobs',
        '  physics        1,204.3   45 %      61.0 (5 %)       68 %    385.4  641.0 kWh    212',
        '  =cmd(), "x"      801.0   30 %    302.5 (38 %)       24 %    608.8  230.0 kWh  1,048',
        '  unowned          671.8   25 %               –          –        –   71.0 kWh      –',
        '  all            2,677.0  100 %    363.5 (18 %)       51 %  1,203.2  942.0 kWh  1,260',
        '  seen: the sampled part of the time from the first to the last sign of life of each GPU.',
        '  Energy of unowned is what the GPUs drew while no job owned them: 71 kWh, 8 % of all energy.',
        '  allocated-idle: SM activity below 5 %. wasted: owned GPU-hours less SM activity. In all,',
        '  allocated-idle and wasted are of owned time only.',
        '',
      ].join('\n'),
    );
  });

  test('says what is missing from its sums', () => {
    const figures = {
      ...capacity,
      undividedUs: 12.5 * HOUR,
      isAged: true,
      askedToUs: capacity.askedToUs - HOUR,
      lastSigns: ['a', 'b', 'c', 'd', 'e'].map((gpu) => ({ gpu, node: 'n1', lastUs: capacity.fromUs })),
      rows: capacity.rows.map((row) => ({ ...row, attributedUs: 2 * row.attributedUs })),
      invalidRollups: [{ name: 'v_1m', reason: 'drop partition' }],
    };
    const text = renderCapacityReport(figures, { width: Infinity, isColored: false }).replaceAll(/\s+/g, ' ');
    expect(text).toContain(
      'Of 12.5 GPU-hours in free shares several jobs owned the GPU, and nobody recorded',
    );
    expect(text).toContain('to whole hours, since shorter buckets of that time have aged out.');
    expect(text).toContain('end, and counted until then: n1 a at 2026-11-14 00:00:00 UTC, n1 b at');
    expect(text).toContain('n1 d at 2026-11-14 00:00:00 UTC, and 1 more.');
    // Of unowned time nobody looks for activity.
    expect(text).toContain('SM activity is known of part of the time: physics 50 %, =cmd(), "x" 50 %.');
    expect(text).toContain(
      'Energy is known of part of the time: physics 50 %, =cmd(), "x" 50 %, unowned 50 %.',
    );
    expect(text).toContain('stopped updating v_1m (drop partition)');
  });

  test('says by which limits GPUs are idle, and of which time rollups do not tell', () => {
    const rows = capacity.rows.map((row) => ({
      ...row,
      ...(row.name === 'physics' ? { idle: { ...row.idle!, knownUs: row.attributedUs / 4 } } : {}),
    }));
    const idleLimits: IdleLimits = {
      smRatio: 0.02,
      models: new Map([
        ['NVIDIA A30', 0.1],
        ['GRID', 0.2],
      ]),
    };
    const text = renderCapacityReport(
      { ...capacity, rows, idleLimits },
      { width: Infinity, isColored: false },
    );
    expect(text).toContain('allocated-idle: SM activity below 2 % (NVIDIA A30: 10 %, GRID: 20 %). wasted');
    expect(text).toContain('Idleness by this limit is known of part of the time: physics 25 %.');
    expect(JSON.parse(capacityJson({ ...capacity, idleLimits }))).toMatchObject({
      idleLimits: { smRatio: 0.02, models: { 'NVIDIA A30': 0.1, GRID: 0.2 } },
    });
  });

  test('says where owned time is not what the scheduler counted', () => {
    const none = { compared: 0, unbilled: 0, unrecorded: 0, differences: [], isCut: false };
    const textOf = (billing: CapacityFigures['billing']): string =>
      renderCapacityReport({ ...capacity, billing }, { width: Infinity, isColored: false }).replaceAll(
        /\s+/g,
        ' ',
      );
    expect(textOf(undefined)).toContain(
      'was not compared with what the scheduler counted: the window is longer',
    );
    expect(textOf(none)).not.toContain('scheduler');
    expect(textOf({ ...none, compared: 1, unbilled: 3 })).toContain(
      "Owned time of 1 job id is the scheduler's GPUs × time, within a minute a GPU; of 3 job ids nobody told what it counted.",
    );
    expect(textOf({ ...none, unrecorded: 2 })).toContain(
      "Owned time and the scheduler's GPUs × time: of 2 job ids that it gave GPUs none was recorded here.",
    );
    const runs = ['5', '6', '7', '8', '9'].map((jobId) => ({
      ...{ jobId, run: 0, cluster: undefined, gpus: 8, devices: 4 },
      ...{ ownedUs: 4 * HOUR, billedUs: 8 * HOUR },
    }));
    expect(textOf({ ...none, compared: 12, differences: runs.slice(0, 1) })).toContain(
      "Of 12 job ids owned time is not the scheduler's GPUs × time in 1 run: job 5 4 of 8 GPU-hours.",
    );
    expect(textOf({ ...none, compared: 12, differences: runs, isCut: true })).toMatch(
      /in 5 runs: job 5 .*job 8 4 of 8 GPU-hours, and more than 1 more\./,
    );
  });

  test('is bold on a terminal only', () => {
    expect(renderCapacityReport(capacity, { width: 100, isColored: true })).toContain('\u001B[1mCapacity');
    expect(renderCapacityReport(capacity, { width: 100, isColored: false })).not.toContain('\u001B');
  });

  test('fits a narrow terminal', () => {
    const lines = renderCapacityReport(capacity, { width: 60, isColored: false }).split('\n');
    expect(lines.every((line) => widthOf(line) <= 60)).toBe(true);
  });

  test('is cut to a terminal, and never in a pipe', () => {
    const name = `a-name-${'long'.repeat(30)}`;
    const rows = capacity.rows.map((row, index) => (index === 0 ? { ...row, name } : row));
    const onTerminal = renderCapacityReport({ ...capacity, rows }, { width: 80, isColored: false });
    expect(onTerminal).not.toContain(name);
    const piped = renderCapacityReport({ ...capacity, rows }, { width: Infinity, isColored: false });
    expect(piped).toContain(name);
    expect(piped).not.toContain('…');
    expect(piped).toMatch(/ energy +jobs\n/);
  });

  test('says how shared GPUs were divided', () => {
    const sharedUs = { stated: 40 * HOUR, measured: 0, equal: 2 * HOUR };
    const text = renderCapacityReport({ ...capacity, sharedUs }, { width: 100, isColored: false });
    expect(text).toContain(
      'Shared GPUs are divided: 40 GPU-hours by stated shares, 2 GPU-hours in equal parts.',
    );
  });

  test('samples that speak for no time are no part of anything', () => {
    const none = { attributedUs: 0, unownedUs: 0 };
    const text = renderCapacityReport(
      {
        ...capacity,
        sampledUs: 0,
        rows: capacity.rows.map((row) => ({ ...row, ...none })),
        all: { ...capacity.all, attributedUs: 0 },
      },
      { width: 100, isColored: false },
    );
    expect(text).not.toContain('NaN');
  });

  test('as CSV for a spreadsheet has the same in hours and kWh, and each column says so', () => {
    const [base, shown] = [capacityBaseCsv(capacity), capacityCsv(capacity)].map((csv) =>
      parse<Record<string, string>>(csv, { columns: true }),
    );
    expect(shown![0]).toMatchObject({ gpu_hours: '1204.25', energy_counter_kwh: '641', jobs: '212' });
    expect(Object.keys(shown![0]!).filter((name) => /_(us|joules|grams)$/.test(name))).toEqual([]);
    // No column is lost by getting the name of another, and none changes its place.
    expect(shown!.map((row) => Object.keys(row).length)).toEqual(base!.map((row) => Object.keys(row).length));
    for (const [at, row] of shown!.entries())
      for (const [column, [name, text]] of Object.entries(base![at]!).entries()) {
        const size = name.endsWith('_us') ? HOUR : name.endsWith('_joules') ? 3.6e6 : 1;
        const cell = Object.values(row)[column]!;
        if (size === 1 || text === '') expect(cell).toBe(text);
        else expect(Number(cell) * size).toBeCloseTo(Number(text), 3);
      }
  });

  test('as CSV tells what each part of the time of the GPUs took, and what never was seen in a row of its own', () => {
    const unseen = {
      kind: 'unseen',
      name: undefined,
      also: [],
      cluster: undefined,
      period: undefined,
    } as const;
    const row = { ...unseen, kind: 'group', name: 'physics' } as const;
    const installed = {
      rows: [
        { ...row, parts: { idle: HOUR, effective: 3 * HOUR } },
        { ...unseen, parts: { unseen: 5 * HOUR } },
      ],
      all: { idle: HOUR, effective: 3 * HOUR, unseen: 5 * HOUR },
      inPieces: 'told' as const,
    };
    const rows: Record<string, string>[] = parse(capacityCsv({ ...capacity, installed }), { columns: true });
    expect(
      rows.map(({ kind, gpu_hours: had, unseen_hours, idle_rest_hours, effective_hours }) => [
        ...[kind, had === '', unseen_hours, idle_rest_hours, effective_hours],
      ]),
    ).toEqual([
      ['group', false, '0', '1', '3'],
      ['group', false, '0', '0', '0'],
      ['unowned', false, '0', '0', '0'],
      ['unseen', true, '5', '0', '0'],
      ['all', false, '5', '1', '3'],
    ]);
    // Of some jobs nobody is told what others had.
    const [some]: Record<string, string>[] = parse(
      capacityCsv({ ...capacity, installed, knownUs: undefined }),
      {
        columns: true,
      },
    );
    expect(some).toMatchObject({ unseen_hours: '', free_hours: '', low_hours: '0', effective_hours: '3' });
  });

  test('as CSV has base units and one row per group, quoted where it must be', () => {
    const rows: Record<string, string>[] = parse(capacityBaseCsv(capacity), { columns: true });
    expect(rows.map(({ kind, name }) => [kind, name])).toEqual([
      ['group', 'physics'],
      // A spreadsheet would run it.
      ['group', '\'=cmd(), "x"'],
      ['unowned', ''],
      ['all', ''],
    ]);
    expect(rows[0]).toMatchObject({
      attributed_us: String(1204.25 * HOUR),
      energy_counter_joules: String(641 * 3.6e6),
      jobs: '212',
    });
  });
});

describe('the window of a report', () => {
  const nowUs = Date.UTC(2026, 10, 21, 12) * 1000;

  test.each([
    [{}, nowUs - 7 * 24 * HOUR, nowUs],
    [{ since: '90m' }, nowUs - 1.5 * HOUR, nowUs],
    [{ since: '1d', to: '2026-11-20' }, Date.UTC(2026, 10, 19) * 1000, Date.UTC(2026, 10, 20) * 1000],
    [{ since: '1d', to: '2026-12-24' }, nowUs - 24 * HOUR, nowUs],
    [{ from: '2026-11-20', to: '2027-01-01' }, Date.UTC(2026, 10, 20) * 1000, nowUs],
    [
      { from: '2024-02-29T23:59', to: '2024-03-01' },
      Date.UTC(2024, 1, 29, 23, 59) * 1000,
      Date.UTC(2024, 2, 1) * 1000,
    ],
    [
      { from: '2026-11-20T10:30', to: '2026-11-20T10:30:01.5Z' },
      Date.UTC(2026, 10, 20, 10, 30) * 1000,
      (Date.UTC(2026, 10, 20, 10, 30, 1) + 500) * 1000,
    ],
    // Years that the store has no names for.
    [{ since: '9999999w' }, 0, nowUs],
    [{ from: '0001-01-01' }, 0, nowUs],
  ])('%j', (flags, fromUs, toUs) => {
    expect(reportWindow(flags, nowUs)).toEqual({ fromUs, toUs });
  });

  test.each([
    [{ since: '7' }],
    [{ since: 'x' }],
    [{ from: '2026-13-01' }],
    [{ to: 'yesterday' }],
    [{ from: '2026-02-30' }],
    [{ from: '2025-02-29' }],
    [{ from: '2026-11-20T24:00' }],
    [{ from: '2026-11-20T25:00:00Z' }],
    [{ to: '2026-11-20T10:60' }],
    [{ since: '1d', from: '2026-11-20' }],
  ])('%j is refused as usage', (flags) => {
    expect(() => reportWindow(flags, nowUs)).toThrow(expect.objectContaining({ exit: 'usage' }));
  });

  test.each([
    [{ from: '2030-01-01', to: '2030-02-01' }, 'what is not over yet ends now'],
    [{ from: '1960-01-01', to: '1960-02-01' }, 'nothing is of before 1970'],
  ])('%j is refused with the reason', (flags, reason) => {
    expect(() => reportWindow(flags, nowUs)).toThrow(
      expect.objectContaining({
        code: 'report.window',
        hints: [expect.stringContaining(reason), expect.any(String)],
      }),
    );
  });
});
