import { quoteText } from '../../schemas/tables.ts';

/** Timestamp literal with microseconds, UTC. @param us epoch microseconds. */
export function quoteTime(us: number): string {
  return `'${isoMicroseconds(us)}'`;
}

/** `2026-11-21T09:02:11.000250Z`. @param us epoch microseconds. */
export function isoMicroseconds(us: number): string {
  const ms = Math.floor(us / 1000);
  const rest = String(Math.round(us - ms * 1000)).padStart(3, '0');
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}

/** Characters of a list as it travels in a URL: half of what the server takes. */
const LIST_LENGTH_MAX = 16_384;

/** Lists for `IN (…)` that together hold all of these texts, each short enough for one query. */
export function quotedLists(texts: Iterable<string>): string[] {
  const lists: string[] = [];
  let length = Infinity;
  for (const text of texts) {
    const quoted = quoteText(text);
    const own = encodeURIComponent(`, ${quoted}`).length;
    const last = lists.length - 1;
    if (length + own <= LIST_LENGTH_MAX) lists[last] = `${lists[last]!}, ${quoted}`;
    else lists.push(quoted);
    length = length + own <= LIST_LENGTH_MAX ? length + own : own;
  }
  return lists;
}
