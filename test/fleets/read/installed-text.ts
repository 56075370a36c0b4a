import { isPrinted, ratioWrong, type Wrong } from './printed.ts';

/** Where the time of the GPUs went, as text against its JSON. */

const PARTS: Readonly<Record<string, string>> = {
  'not seen': 'unseenUs',
  'unowned, node not told': 'unownedUs',
  'free parts of GPUs': 'partlyFreeUs',
  'owned: idle': 'idleUs',
  'owned: not told apart': 'untoldUs',
};

/** @param lines behind the heading @returns what is wrong, and how many lines it has */
export function installedWrong(
  lines: readonly string[],
  all: Readonly<Record<string, number>>,
): { readonly wrong: Wrong; readonly count: number } {
  const [head = '', ...rows] = lines;
  const end = rows.findIndex((line) => line.trim() === '');
  const shown = rows.slice(0, end);
  const allUs = Object.values(all).reduce((sum, us) => sum + us, 0);
  const told = new Set<string>();
  let wrong: Wrong = /^ +of the time +GPU-hours$/.test(head.trimEnd()) ? undefined : 'a head';
  for (const line of shown) {
    const [name = '', ratio = '', hours = ''] = line.trim().split(/\s{2,}/);
    const part = PARTS[name] ?? '';
    const us = all[part] ?? 0;
    told.add(part);
    wrong ??= ratioWrong(ratio, us / allUs);
    wrong ??= isPrinted(hours.replace(/ h$/, ''), us / 3.6e9) ? undefined : `${us / 3.6e9} h of ${part}`;
  }
  const missing = Object.keys(all).find((part) => !told.has(part));
  return { wrong: wrong ?? missing, count: 2 + shown.length };
}
