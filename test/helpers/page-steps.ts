/** What a page of the documentation tells people to type: its fenced blocks of shell, by section. */
import { readFileSync } from 'node:fs';

import { ROOT } from './run-process.ts';

/**
 * The blocks of one section, below each other, as one script.
 * @param kind the word after `sh`; empty: the blocks that have none
 * @throws Error where there is none, so that a renamed section cannot go untested
 */
export function stepsOf(page: string, section: string, kind = ''): string {
  return blocksOf(page, section, kind === '' ? 'sh' : `sh ${kind}`);
}

/** @throws Error where there is none */
export function blocksOf(page: string, section: string, fence: string): string {
  const text = readFileSync(`${ROOT}docs/${page}`, 'utf8');
  const found = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  const blocks = [...(found ?? '').matchAll(/^```([^\n]*)\n(.*?)^```$/gms)]
    .filter(([, words]) => words === fence)
    .map(([, , block]) => block!);
  if (blocks.length === 0) throw new Error(`${page} has no block "${fence}" in a section "${section}"`);
  return blocks.join('');
}

/** Every block of shell: its section and kind. */
export function everyStep(page: string): string[] {
  const text = readFileSync(`${ROOT}docs/${page}`, 'utf8');
  return text.split(/^## /m).flatMap((part, index) => {
    const section = index === 0 ? '' : part.slice(0, part.indexOf('\n'));
    const kinds = [...part.matchAll(/^```sh ?([^\n]*)$/gm)].map(([, kind]) => kind!);
    return kinds.map((kind) => `${section}: ${kind}`);
  });
}
