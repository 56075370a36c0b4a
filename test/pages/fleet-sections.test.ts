/**
 * Goal: each section of the page of the fleet shows what its figures tell, says in a sentence what nobody can tell, and stands though
 * another one failed. Method: figures by hand, markup read back.
 */
import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { CapacityTimes, TimesRow } from '../../src/figures/capacity/figures.ts';
import type { NodesFigures } from '../../src/report/page/fleet/node-coverage.ts';
import { sectionsHtml } from '../../src/report/page/fleet/sections.ts';
import { forecast, HOSTILE, HOUR, QUEUE, reliability, RISING, T0 } from './section-figures.ts';

function heightOf(svg: string, name: string): number[] {
  const [, points = ''] = new RegExp(`<polyline class="${name}" points="([^"]+)"`).exec(svg) ?? [];
  return points.split(' ').map((point) => Number(point.split(',')[1]));
}

describe('demand and what it will be', () => {
  const html = sectionsHtml({ forecast: { figures: forecast(RISING, 600) } }).safe;

  test('is drawn: a line without the unknown week, the interval, and what there is', () => {
    expect(html.match(/<polyline class="line line-0"/g)).toHaveLength(2);
    expect(html.match(/<rect class="unseen"/g)).toHaveLength(1);
    expect(html).toContain('2026-W09: too little is known');
    expect(html.match(/<circle class="dot"/g)).toHaveLength(29);
    expect(html.match(/<circle class="dot ahead"/g)).toHaveLength(12);
    const [, area = ''] = /<polygon class="area devices" points="([^"]+)"/.exec(html) ?? [];
    expect(area.split(' ')).toHaveLength(24);
  });

  test('has heights in proportion to the amounts, from 0 at the bottom', () => {
    const there = heightOf(html, 'limit');
    expect(new Set(there).size).toBe(1);
    const [first = 0] = heightOf(html, 'line line-0');
    const bottom = 220 - 24;
    expect((bottom - first) / (bottom - there[0]!)).toBeCloseTo(300 / 600, 2);
    const ahead = heightOf(html, 'line line-1');
    expect(ahead).toHaveLength(12);
    // Demand goes over what there is.
    expect(ahead.at(-1)).toBeLessThan(there[0]!);
  });

  test('says what the report says of when there will be too few', () => {
    expect(html).toContain('Expected to be short of GPUs from 2026-');
  });

  test('a step is marked, and too few weeks are a sentence without a chart', () => {
    const stepped = Array.from({ length: 30 }, (_, week) => (week < 15 ? 100 : 300) + (week % 2));
    const marked = sectionsHtml({ forecast: { figures: forecast(stepped, 600) } }).safe;
    expect(marked).toMatch(/<line class="event".*2026-W17: demand stepped from 100/);
    const few = sectionsHtml({ forecast: { figures: forecast([100, 110, 120], 600) } }).safe;
    expect(few).toContain('No forecast: it takes 8 whole weeks');
    expect(few).not.toContain('<svg');
  });
});

describe('failures', () => {
  test('name the nodes with most, mark those that stray, and count the others', () => {
    const html = sectionsHtml({ reliability: { figures: reliability(9) } }).safe;
    expect(html).toContain('A node fails every 60 days on average (95 %: 40 to 90 days)');
    expect(html).toMatch(
      /&lt;img src=x&gt;&quot;&lt;U\+202E&gt; <span class="badge">more than chance<\/span>/,
    );
    expect(html).not.toMatch(/<img|\u202e/);
    expect(html.match(/class="badge"/g)).toHaveLength(1);
    expect(html.match(/<tr><th scope="row">/g)).toHaveLength(10);
    expect(html).toContain('and 4 more nodes that failed');
  });

  test('that are as many as anywhere mark nobody', () => {
    const html = sectionsHtml({ reliability: { figures: reliability(1) } }).safe;
    expect(html).not.toContain('class="badge"');
    expect(html).toContain('No node fails more often than chance');
  });

  test('of no node are not told', () => {
    const none = { ...reliability(1), nodes: [] };
    expect(sectionsHtml({ reliability: { figures: none } }).safe).toContain('No node was seen');
  });
});

