/** Goal: the text is that of drop-in's tables, for both releases. Method: whole texts, written by hand. */
import { expect, test } from 'vitest';
import type { Family } from '../../../src/core/exposition/family.ts';
import { renderExposition } from '../../../src/core/exposition/render.ts';

function family(name: string, series: Family['series'], more: Partial<Family> = {}): Family {
  return { name, type: 'gauge', help: `help of ${name}`, series, ...more };
}

const one = (label: string, number: string): Family['series'][number] => ({
  labels: [['gpu', label]],
  number,
});

test('families by name since 4.8.3, in the order of the file before; none without series', () => {
  const families = [family('B', [one('0', '1')]), family('EMPTY', []), family('A', [one('0', '2')])];
  const a = '# HELP A help of A\n# TYPE A gauge\nA{gpu="0"} 2\n';
  const b = '# HELP B help of B\n# TYPE B gauge\nB{gpu="0"} 1\n';
  expect(renderExposition(families, '4.8.4')).toBe(a + b);
  expect(renderExposition(families, '4.8.2')).toBe(b + a);
});

test('series by their labels since 4.8.3, however these are printed', () => {
  const series: Family['series'] = [
    {
      labels: [
        ['gpu', '0'],
        ['UUID', 'GPU-b'],
      ],
      number: '1',
    },
    {
      labels: [
        ['gpu', '1'],
        ['UUID', 'GPU-a'],
      ],
      number: '2',
    },
    {
      labels: [
        ['gpu', '0'],
        ['UUID', 'GPU-b'],
        ['hpc_job', '9'],
      ],
      number: '3',
    },
    {
      labels: [
        ['gpu', '0'],
        ['UUID', 'GPU-b'],
        ['hpc_job', '10'],
      ],
      number: '4',
    },
  ];
  const lines = (compat: '4.8.2' | '4.8.4'): string[] =>
    renderExposition([family('A', series)], compat)
      .trim()
      .split('\n')
      .slice(2);
  expect(lines('4.8.4')).toEqual([
    'A{gpu="1",UUID="GPU-a"} 2',
    'A{gpu="0",UUID="GPU-b"} 1',
    'A{gpu="0",UUID="GPU-b",hpc_job="10"} 4',
    'A{gpu="0",UUID="GPU-b",hpc_job="9"} 3',
  ]);
  expect(lines('4.8.2').map((line) => line.slice(-1))).toEqual(['1', '2', '3', '4']);
});

test('labels and help are escaped, and nothing breaks a line', () => {
  const odd = 'a"b\\c\nd\ud800é';
  const text = renderExposition([family('A', [one(odd, '1')], { help: odd })], '4.8.2');
  expect(text).toBe('# HELP A a"b\\\\c\\nd\ufffdé\n# TYPE A gauge\nA{gpu="a\\"b\\\\c\\nd\ufffdé"} 1\n');
});

test('an empty help leaves its blank; the same labels are one series; the same name is one family', () => {
  const text = renderExposition(
    [
      family('A', [one('0', '1'), one('0', '2')], { help: '' }),
      family('A', [one('1', '3'), one('0', '4')], { type: 'counter' }),
    ],
    '4.8.4',
  );
  expect(text).toBe('# HELP A \n# TYPE A gauge\nA{gpu="0"} 1\nA{gpu="1"} 3\n');
});

test('without labels there are no braces', () => {
  expect(renderExposition([family('A', [{ labels: [], number: '7' }])], '4.8.4')).toContain('\nA 7\n');
});
