import { Argument, Command } from 'commander';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { placesOf, type Place } from './places.ts';
import { zshCompletion } from './zsh.ts';

const SHELLS: Readonly<Record<string, (places: readonly Place[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

const EXAMPLES = `
Examples:
  source <(gpuledger completion bash)                                          in this shell
  gpuledger completion zsh >"\${fpath[1]}/_gpuledger"                           for each zsh to come
  gpuledger completion fish >~/.config/fish/completions/gpuledger.fish

The packages bring them along.
`;

/** @param loadTree `gpuledger` with all its commands */
export function completionCommand(loadTree: () => Promise<Command>): Command {
  return new Command('completion')
    .description('Print what lets a shell complete the commands and options of gpuledger.')
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(SHELLS)))
    .action(async (shell: string) => {
      process.stdout.write(SHELLS[shell]!(placesOf(await loadTree())));
    })
    .addHelpText('after', EXAMPLES);
}
