import { seededRandom } from '../chaos/random.ts';

/**
 * Configurations of Slurm as data: written as text in many styles, and worked out the obvious way. It shares no code with what
 * reads them.
 */

type Line = readonly (readonly [key: string, value: string])[];

export interface ConfModel {
  /** Lines of gres.conf, in their order. */
  readonly gpus: readonly {
    /** Undefined: of every node. */
    readonly nodes: readonly string[] | undefined;
    readonly type: string;
    /** Numbers of the device files. */
    readonly files: readonly number[];
  }[];
  /** One line for all GPUs, or one for some device files. */
  readonly shards: readonly { readonly count: number; readonly files: readonly number[] | undefined }[];
  /** `Gres=` of the node in slurm.conf; a type of '' is none. */
  readonly counts: readonly { readonly type: string; readonly count: number }[];
  readonly shardCount: number;
}

/** What Slurm makes of it, by position. */
export interface Worked {
  readonly files: readonly number[];
  readonly shards: readonly number[];
}

/** A node's GPUs, in lines of one type each; types and counts of slurm.conf in an order of their own. */
export function makeModel(seed: number, node: string): ConfModel {
  const dice = diceOf(seed);
  const isTyped = dice.below(3) > 0;
  const names = isTyped ? ['a', 'b', 'c'].slice(0, 1 + dice.below(3)) : [''];
  const files = dice.shuffled([0, 1, 2, 3, 4, 5, 6, 7]).slice(0, 2 + dice.below(7));
  const gpus: { nodes: string[] | undefined; type: string; files: number[] }[] = [];
  for (let from = 0; from < files.length;) {
    const length = 1 + dice.below(3);
    const others = ['n7', 'n8', 'n9'].slice(dice.below(3));
    const nodes = [undefined, [node], dice.shuffled([node, ...others])][dice.below(3)];
    gpus.push({ nodes, type: dice.one(names), files: files.slice(from, from + length) });
    from += length;
  }
  const have = names.map((type) => ({
    type,
    count: gpus.filter((line) => line.type === type).flatMap((line) => line.files).length,
  }));
  const counts = dice
    .shuffled(have.filter(({ count }) => count > 0))
    .map(({ type, count }) => ({ type, count: dice.below(4) === 0 && count > 1 ? count - 1 : count }));
  const foreign = { nodes: ['n7', 'n8'], type: 'x', files: [1, 2] };
  if (dice.below(2) === 0) gpus.splice(dice.below(gpus.length + 1), 0, foreign);
  const counted = counts.reduce((sum, { count }) => sum + count, 0);
  // Of GPUs that Slurm does not count it would have to be told no shards: whoever writes that, writes them out.
  const isByFile = dice.below(2) === 0 && counted === files.length;
  const shards = [
    [],
    [{ count: 1 + dice.below(40), files: undefined }],
    [
      { count: 2 * dice.below(9) + 3, files: files.slice(0, 2) },
      ...(files.length > 2 ? [{ count: 1 + dice.below(9), files: files.slice(2, 3) }] : []),
    ],
  ][dice.below(3) === 0 ? 0 : isByFile ? 2 : 1]!;
  return { gpus, shards, counts, shardCount: shards.reduce((sum, { count }) => sum + count, 0) };
}

/** The obvious way: a pile of GPUs from which slurm.conf takes, type by type. */
export function workOut(model: ConfModel, node: string): Worked {
  const pile: { file: number; type: string }[] = [];
  for (const nodes of [false, true])
    for (const line of model.gpus)
      if (nodes ? line.nodes?.includes(node) === true : line.nodes === undefined)
        for (const file of line.files) pile.push({ file, type: line.type });
  const files: number[] = [];
  for (const { type, count } of model.counts) {
    let taken = 0;
    for (const gpu of pile) {
      if (taken === count) break;
      if (type !== '' && gpu.type !== type) continue;
      files.push(gpu.file);
      taken += 1;
    }
  }
  const shards = files.map(() => 0);
  for (const { count, files: own } of model.shards) {
    if (own !== undefined) {
      for (const file of own) shards[files.indexOf(file)] = Math.floor(count / own.length);
      continue;
    }
    // Dealt one at a time, the last GPUs first, it comes out as Slurm's divisions do.
    for (let dealt = 0; dealt < count; dealt += 1) shards[files.length - 1 - (dealt % files.length)]! += 1;
  }
  return { files, shards };
}

export interface ConfStyle {
  /** 0: one plain style. */
  readonly seed: number;
  readonly node: string;
  /** Directory of the device files. */
  readonly devices: string;
}

