/** The fakes say of every function where its answers come from, and of what nobody has seen which question it is. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const FAKES = ['fake-dcgm.c', 'fake-nvml.c'];
const EXPORTED = /^(?:int|const char \*)\s*((?:dcgm|nvml|errorString)\w*)\(/;
const HEADING = /^\/\* ── /;
/** The marks of test/fakes/README.md. */
const MARK =
  /\bF\d+\b|\bdcgm(-measured)?\.md \d|\bdcgm-layouts\.json|\bdrop-in\.md \d|\bnvml\.md \d|\bnvml-layouts\.json|\[[hi]\]|DCGM#\d+|not seen: [a-z]/;
const NOT_SEEN = /not seen: ([a-z][a-z-]*[a-z])/g;

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

/** The comment over a line, or an empty text where there is none. */
function commentOver(lines: readonly string[], at: number): string {
  if (!lines[at - 1]!.endsWith('*/')) return '';
  let from = at - 1;
  while (from > 0 && !lines[from]!.startsWith('/*')) from -= 1;
  return lines.slice(from, at).join('\n');
}

/** Exported functions with no mark in their comment, on their own line, in their body, or in the heading of their section. */
function unmarked(file: string): string[] {
  const lines = read(`test/fakes/${file}`).split('\n');
  let heading = '';
  const found: string[] = [];
  for (const [at, line] of lines.entries()) {
    if (HEADING.test(line)) heading = line;
    const name = EXPORTED.exec(line)?.[1];
    if (name === undefined) continue;
    const body = line.endsWith('}') ? [] : lines.slice(at, lines.indexOf('}', at));
    if (!MARK.test([heading, commentOver(lines, at), line, ...body].join('\n'))) found.push(name);
  }
  return found;
}

function notSeen(): string[] {
  return FAKES.flatMap((file) => [...read(`test/fakes/${file}`).matchAll(NOT_SEEN)].map(([, word]) => word!));
}

describe('the fakes', () => {
  test.each(FAKES)('say where every function of %s has its answers from', (file) => {
    expect(unmarked(file)).toEqual([]);
  });

  test('ask docs/hardware.md for all that nobody has seen, and for nothing else', () => {
    const asked = [...read('docs/hardware.md').matchAll(/\? \(`([a-z-]+)`\)/g)].map(([, word]) => word!);
    expect(asked.length).toBeGreaterThan(10);
    expect(new Set(asked)).toEqual(new Set(notSeen()));
  });
});
