import { leadingTo, leadingToChoices, quoted, type Place } from './places.ts';

/** The completion of a command line for bash 4 and newer. @param places of `placesOf` */
export function bashCompletion(places: readonly Place[]): string {
  const either = (paths: readonly string[]): string => paths.map(quoted).join(' | ');
  const branch = (paths: readonly string[], then: string): string[] =>
    paths.length === 0 ? [] : [`        ${either(paths)}) ${then} ;;`];
  const offer = (words: string): string => `mapfile -t COMPREPLY < <(compgen -W ${words} -- "$current")`;
  const files = (kind: string): string =>
    `compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen ${kind} -- "$current"); return`;
  return `# bash completion of gpuledger, as "gpuledger completion bash" prints it
_gpuledger() {
    local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command='' word words=''
    COMPREPLY=()
    for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command $word" in
            ${either(places.map(({ path }) => path).filter((path) => path !== ''))}) command="$command $word" ;;
        esac
    done
    case "$command $previous" in
${[
  ...branch(
    leadingTo(places, (value) => value === 'file'),
    files('-f'),
  ),
  ...branch(
    leadingTo(places, (value) => value === 'directory'),
    files('-d'),
  ),
  ...leadingToChoices(places).flatMap(([path, choices]) =>
    branch([path], `${offer(quoted(choices.join(' ')))}; return`),
  ),
  ...branch(
    leadingTo(places, (value) => value === 'text'),
    'return',
  ),
].join('\n')}
    esac
    case $command in
${places.map(({ path, ...place }) => `        ${quoted(path)}) words=${quoted(wordsOf(place).join(' '))} ;;`).join('\n')}
    esac
    ${offer('"$words"')}
}
complete -F _gpuledger gpuledger
`;
}

function wordsOf({ commands, choices, options }: Omit<Place, 'path'>): readonly string[] {
  return [...commands.map(({ word }) => word), ...choices, ...options.flatMap(({ names }) => names)];
}
