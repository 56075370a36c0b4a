/**
 * Slurm's short form of names: `n[1-3,07],login` is n1, n2, n3, n07, login. Numbers keep their zeros. One bracket or
 * several per name; blanks part names as commas do; what is malformed stands for itself.
 *
 * @param max names at most; a list that is longer is cut, since a broken one can stand for billions.
 */
export function expandHostlist(text: string, max = 65_536): string[] {
  const names: string[] = [];
  for (const part of splitOutsideBrackets(text).flatMap((list) => list.trim().split(/\s+(?![^[]*\])/))) {
    for (const name of expandOne(part)) {
      if (names.length >= max) return names;
      names.push(name);
    }
  }
  return names;
}

/** Splits at commas that do not stand inside brackets or parentheses. */
export function splitOutsideBrackets(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at];
    if (character === '[' || character === '(') depth += 1;
    else if (character === ']' || character === ')') depth -= 1;
    else if (character === undefined || (character === ',' && depth <= 0)) {
      if (at > from) parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return parts;
}

function* expandOne(part: string): Generator<string> {
  const [, before, ranges = '', after] = /^([^[]*)\[([0-9,-]+)\](.*)$/s.exec(part) ?? [];
  const all = ranges.split(',').filter((range) => range !== '');
  // Each bracket gives a name at least: of none, billions could be tried before the first.
  if (all.length === 0 || !all.every((range) => /^\d+$/.test(range) || boundsOf(range) !== undefined)) {
    yield part;
    return;
  }
  for (const number of expandRanges(ranges)) {
    for (const rest of expandOne(after!)) yield `${before!}${number}${rest}`;
  }
}

/** `0-2,5,08` → 0, 1, 2, 5, 08. What is malformed stands for itself (`5-1`). May be billions: it is for the caller to stop. */
export function* expandRanges(text: string): Generator<string> {
  for (const range of text.split(',')) {
    const bounds = boundsOf(range);
    if (bounds === undefined) {
      if (range !== '') yield range;
      continue;
    }
    const { first, last, digits } = bounds;
    for (let number = first; number <= last; number += 1) yield String(number).padStart(digits, '0');
  }
}

/** More digits are no number that can be counted up. */
function boundsOf(range: string): { first: number; last: number; digits: number } | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(range) ?? [];
  if (first === undefined || Number(first) > Number(last)) return undefined;
  return { first: Number(first), last: Number(last), digits: first.length };
}
