/** What is told to be typed means the same to a shell, whatever it holds. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shell } from '../../../src/core/base/shell.ts';

test.each([
  'plain',
  '/var/lib/gpuledger',
  'two words',
  "it's",
  '"quoted"',
  '$HOME',
  '`id`',
  '$(id)',
  'a;b&c|d>e<f',
  'a\\b',
  '*',
  '~',
  '!!',
  '#no comment',
  'ä ∞',
  'a\tb',
  "'; touch /tmp/x; '",
  '',
])('%j', (word) => {
  const command = shell`printf %s: ${word} ${'end'}`;
  const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { HOME: '/home/other' } });
  expect(stdout).toBe(`${word}:end:`);
});

test('what needs no quotes has none', () => {
  expect(shell`chmod 3770 ${'/run/gpuledger/jobs'}`).toBe('chmod 3770 /run/gpuledger/jobs');
});
