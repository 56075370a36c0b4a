import { leadingTo, leadingToChoices, quoted, type Place } from './places.ts';

/** The completion of a command line for zsh: a file of its $fpath, or to be sourced. @param places of `placesOf` */
export function zshCompletion(places: readonly Place[]): string {
  const branch = (paths: readonly string[], then: string): string[] =>
    paths.length === 0 ? [] : [`        (${paths.map(quoted).join(' | ')}) ${then} ;;`];
  return `#compdef gpuledger
# zsh completion of gpuledger, as "gpuledger completion zsh" prints it
_gpuledger() {
    local command='' word
    local -a entries
    for word in "\${(@)words[2,CURRENT-1]}"; do
        case "$command $word" in
            (${places
              .map(({ path }) => path)
              .filter((path) => path !== '')
              .map(quoted)
              .join(' | ')}) command="$command $word" ;;
        esac
    done
    case "$command \${words[CURRENT-1]}" in
${[
  ...branch(
    leadingTo(places, (value) => value === 'file'),
    '_files; return',
  ),
  ...branch(
    leadingTo(places, (value) => value === 'directory'),
    '_files -/; return',
  ),
  ...leadingToChoices(places).flatMap(([path, choices]) =>
    branch([path], `compadd -- ${choices.map(quoted).join(' ')}; return`),
  ),
  ...branch(
    leadingTo(places, (value) => value === 'text'),
    "_message 'a value'; return",
  ),
].join('\n')}
    esac
    case $command in
${places.map((place) => `        (${quoted(place.path)}) entries=(${entriesOf(place).map(quoted).join(' ')}) ;;`).join('\n')}
    esac
    _describe gpuledger entries
}
if [[ $funcstack[1] == _gpuledger ]]; then _gpuledger "$@"; else compdef _gpuledger gpuledger; fi
`;
}

/** As _describe wants them: `word:about`. */
function entriesOf({ commands, choices, options }: Place): readonly string[] {
  const described = options.flatMap(({ names, about }) => names.map((word) => ({ word, about })));
  return [...commands, ...described].map(({ word, about }) => `${word}:${about}`).concat(choices);
}
