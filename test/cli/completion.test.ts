/** What `gpuledger completion` prints, as real shells understand it. zsh and fish: test/packages. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Command } from 'commander';

import { bashCompletion } from '../../src/cli/completion/bash.ts';
import { placesOf } from '../../src/cli/completion/places.ts';
import { loadCommandTree } from '../../src/cli/main.ts';
import { runCommand, runToEnd } from '../helpers/run-process.ts';

/** What bash 4 and newer offers for the last of the words. */
async function offered(script: string, words: readonly string[]): Promise<string[]> {
  const ask = `${script}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gpuledger; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { exitCode, stdout, stderr } = await runToEnd('bash', ['-c', ask, 'bash', ...words]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.split('\n').filter((word) => word !== '');
}

const ours = bashCompletion(placesOf(await loadCommandTree()));

test('the command prints it', async () => {
  expect(await runCommand(['completion', 'bash'])).toEqual({ exitCode: 0, stdout: ours, stderr: '' });
});

test.each([['csh'], []])('no other shell: %s', async (...args) => {
  const { exitCode, stdout } = await runCommand(['completion', ...args.flat()]);
  expect([exitCode, stdout]).toEqual([64, '']);
});

test.each([
  [['sp'], ['spool']],
  [
    ['spool', ''],
    ['status', 'replay', 'drop', '--help', '-h'],
  ],
  [['spool', 'status', '--j'], ['--json']],
  [['report', 'jobs', '--sort', 'g'], ['gpu-hours']],
  [['report', 'jobs', '--sort', 'gpu-hours', '--us'], ['--user']],
  // Nobody can foresee a name.
  [['report', 'jobs', '--user', ''], []],
  [['completion', 'f'], ['fish']],
])('bash: %j', async (words, expected) => {
  expect(await offered(ours, ['gpuledger', ...words])).toEqual(expected);
});

test('bash: files and directories, whatever they are called', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-completion-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  const name = join(directory, "it's $HOME.yaml");
  writeFileSync(name, '');
  expect(await offered(ours, ['gpuledger', 'run', '--config', `${directory}/it`])).toEqual([name]);
  expect(await offered(ours, ['gpuledger', 'run', '--state-dir', directory])).toEqual([directory]);
});

test('every command and every option of every command can be completed', async () => {
  const visit = (command: Command, path: string[]): [string[], string][] => [
    ...command.options.flatMap(({ long }): [string[], string][] =>
      long === undefined ? [] : [[path, long]],
    ),
    ...command.commands.flatMap((one) => visit(one, [...path, one.name()])),
  ];
  const all = visit(await loadCommandTree(), []);
  expect(all.length).toBeGreaterThan(200);
  for (const [path, option] of all)
    expect(ours.split('\n')).toContainEqual(
      expect.stringMatching(
        new RegExp(`^ +'${path.map((word) => ` ${word}`).join('')}'\\) words='.*${option}[ ']`),
      ),
    );
});

test('all words are plain, for a shell takes those of a list as its own text', () => {
  const words = [...ours.matchAll(/ words='(.*)' ;;$/gm)].flatMap(([, list]) => list!.split(' '));
  expect(words.length).toBeGreaterThan(200);
  expect(words.filter((word) => !/^[\w-]+$/.test(word))).toEqual([]);
});