describe('the queue', () => {
  test('beside what was free and idle: bars in proportion, and how far free time is in pieces', () => {
    const html = sectionsHtml({ queue: { figures: QUEUE } }).safe;
    const widths = [...html.matchAll(/<rect class="part (\w+)" [^>]*width="([\d.]+)"/g)].map(
      ([, kind, width]) => [kind, Number(width)],
    );
    expect(widths).toEqual([
      ['unknown', 520],
      ['free', 130],
      ['unknown', 104],
      ['idle', 26],
    ]);
    expect(html).toMatch(/8 GPUs<\/th><td>100\.0<\/td><td>75.%/);
    expect(html).toContain('&lt;img src=x&gt;&quot;&lt;U+202E&gt;');
    expect(html).not.toMatch(/<img|\u202e/);
  });

  test('of which nobody told is unknown, and not nothing', () => {
    const unknown = {
      ...{ ...QUEUE, queue: undefined, fragmentation: undefined },
      beside: { free: undefined, idle: undefined },
    };
    const html = sectionsHtml({ queue: { figures: unknown } }).safe;
    expect(html).toContain('Who waited is unknown');
    expect(html).not.toMatch(/<svg|<table/);
  });
});

interface Had {
  readonly owned: number;
  readonly used: number;
  readonly unowned: number;
}

/** A row of a node of two GPUs in an hour, by hours. */
function nodeRow(name: string, cluster: string, hour: number, { owned, used, unowned }: Had): TimesRow {
  const knownUs = owned * HOUR;
  return {
    ...{ kind: 'group', name, cluster, period: `2026-01-05T0${hour}`, also: [] },
    ...{ attributedUs: knownUs, unownedUs: unowned * HOUR },
    ...(owned === 0
      ? {}
      : {
          wasted: { value: knownUs - used * HOUR, knownUs, unit: 'microseconds' },
          smActive: { value: used / owned, knownUs, unit: 'ratio' },
        }),
  } as unknown as TimesRow;
}

function byNode(rows: readonly TimesRow[], unseen: Readonly<Record<string, number>> = {}): NodesFigures {
  return {
    times: { by: 'node', every: 'hour', fromUs: T0, toUs: T0 + 3 * HOUR, rows } as unknown as CapacityTimes,
    unseenNodes: rows.flatMap(({ name, cluster }) => {
      const hours = unseen[name!];
      return hours === undefined ? [] : [{ name, cluster, parts: { unseen: hours * HOUR } }];
    }),
  };
}

