import { EXPORTER_FLAGS, type ExporterFlag } from './exporter-flags.ts';

const BY_NAME: ReadonlyMap<string, ExporterFlag> = new Map(
  EXPORTER_FLAGS.flatMap((flag) =>
    [flag.name, ...(flag.alias === undefined ? [] : [flag.alias])].map((name) => [name, flag]),
  ),
);

/**
 * Arguments as Go's flag package reads them, in the form that commander does: one dash or two are the same, and what is on or off may be
 * followed by `=false`. Others stay as they are.
 */
export function exporterArguments(argv: readonly string[]): string[] {
  return argv.flatMap((word) => {
    const [, name = '', written] = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = BY_NAME.get(name);
    if (flag === undefined) return [word];
    if (flag.value === undefined) return isOff(written) ? [] : [`--${flag.name}`];
    return written === undefined ? [`--${flag.name}`] : [`--${flag.name}`, written];
  });
}

const OFF = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** As Go reads what is on or off. */
export function isOff(written: string | undefined): boolean {
  return written !== undefined && OFF.has(written);
}