/** Files by name: gres.conf, lines for slurm.conf, and what they include. */
export function writeModel(
  model: ConfModel,
  { seed, node, devices }: ConfStyle,
): ReadonlyMap<string, string> {
  const style = styleOf(seed);
  const file = (numbers: readonly number[]): string => `${devices}/nvidia${style.range(numbers)}`;
  const gres: Line[] = model.gpus.map(({ nodes, type, files }) => [
    ...(nodes === undefined ? [] : [['NodeName', style.nodes(nodes)] as const]),
    ['Name', 'gpu'],
    ...style.shuffled([
      ...(type === '' ? [] : [['Type', type] as const]),
      ['File', file(files)] as const,
      ...style.some([['Count', String(files.length)] as const]),
    ]),
  ]);
  const shards: Line[] = model.shards.map(({ count, files }) => [
    ['Name', 'shard'],
    ['Count', String(count)],
    ...(files === undefined ? [] : [['File', file(files)] as const]),
  ]);
  const counted = model.counts.map(({ type, count }) =>
    type === '' ? `gpu:${count}` : `gpu:${type}:${count}`,
  );
  if (model.shardCount > 0) counted.push(`shard:${model.shardCount}`);
  const slurm: Line[] = [
    [['GresTypes', 'gpu,shard']],
    [['NodeName', node], ...style.shuffled([['CPUs', '4'] as const, ['Gres', counted.join(',')] as const])],
  ];
  return new Map([
    ...style.write('gres.conf', [[['AutoDetect', 'off']], ...gres, ...shards]),
    ...style.write('lines.conf', slurm),
  ]);
}

interface Style {
  range(numbers: readonly number[]): string;
  nodes(names: readonly string[]): string;
  shuffled<T>(items: readonly T[]): T[];
  some<T>(items: readonly T[]): T[];
  write(name: string, lines: readonly Line[]): [string, string][];
}

function styleOf(seed: number): Style {
  const dice = diceOf(seed);
  const isPlain = seed === 0;
  const one = (...texts: readonly [string, ...string[]]): string => (isPlain ? texts[0] : dice.one(texts));
  const word = ([key, value]: readonly [string, string]): string => {
    const name = one(key, key, key.toLowerCase(), key.toUpperCase());
    const text = one(value, value, `"${value}"`);
    return `${name}${one('=', '=', ' =', '= ', ' = ', '\t=\t')}${text}`;
  };
  const line = (words: Line): string => {
    const text = words
      .map(word)
      .join(isPlain ? ' ' : one(' ', ' ', '\t', '   ', ' \\\n', ' \\ \t\n  ', '\\\n ', ' \\\r\n'));
    return `${text}${one('', '', ' ', ' # x', '#x', ' # x \\', '\r')}\n`;
  };
  return {
    range: (numbers) => {
      const parts = numbers.map(String);
      const [first, last] = [numbers[0]!, numbers.at(-1)!];
      const isRun = numbers.every((number, at) => number === first + at);
      if (numbers.length === 1) return one(parts[0]!, parts[0]!, `[${parts[0]!}]`);
      return isRun
        ? one(`[${first}-${last}]`, `[${first}-${last}]`, `[${parts.join()}]`)
        : `[${parts.join()}]`;
    },
    nodes: (names) => {
      const numbers = names.map((name) => name.replace(/^n/, ''));
      const isShort = numbers.every((number) => /^\d$/.test(number));
      return isShort ? one(names.join(), `n[${numbers.join()}]`) : names.join();
    },
    shuffled: (items) => (isPlain ? [...items] : dice.shuffled(items)),
    some: (items) => (isPlain ? [] : items.filter(() => dice.below(2) === 0)),
    write(name, lines) {
      const texts = lines.map((words) => one('', '', '', '\n', ' \t\n', '# NodeName=n1 \\\n') + line(words));
      if (isPlain || dice.below(2) === 0) return [[name, texts.join('')]];
      const [from, to] = [dice.below(texts.length), dice.below(texts.length + 1)].sort((a, b) => a - b) as [
        number,
        number,
      ];
      const inner = `more-${name}`;
      const include = `${one('Include', 'include', 'INCLUDE')}${one(' ', '  ', '\t')}${inner}${one('', ' ', ' # x')}\n`;
      return [
        [name, [...texts.slice(0, from), include, ...texts.slice(to)].join('')],
        [inner, texts.slice(from, to).join('')],
      ];
    },
  };
}

interface Dice {
  /** A whole number in [0, n). */
  below(n: number): number;
  one<T>(items: readonly T[]): T;
  shuffled<T>(items: readonly T[]): T[];
}

function diceOf(seed: number): Dice {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  return {
    below,
    one: (items) => items[below(items.length)]!,
    shuffled(items) {
      const left = [...items];
      return items.map(() => left.splice(below(left.length), 1)[0]!);
    },
  };
}
