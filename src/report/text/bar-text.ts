const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of up to `width` columns. @param ratio 0 to 1 */
export function barText(ratio: number, width: number): string {
  const eighths = Math.round(ratio * width * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}
