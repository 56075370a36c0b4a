import { describe, expect, test } from 'vitest';
import { isTaskIn, readingText, readJobId, taskInBrackets } from '../../../src/core/jobs/job-id.ts';

const readings = (typed: string): string[] => readJobId(typed).readings.map(readingText);

describe('an id as somebody types it', () => {
  test.each([
    ['4217', ['the id 4217', 'ids that begin with 4217.', 'ids that begin with 4217[']],
    ['4217_3', ['the id 4217_3', 'task 3 of array 4217']],
    ['4217_03', ['the id 4217_03', 'task 3 of array 4217']],
    ['4217_[1-4]', ['the id 4217_[1-4]', 'tasks of array 4217']],
    ['4217_[1-4,7%2]', ['the id 4217_[1-4,7%2]', 'tasks of array 4217']],
    ['4217+1', ['the id 4217+1', 'component 1 of heterogeneous job 4217']],
    ['4217+[0-1]', ['the id 4217+[0-1]', 'components of heterogeneous job 4217']],
    ['4217+[1]', ['the id 4217+[1]', 'component 1 of heterogeneous job 4217']],
    [' 4217_3\t', ['the id  4217_3\t', 'the id 4217_3', 'task 3 of array 4217']],
    [
      '123[4].pbs01',
      ['the id 123[4].pbs01', 'the id 123[4]', 'task 4 of array 123', 'ids that begin with 123[4].'],
    ],
    ['123[4]', ['the id 123[4]', 'task 4 of array 123', 'ids that begin with 123[4].']],
    ['123[]', ['the id 123[]', 'tasks of array 123', 'ids that begin with 123[']],
    ['123[1-4].pbs01', ['the id 123[1-4].pbs01', 'tasks of array 123', 'ids that begin with 123[']],
    ['123.pbs01', ['the id 123.pbs01', 'the id 123', 'ids that begin with 123.', 'ids that begin with 123[']],
    ['ƒuzzBuzz', ['the id ƒuzzBuzz', 'the id fuzzBuzz']],
    ['fuzzBuzz', ['the id fuzzBuzz', 'the id ƒuzzBuzz']],
    ['s0bcd3fgh1jkmo', ['the id s0bcd3fgh1jkmo', 'the SLUID s0BCD3FGH1JKM0']],
  ])('%s', (typed, expected) => {
    expect(readings(typed)).toEqual(expected);
    expect(readJobId(typed).step).toBeUndefined();
    expect(readJobId(typed)).toMatchObject({ typed: typed.trim(), isForm: true });
  });

  test.each([
    ['4217.batch', 'batch', ['the id 4217.batch', 'the id 4217']],
    ['4217.0', '0', ['the id 4217.0', 'the id 4217']],
    ['4217_3.extern', 'extern', ['the id 4217_3.extern', 'the id 4217_3', 'task 3 of array 4217']],
    ['4217+1.interactive', 'interactive', ['the id 4217+1.interactive', 'the id 4217+1']],
    ['4217_[0-1].batch', 'batch', ['the id 4217_[0-1].batch', 'the id 4217_[0-1]', 'tasks of array 4217']],
    [
      '4217+[0-1].0',
      '0',
      ['the id 4217+[0-1].0', 'the id 4217+[0-1]', 'components of heterogeneous job 4217'],
    ],
    ['4217.0+1', '0+1', ['the id 4217.0+1', 'the id 4217']],
    [
      's0BCD3FGH1JKM0.0',
      '0',
      ['the id s0BCD3FGH1JKM0.0', 'the id s0BCD3FGH1JKM0', 'the SLUID s0BCD3FGH1JKM0'],
    ],
  ])('%s is a step', (typed, step, first) => {
    expect(readJobId(typed).step).toBe(step);
    expect(readings(typed).slice(0, first.length)).toEqual(first);
  });

  test.each([
    'train',
    '4217_',
    '4217_x',
    '4217_[1-',
    '4217_[5-x]',
    '4217_[1-9:0]',
    '4217_[4-1]',
    '4217_[1-3,...%2]',
    '4217_3+1',
    '4217+[x]',
    'ƒuzzBuzz.0',
    '+1',
    '[4]',
    'it is "odd"',
  ])('%s is itself and nothing else', (typed) => {
    expect(readings(typed)).toEqual([`the id ${typed}`]);
    expect(readJobId(typed).isForm).toBe(false);
  });
});

test('a list of tasks names numbers, ranges and every n-th', () => {
  const [, reading] = readJobId('7_[0-9:3,20,30-31%4]').readings;
  const ranges = reading?.how === 'array' ? reading.tasks! : [];
  const named = Array.from({ length: 40 }, (_, task) => String(task)).filter((task) =>
    isTaskIn(task, ranges),
  );
  expect(named).toEqual(['0', '3', '6', '9', '20', '30', '31']);
  expect(isTaskIn(undefined, ranges)).toBe(false);
  expect(isTaskIn('x', ranges)).toBe(false);
});

test('PBS and LSF put the task into the id', () => {
  expect(['123[4].pbs01', '123[4]', '123[]', '123', 'a[4]'].map(taskInBrackets)).toEqual([
    '4',
    '4',
    undefined,
    undefined,
    undefined,
  ]);
});
