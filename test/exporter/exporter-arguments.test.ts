/** Goal: a line of dcgm-exporter's unit file means here what it means there. Method: a table of arguments, as Go's flag package takes them. */
import { expect, test } from 'vitest';
import { argumentsOf } from '../../src/cli/commands/exporter.ts';
import { exporterArguments } from '../../src/exporter/exporter-arguments.ts';
import { EXPORTER_FLAGS } from '../../src/exporter/exporter-flags.ts';

test.each([
  [
    ['-f', 'a.csv', '--address', ':9400'],
    ['--collectors', 'a.csv', '--address', ':9400'],
  ],
  [
    ['-collectors=a.csv', '--collect-interval=1000'],
    ['--collectors', 'a.csv', '--collect-interval', '1000'],
  ],
  [
    ['-rbmn', '-k', '--kubernetes=true', '-o=1'],
    ['--replace-blanks-in-model-name', '--kubernetes', '--kubernetes', '--use-old-namespace'],
  ],
  [['--kubernetes=false', '-k=0', '-n=F', '--no-hostname=FALSE'], []],
  [['-n'], ['--no-hostname']],
  [
    ['-r', '', '-remote-hostengine-info='],
    ['--remote-hostengine-info', '', '--remote-hostengine-info', ''],
  ],
  // What is empty is told as such, and what is not known stays for commander to refuse.
  [
    ['-m=', '--gpus', '2', '-zz', '--config=x.yaml'],
    ['--configmap-data', '', '--gpus', '2', '-zz', '--config=x.yaml'],
  ],
  [
    ['-d', 'g:0,2+i'],
    ['--devices', 'g:0,2+i'],
  ],
])('%j', (written, read) => {
  expect(exporterArguments(written)).toEqual(read);
});

test('flags without a value that are not upstream’s are read alike', () => {
  expect(argumentsOf(['--jobstats=true', '--job-label-shares=0', '-jobstats', '--compat=4.8.2'])).toEqual([
    ...['--jobstats', '--jobstats', '--compat=4.8.2'],
  ]);
  expect(() => argumentsOf(['--job-label-shares=maybe'])).toThrow(
    'expected true or false for --job-label-shares, came "maybe"',
  );
});

test.each(['-rbmn=maybe', '--kubernetes=yes', '-o=', '-n=TrUe'])('%s is neither on nor off', (word) => {
  expect(() => exporterArguments(['-f', 'a.csv', word])).toThrow(/expected true or false for --/);
});

test('no two flags share a name, an alias or a variable', () => {
  for (const of of [
    EXPORTER_FLAGS.flatMap(({ name, alias }) => [name, ...(alias === undefined ? [] : [alias])]),
    EXPORTER_FLAGS.map(({ variable }) => variable),
  ])
    expect(new Set(of).size).toBe(of.length);
});
