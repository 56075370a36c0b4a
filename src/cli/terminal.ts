/** What a report may take of the terminal. A pipe has no width and no colours; `NO_COLOR` takes them from a terminal. */
export function terminalStyle(): { readonly width: number; readonly isColored: boolean } {
  return {
    width: process.stdout.isTTY ? process.stdout.columns || 100 : Infinity,
    isColored: process.stdout.isTTY && process.stdout.hasColors(),
  };
}
