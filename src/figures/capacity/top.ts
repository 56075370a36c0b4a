import { isPeriod, type CapacityFigures, type CapacityRow } from './figures.ts';
import { withOthers } from './others.ts';

/** With the first groups alone, as many as `top` says, and one row of all others. Sums are what they were. */
export function shownTop(figures: CapacityFigures): CapacityFigures {
  const { top, rows, installed, by } = figures;
  // Times are shown all: none of them is less of a time than another.
  if (top === undefined || isPeriod(by)) return figures;
  const keyOf = ({ name, also, cluster }: Pick<CapacityRow, 'name' | 'also' | 'cluster'>): string =>
    JSON.stringify([name, also, cluster]);
  // They come by their GPU time of the whole window, most first.
  const groups = [...rows, ...installed.rows].filter(({ kind }) => kind === 'group');
  const keys = [...new Set(groups.map(keyOf))];
  const shown = new Set(keys.slice(0, top));
  return { ...figures, ...withOthers(figures, (group) => shown.has(keyOf(group))) };
}
