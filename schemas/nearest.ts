import { distance } from 'fastest-levenshtein';
import { FIELD_CATALOGUE } from '../src/core/field-catalogue.ts';

/** Up to `count` of the `known` words that are close enough to `word` to have been meant, nearest first. */
export function nearestWords(word: string, known: readonly string[], count: number): string[] {
  const wanted = word.toLowerCase();
  // A word that differs in more than two fifths of its letters is another word.
  const distanceMax = Math.max(2, Math.floor(wanted.length * 0.4));
  return known
    .map((candidate) => ({ candidate, steps: distance(wanted, candidate.toLowerCase()) }))
    .filter(({ steps }) => steps <= distanceMax)
    .sort((a, b) => a.steps - b.steps)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Names of fields (columns for lower-case words, DCGM names otherwise) that are near to a misspelt one. */
export function nearestFieldNames(name: string): string[] {
  const isColumn = name === name.toLowerCase();
  const known = FIELD_CATALOGUE.flatMap((field) =>
    isColumn ? [field.column] : [field.name, ...field.aliases],
  );
  return nearestWords(name, known, 3);
}
