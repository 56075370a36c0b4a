import { quoted, type Place, type PlaceOption, type Value } from './places.ts';

/** The completion of a command line for fish 3 and newer. @param places of `placesOf` */
export function fishCompletion(places: readonly Place[]): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== '');
  return `# fish completion of gpuledger, as "gpuledger completion fish" prints it
function __gpuledger_at
    set -l command ''
    for word in (commandline -opc)[2..]
        switch "$command $word"
            case ${paths.map(fishQuoted).join(' ')}
                set command "$command $word"
        end
    end
    test "$command" = "$argv[1]"
end
complete -c gpuledger -f
${places.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, choices, options }: Place): readonly string[] {
  const start = `complete -c gpuledger -n ${fishQuoted(`__gpuledger_at ${quoted(path)}`)}`;
  return [
    ...commands.map(({ word, about }) => `${start} -a ${word} -d ${fishQuoted(about)}`),
    ...choices.map((word) => `${start} -a ${fishQuoted(word)}`),
    ...options.map((option) => `${start} ${optionWords(option)} -d ${fishQuoted(option.about)}`),
  ];
}

function optionWords({ names, value }: PlaceOption): string {
  const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return [...words, ...valueWords(value)].join(' ');
}

function valueWords(value: Value): readonly string[] {
  switch (value) {
    case 'none':
      return [];
    case 'file':
      return ['-r', '-F'];
    case 'directory':
      return ['-x', '-a', fishQuoted('(__fish_complete_directories)')];
    case 'text':
      return ['-x'];
    default:
      return ['-x', '-a', fishQuoted(value.join(' '))];
  }
}

/** As one word of fish, whose quotes know a backslash. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
