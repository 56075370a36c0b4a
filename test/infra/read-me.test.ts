/**
 * Goal: whoever follows a page gets to where it points, and what it tells them to type exists.
 * Method: every relative link of every page, against the files and their headings; every `gpuledger …` of code, against the tree of commands.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';

import { loadCommandTree } from '../../src/cli/main.ts';
import { ROOT } from '../helpers/run-process.ts';

/** It tells of commands as they were. */
const OF_THE_PAST = 'CHANGELOG.md';
const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((path) => path !== '' && path !== OF_THE_PAST);

const readPage = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const withoutBlocks = (text: string): string => text.replace(/^ *```.*?^ *```$/gms, '');

/** As forges make them of headings. */
function anchorsOf(path: string): Set<string> {
  const headings = [...withoutBlocks(readPage(path)).matchAll(/^#{1,6} (.*)$/gm)].map(([, words]) =>
    words!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(headings);
}

function deadLinks(path: string): string[] {
  const text = withoutBlocks(readPage(path)).replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(target).has(anchor));
    });
}

const tree = await loadCommandTree();

/** What is wrong with a line of words after `gpuledger`; undefined: nothing. */
function faultOf(line: string): string | undefined {
  const words = line.trim().split(/\s+/);
  let command: Command = tree;
  while (command.commands.length > 0 && words.length > 0 && !words[0]!.startsWith('-')) {
    const next = command.commands.find((each) => each.name() === words[0]);
    // The command alone, its name in a sentence of shell, or a list of several: job start|end.
    if (next === undefined) return /^[a-z-]+$/.test(words[0]!) ? `no command "${words[0]!}"` : undefined;
    command = next;
    words.shift();
  }
  const flags = words.flatMap((word) => /^\[?(--[a-z][a-z0-9-]*)/.exec(word)?.[1] ?? []);
  const known = new Set(['--help', '--version', ...command.options.map(({ long }) => long)]);
  const unknown = flags.find((flag) => !known.has(flag));
  // Of a group: a flag of all that is in it.
  return unknown === undefined || command.commands.length > 0 ? undefined : `no flag ${unknown}`;
}

function faultsOf(path: string): string[] {
  const text = readPage(path);
  const code = [
    ...[...text.matchAll(/^ *```([^\n]*)\n(.*?)^ *```$/gms)]
      .filter(([, fence]) => /^(?:sh\b.*)?$/.test(fence!))
      .flatMap(([, , block]) => block!.split('\n')),
    ...[...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!),
  ];
  const lines = code.flatMap((line) =>
    [...line.matchAll(/(?:^|(?<!--groups)[\s(/])gpuledger(?: +(?=[a-z])([^#|;)>&'"\\`·…]*))/g)].map(
      ([, words]) => words!,
    ),
  );
  return lines.flatMap((line) => {
    const fault = faultOf(line);
    return fault === undefined ? [] : [`gpuledger ${line}: ${fault}`];
  });
}

test.each(pages)('%s: its links lead somewhere', (path) => {
  expect(deadLinks(path)).toEqual([]);
});

test.each(pages)('%s: its commands are there', (path) => {
  expect(faultsOf(path)).toEqual([]);
});
