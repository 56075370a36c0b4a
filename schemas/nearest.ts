import { distance } from 'fastest-levenshtein';
import { FIELD_CATALOGUE } from '../src/core/fields/field-catalogue.ts';
import type { Field } from '../src/core/fields/field.ts';

/** A word that differs in more than two fifths of its letters is another word. */
const DIFFERING_SHARE_MAX = 0.4;

/** Up to `count` of the `known` words that are close enough to `word` to have been meant, nearest first. */
export function nearestWords(word: string, known: readonly string[], count: number): string[] {
  return nearestSpellings(
    word,
    known.map((shown) => ({ shown, spellings: [shown] })),
    count,
  );
}

interface Candidate {
  readonly shown: string;
  /** What people may have written when they meant it. */
  readonly spellings: readonly string[];
}

function nearestSpellings(word: string, candidates: readonly Candidate[], count: number): string[] {
  const wanted = bare(word);
  const stepsMax = Math.max(2, Math.floor(wanted.length * DIFFERING_SHARE_MAX));
  return candidates
    .map(({ shown, spellings }) => ({
      shown,
      steps: Math.min(...spellings.map((text) => stepsTo(wanted, bare(text), stepsMax))),
    }))
    .filter(({ steps }) => steps <= stepsMax)
    .sort((a, b) => a.steps - b.steps)
    .slice(0, count)
    .map(({ shown }) => shown);
}

/** Infinity where the lengths alone tell that they are more than `stepsMax`: a word of a million letters would be compared for minutes. */
function stepsTo(wanted: string, known: string, stepsMax: number): number {
  return Math.abs(wanted.length - known.length) > stepsMax ? Infinity : distance(wanted, known);
}

function bare(text: string): string {
  return text.toLowerCase().replaceAll('_', '');
}

/**
 * Names of fields that are near to a misspelt one: columns for a lower-case word, DCGM names otherwise. People leave out
 * the unit of a column and the prefix of a name.
 * @param among the fields that may have been meant
 */
export function nearestFieldNames(name: string, among: readonly Field[] = FIELD_CATALOGUE): string[] {
  const isColumn = name === name.toLowerCase() && !name.startsWith('dcgm_');
  const candidates = among.flatMap(({ name: classic, aliases, column, unit }): Candidate[] =>
    isColumn
      ? [{ shown: column, spellings: [column, column.replace(`_${unit}`, '')] }]
      : [classic, ...aliases].map((shown) => ({
          shown,
          spellings: [shown, shown.replace(/^DCGM_FI_(DEV_|PROF_)?/, '')],
        })),
  );
  return nearestSpellings(name, candidates, 3);
}
