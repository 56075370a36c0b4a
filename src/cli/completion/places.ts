import type { Command, Option } from 'commander';

/** What may follow one command on its command line. */
export interface Place {
  /** The words before it, each with a blank before it: ` spool status`; empty: right after `gpuledger`. */
  readonly path: string;
  readonly commands: readonly Word[];
  /** In the order of the help. */
  readonly options: readonly PlaceOption[];
  /** What its argument may be, where that is one of a few words. */
  readonly choices: readonly string[];
}

interface Word {
  readonly word: string;
  /** One line about it. */
  readonly about: string;
}

export interface PlaceOption {
  /** With their dashes: `--remote-engine`, `-r`. */
  readonly names: readonly string[];
  readonly about: string;
  readonly value: Value;
}

/** What has to follow an option: nothing, a file, a directory, one of a few words, or what nobody can foresee. */
export type Value = 'none' | 'file' | 'directory' | 'text' | readonly string[];

/** Every place of a command line, from the tree of commands: the command itself first. */
export function placesOf(command: Command, path = ''): readonly Place[] {
  const below = command.commands.filter((one) => one.name() !== 'help');
  const place: Place = {
    path,
    commands: below.map((one) => ({
      word: one.name(),
      about: firstLine(one.summary() || one.description()),
    })),
    options: command.createHelp().visibleOptions(command).map(placeOption),
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
  return [place, ...below.flatMap((one) => placesOf(one, `${path} ${one.name()}`))];
}

function placeOption(option: Option): PlaceOption {
  return {
    names: [option.long, option.short].filter((name) => name !== undefined),
    about: firstLine(option.description),
    value: valueOf(option),
  };
}

function valueOf({ flags, required, optional, argChoices }: Option): Value {
  if (!required && !optional) return 'none';
  if (argChoices !== undefined) return argChoices;
  if (/[<[](file|path)[\]>]/.test(flags)) return 'file';
  return /[<[]dir[\]>]/.test(flags) ? 'directory' : 'text';
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** As one word of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The options of all places that want such a value, each as the words that lead to it: ` run --config`. */
export function leadingTo(places: readonly Place[], isWanted: (value: Value) => boolean): readonly string[] {
  return places.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => isWanted(value))
      .flatMap(({ names }) => names.map((name) => `${path} ${name}`)),
  );
}

/** Options with a few words as values, each as the words that lead to it, and those words. */
export function leadingToChoices(
  places: readonly Place[],
): readonly (readonly [string, readonly string[]])[] {
  return places.flatMap(({ path, options }) =>
    options.flatMap(({ names, value }) =>
      typeof value === 'string'
        ? []
        : names.map((name): [string, readonly string[]] => [`${path} ${name}`, value]),
    ),
  );
}
