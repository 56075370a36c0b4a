const BARS = '▁▂▃▄▅▆▇█';

/**
 * One character per value, its height in proportion to `top`; a space where nothing is known.
 * @param top value of a full bar; at least the largest value.
 */
export function sparkline(values: readonly (number | null)[], top: number): string {
  return values
    .map((value) => {
      if (value === null) return ' ';
      const height = top > 0 ? Math.floor((value / top) * BARS.length) : 0;
      return BARS[Math.max(0, Math.min(BARS.length - 1, height))]!;
    })
    .join('');
}
