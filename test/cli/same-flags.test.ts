/** Goal: a flag that a person knows from one command means the same in every other. Method: the tree of all commands. */
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { loadCommandTree } from '../../src/cli/main.ts';

interface Use {
  readonly command: string;
  readonly option: Option;
}

function usesIn(command: Command, path: string): Use[] {
  return [
    ...command.options.filter((option) => !option.hidden).map((option) => ({ command: path, option })),
    ...command.commands.flatMap((each) => usesIn(each, `${path} ${each.name()}`.trim())),
  ];
}

const uses = usesIn(await loadCommandTree(), '');
const shared = [...Map.groupBy(uses, ({ option }) => (option.long ?? option.short)!)].filter(
  ([, each]) => each.length > 1,
);

/** What is printed of it, but for its default and for what else is like it in that place. */
const meaningOf = ({ description }: Option): string =>
  description.replace(/,? ?\((?:default|repeatable).*\)$/, '');

/** Flags whose words are of what their command has, each with the reason why they may be. */
const OF_THEIR_COMMAND: Readonly<Record<string, string>> = {
  '--json': 'prints JSON everywhere; the words say what is in it',
  '--csv': 'prints CSV everywhere; the words say what a line is',
  '--html': 'writes a page everywhere; the words say what it has',
  '--all': 'leaves nothing out everywhere; the words say of what',
  '--by': 'whose rows or lines: each report has its own groups',
  '--for': 'a length of time everywhere: of sampling, of a pause',
  '--data': 'the directory of a QuestDB everywhere; the demo wipes its own',
  '--config': 'the same file; job reads two keys of it alone',
  '--journal': 'a journal of jobs everywhere: of this node, or a folder of those of others',
  '--cluster': 'one cluster everywhere; of a job, among several with its id',
  '--reader': 'those who ask, everywhere: what they read, or their machine',
  '--run': 'the number of a run everywhere: to ask for, or to tell',
  '--since': 'how far back everywhere: to look, to ask sacct, to fetch from an engine',
  '--seed': 'the same seed gives the same everywhere: a whole cluster, GPUs of a source',
  '--user': 'a user everywhere: to ask for, or to tell of a job',
  '--account': 'as --user',
  '--partition': 'as --user',
};

/** Flags that are two things, since both were released so: nobody can take one for the other, their commands have nothing in common. */
const TWO_THINGS: Readonly<Record<string, string>> = {
  '--keep': 'demo leaves its server, drain has engines keep samples for so long',
  '--devices': 'a selector of the node’s devices; of job, the devices that the scheduler gave',
  '--node': 'the name of a node; of the doctor, that part of it',
  '--name': 'of a job; of profiling, of a request',
  '--remote-engine': 'one engine; drain takes several and their nodes',
};

test.each(shared)('%s', (long, each) => {
  const flags = new Set(each.map(({ option }) => option.flags));
  const meanings = new Set(each.map(({ option }) => meaningOf(option)));
  // An exception that is none any more goes.
  if (long in TWO_THINGS) expect(Math.max(flags.size, meanings.size)).toBeGreaterThan(1);
  else if (long in OF_THEIR_COMMAND) expect([flags.size, meanings.size > 1]).toEqual([1, true]);
  else expect([[...flags], [...meanings]]).toEqual([[expect.any(String)], [expect.any(String)]]);
});

test('every exception is of a flag that several commands have', () => {
  const names = shared.map(([long]) => long);
  const excepted = [...Object.keys(OF_THEIR_COMMAND), ...Object.keys(TWO_THINGS)];
  expect(excepted.filter((long) => !names.includes(long))).toEqual([]);
});

test('every flag says what it does, and one letter is one flag', () => {
  expect(uses.filter(({ option }) => option.description === '').map(({ option }) => option.flags)).toEqual(
    [],
  );
  const letters = Map.groupBy(
    // The letters of `exporter` are those of dcgm-exporter, in whose place it stands.
    uses.filter(({ option, command }) => option.short !== undefined && command !== 'exporter'),
    ({ option }) => option.short!,
  );
  for (const [letter, each] of letters)
    expect([letter, new Set(each.map(({ option }) => option.long)).size]).toEqual([letter, 1]);
});
