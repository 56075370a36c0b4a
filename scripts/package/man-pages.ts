import type { Command, Help } from 'commander';
import type { Made } from './tree.ts';

/**
 * Manual pages from the tree of commands: `gpuledger.1`, and one for each command with all its subcommands.
 * @returns names of files and their roff
 */
export function manPages({ commands, version, epochS }: Made): readonly (readonly [string, string])[] {
  const date = new Date(1000 * epochS).toISOString().slice(0, 10);
  const head = (name: string, about: string): string =>
    `.TH ${name.toUpperCase()} 1 ${date} "gpuledger ${version}" "gpuledger"\n.SH NAME\n${name} \\- ${roff(about)}\n`;
  const main = [
    head('gpuledger', 'records what every GPU did, and whose job it was'),
    `.SH SYNOPSIS\n.B gpuledger\n.I command\n[\\fIoptions\\fR]\n`,
    `.SH DESCRIPTION\n${roff(commands.description())}\n`,
    optionsOf(commands, commands.createHelp()),
    '.SH COMMANDS\n',
    ...commands.commands.map(
      (one) => `.TP\n.BR gpuledger\\-${roff(one.name())} (1)\n${roff(one.summary())}\n`,
    ),
    '.SH FILES\n.TP\n.I /etc/gpuledger/gpuledger.yaml\nsettings; all of them are in the file itself\n',
    '.TP\n.I /var/lib/gpuledger\nwhat must outlive the service\n',
    '.TP\n.I /usr/share/doc/gpuledger\nthe documentation\n',
  ].join('');
  return [
    ['gpuledger.1', main],
    ...commands.commands.map((one): [string, string] => [
      `gpuledger-${one.name()}.1`,
      [head(`gpuledger-${one.name()}`, one.summary()), ...bodyOf(one), seeAlso(commands, one)].join(''),
    ]),
  ];
}

function bodyOf(command: Command): readonly string[] {
  const help = command.createHelp();
  const below = command.commands.filter((one) => one.name() !== 'help');
  const forms = (below.length === 0 ? [command] : below).map((one) =>
    [
      `.B gpuledger ${roff(command.name())}${one === command ? '' : ` ${roff(one.name())}`}`,
      ...one.registeredArguments.map((argument) => roff(help.argumentTerm(argument))),
      '[\\fIoptions\\fR]',
    ].join('\n'),
  );
  return [
    `.SH SYNOPSIS\n${forms.join('\n.br\n')}\n`,
    `.SH DESCRIPTION\n${roff(command.description())}\n`,
    ...(below.length === 0
      ? [optionsOf(command, help)]
      : ['.SH COMMANDS\n', ...below.map((one) => subcommand(command, one, help))]),
    afterWords(command),
  ];
}

function subcommand(group: Command, command: Command, help: Help): string {
  const title = roff(`gpuledger ${group.name()} ${command.name()}`);
  return `.SS ${title}\n${roff(command.description())}\n${entriesOf(command, help)}`;
}

function optionsOf(command: Command, help: Help): string {
  return `.SH OPTIONS\n${entriesOf(command, help)}`;
}

function entriesOf(command: Command, help: Help): string {
  const entries = [
    ...help
      .visibleArguments(command)
      .map((one): [string, string] => [help.argumentTerm(one), help.argumentDescription(one)]),
    ...help
      .visibleOptions(command)
      .map((one): [string, string] => [help.optionTerm(one), help.optionDescription(one)]),
  ];
  return entries.map(([term, about]) => `.TP\n.B ${roff(term)}\n${roff(about)}\n`).join('');
}

/** What the help says after the options, in the paragraphs that it has there: examples, exit codes, plain words. */
function afterWords(command: Command): string {
  let whole = '';
  command.configureOutput({ ...command.configureOutput(), writeOut: (text) => (whole += text) }).outputHelp();
  const after = whole.slice(command.helpInformation().length);
  return after
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replace(/^\n+|\n+$/g, ''))
    .filter((paragraph) => paragraph !== '')
    .map(paragraphOf)
    .join('');
}

function paragraphOf(text: string): string {
  const exit = /^Exit codes: ([^]*)$/.exec(text)?.[1];
  if (exit !== undefined) return `.SH "EXIT STATUS"\n${roff(exit.replaceAll(/\s+/g, ' '))}\n`;
  const examples = /^Examples:\n([^]*)$/.exec(text)?.[1];
  if (examples !== undefined) return `.SH EXAMPLES\n${literal(examples)}`;
  return /^ /m.test(text) ? `.PP\n${literal(text)}` : `.PP\n${roff(text)}\n`;
}

function literal(text: string): string {
  return `.nf\n${roff(text)}\n.fi\n`;
}

function seeAlso({ commands }: Command, self: Command): string {
  const others = commands
    .filter((one) => one !== self)
    .map((one) => `.BR gpuledger\\-${roff(one.name())} (1)`);
  return `.SH "SEE ALSO"\n${['.BR gpuledger (1)', ...others].join(',\n')}\n`;
}

/** Text as roff takes it for text: a hyphen that can be copied, and no line that would be a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
}
