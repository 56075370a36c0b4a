import { OperatingError, type ExitName } from '../core/base/errors.ts';
import { EXPORTER_FLAGS, type ExporterFlag } from './exporter-flags.ts';

const BY_NAME: ReadonlyMap<string, ExporterFlag> = new Map(
  EXPORTER_FLAGS.flatMap((flag) =>
    [flag.name, ...(flag.alias === undefined ? [] : [flag.alias])].map((name) => [name, flag]),
  ),
);

/**
 * Arguments as Go's flag package reads them, in the form that commander does: one dash or two are the same, and what is on or off may be
 * followed by `=false`. Others stay as they are.
 * @param alsoOnOff names of flags without a value that are not upstream's, and are read alike
 * @throws OperatingError `exporter.flag` (exit `usage`) where what is on or off is followed by something else
 */
export function exporterArguments(argv: readonly string[], alsoOnOff: readonly string[] = []): string[] {
  return argv.flatMap((word) => {
    const [, name = '', written] = /^--?([a-z][a-z-]*)(?:=(.*))?$/s.exec(word) ?? [];
    const flag: Pick<ExporterFlag, 'name' | 'value'> | undefined =
      BY_NAME.get(name) ?? (alsoOnOff.includes(name) ? { name } : undefined);
    if (flag === undefined) return [word];
    const told = `--${flag.name}`;
    if (flag.value === undefined) return written === undefined || isOn(written, told, 'usage') ? [told] : [];
    return written === undefined ? [told] : [told, written];
  });
}

/** As Go reads what is on or off. */
const ON = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const OFF = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** @param origin flag or variable. @throws OperatingError `exporter.flag` for what is neither on nor off */
export function isOn(written: string, origin: string, exit: ExitName): boolean {
  if (ON.includes(written)) return true;
  if (OFF.includes(written)) return false;
  throw new OperatingError(`expected true or false for ${origin}, came ${JSON.stringify(written)}`, {
    ...{ code: 'exporter.flag', exit },
    hints: [`on: ${ON.join(' ')}; off: ${OFF.join(' ')}`],
  });
}