/** Ratios of 100, −1 where nothing is known, as they are in the picture: row by row. */
function pixelsOf(html: string): number[][][] {
  return [...html.matchAll(/base64,([^"]+)"/g)].map(([, text = '']) => {
    const png = Buffer.from(text, 'base64');
    const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
    const at = png.indexOf('IDAT');
    const bytes = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    return Array.from({ length: height }, (_, row) =>
      [...bytes.subarray(row * (width + 1) + 1, (row + 1) * (width + 1))].map((level) => level - 1),
    );
  });
}

describe('nodes', () => {
  test('are drawn by what was owned and used of what was seen, those that lost most first', () => {
    const html = sectionsHtml({
      nodes: {
        figures: byNode([
          nodeRow('busy', 'a', 0, { owned: 2, used: 1.8, unowned: 0 }),
          nodeRow('busy', 'a', 2, { owned: 1, used: 0.9, unowned: 1 }),
          nodeRow('idle', 'a', 0, { owned: 0, used: 0, unowned: 2 }),
          nodeRow('idle', 'a', 1, { owned: 2, used: 0.2, unowned: 0 }),
        ]),
      },
    }).safe;
    expect(pixelsOf(html)).toEqual([
      [
        [0, 100, -1],
        [100, -1, 50],
      ],
      [
        [0, 10, -1],
        [90, -1, 45],
      ],
    ]);
    expect([...html.matchAll(/class="tick[^"]*"[^>]*>([a-z]+)</g)].map(([, name]) => name)).toEqual([
      ...['idle', 'busy', 'idle', 'busy'],
    ]);
  });

  test('of which nobody recorded what was done are not called unused', () => {
    const told = nodeRow('dark', 'a', 0, { owned: 2, used: 0, unowned: 0 });
    const row: TimesRow = { ...told, wasted: undefined, smActive: undefined };
    const html = sectionsHtml({ nodes: { figures: byNode([row]) } }).safe;
    expect(pixelsOf(html)).toEqual([[[100, -1, -1]], [[-1, -1, -1]]]);
  });

  test('are held against what is known of the time alone', () => {
    const knownUs = HOUR;
    const row: TimesRow = {
      ...nodeRow('half', 'a', 0, { owned: 2, used: 2, unowned: 0 }),
      wasted: { value: 0.25 * HOUR, knownUs, unit: 'microseconds' },
      smActive: { value: 0.75, knownUs, unit: 'ratio' },
    };
    const html = sectionsHtml({ nodes: { figures: byNode([row]) } }).safe;
    expect(pixelsOf(html)).toEqual([[[100, -1, -1]], [[75, -1, -1]]]);
  });

  test('are at most sixty, and the others are counted', () => {
    const rows = Array.from({ length: 63 }, (_, at) =>
      nodeRow(`n${at}`, 'a', 0, { owned: 2, used: 0.01 * at, unowned: 0 }),
    );
    const html = sectionsHtml({ nodes: { figures: byNode(rows) } }).safe;
    expect(pixelsOf(html).map((picture) => picture.length)).toEqual([60, 60]);
    expect(html).toContain('3 more nodes not drawn');
    expect(html).toContain('Of 63 nodes everything was seen');
  });

  test('of which least was seen are named: of two clusters with a name the cluster, too', () => {
    const had = { owned: 1, used: 1, unowned: 0 };
    const rows = [
      ...[nodeRow('n1', 'a', 0, had), nodeRow('n1', 'b', 0, had), nodeRow(HOSTILE, 'a', 0, had)],
      nodeRow('n2', 'a', 0, had),
    ];
    const html = sectionsHtml({ nodes: { figures: byNode(rows, { n1: 1, [HOSTILE]: 3 }) } }).safe;
    const table = html.slice(html.indexOf('id="coverage"'));
    expect(
      [...table.replaceAll(/\s/g, ' ').matchAll(/<th scope="row">([^<]+)<\/th><td>([^<]+)</g)].map(
        ([, ...cells]) => cells,
      ),
    ).toEqual([
      ['&lt;img src=x&gt;&quot;&lt;U+202E&gt;', '25 %'],
      ['a/n1', '50 %'],
      ['b/n1', '50 %'],
    ]);
    expect(table).toContain('Of 1 more node as much was seen, or more.');
    expect(html).not.toMatch(/<img|\u202e/);
  });

  test('that nobody saw are a sentence', () => {
    const html = sectionsHtml({ nodes: { figures: byNode([]) } }).safe;
    expect(html).toContain('Of no node anything was seen.');
    expect(html).not.toContain('<svg');
  });
});

test('what failed says why, and the others stand', () => {
  const html = sectionsHtml({
    forecast: { failure: 'the store <b>refused</b>' },
    reliability: { figures: reliability(9) },
    queue: { figures: QUEUE },
  }).safe;
  expect(html).toContain('It could not be told: the store &lt;b&gt;refused&lt;/b&gt;.');
  expect(html.match(/<section /g)).toHaveLength(3);
});
