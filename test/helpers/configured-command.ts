import type { Command } from 'commander';
import type { ConfiguredCommand } from '../../src/cli/config-flags.ts';

/** `spool replay` → the command as commander has it. */
export async function configuredCommand(name: ConfiguredCommand): Promise<Command> {
  const [first = '', second] = name.split(' ');
  const { command } = (await import(`../../src/cli/commands/${first}.ts`)) as { command: () => Command };
  const top = command();
  return second === undefined ? top : top.commands.find((sub) => sub.name() === second)!;
}
