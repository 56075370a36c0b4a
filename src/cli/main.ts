import { Command, CommanderError } from 'commander';
import { EXIT_CODES } from '../core/base/errors.ts';
import { reportFailure } from './failure.ts';
import { leaveStuckCalls } from './leave.ts';
import { watchOutput } from './output.ts';
import { said } from './said.ts';
import { showFormats } from './terminal.ts';

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<{
    readonly command: () => Command;
    /** Arguments as commander reads them, of a command that takes those of another program. */
    readonly argumentsOf?: (argv: readonly string[]) => readonly string[];
  }>;
}

/** Every command, in the order of `gpuledger --help`. A command's code is loaded when it is called, not before. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  demo: {
    summary: 'play six hours of a synthetic cluster into a real QuestDB and report them',
    load: () => import('./commands/demo.ts'),
  },
  run: { summary: 'collect on this node until told to stop', load: () => import('./commands/run.ts') },
  collect: { summary: 'collect for a while, flush, exit', load: () => import('./commands/collect.ts') },
  exporter: {
    summary: 'serve /metrics in the place of dcgm-exporter',
    load: () => import('./commands/exporter.ts'),
  },
  drain: {
    summary: 'fetch what host engines kept, write it, exit; no agent, no state',
    load: () => import('./commands/drain.ts'),
  },
  status: { summary: 'what the collector of this node is doing', load: () => import('./commands/status.ts') },
  doctor: {
    summary: 'what is wrong here, why it matters, and what mends it',
    load: () => import('./commands/doctor.ts'),
  },
  spool: { summary: 'what waits on disk for QuestDB', load: () => import('./commands/spool.ts') },
  report: { summary: 'what a job did; what the fleet did', load: () => import('./commands/report.ts') },
  serve: {
    summary: 'pages of jobs and of the fleet, for a browser',
    load: () => import('./commands/serve.ts'),
  },
  'watch-idle': {
    summary: 'running jobs whose GPUs idle',
    load: () => import('./commands/watch-idle.ts'),
  },
  digest: {
    summary: 'a month of the fleet, as files and as a mail',
    load: () => import('./commands/digest.ts'),
  },
  query: {
    summary: 'list, show and run named queries',
    load: () => import('./commands/query.ts'),
  },
  job: {
    summary: 'tell that a job begins or ends on this node',
    load: () => import('./commands/job.ts'),
  },
  jobs: { summary: 'bring jobs from a journal or from Slurm', load: () => import('./commands/jobs.ts') },
  devices: {
    summary: 'list the GPUs and MIG instances of this node',
    load: () => import('./commands/devices.ts'),
  },
  dmon: { summary: 'watch the devices live', load: () => import('./commands/dmon.ts') },
  profiling: {
    summary: 'pause and resume the profiling counters',
    load: () => import('./commands/profiling.ts'),
  },
  fields: { summary: 'list the fields that can be sampled', load: () => import('./commands/fields.ts') },
  config: { summary: 'check or print the configuration', load: () => import('./commands/config.ts') },
  schema: { summary: 'print or apply the tables and rollups', load: () => import('./commands/schema.ts') },
  questdb: {
    summary: 'start, stop and find a QuestDB of our own',
    load: () => import('./commands/questdb.ts'),
  },
  completion: {
    summary: 'commands and options on the Tab key of bash, zsh and fish',
    load: async () => {
      const { completionCommand } = await import('./completion/completion-command.ts');
      return { command: () => completionCommand(loadCommandTree) };
    },
  },
};

const ABOUT =
  'Records what every GPU did, at the resolution of the hardware, and whose job it was, in QuestDB.';

const HELP = `Usage: gpuledger <command> [options]

${ABOUT}

Commands:
${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}

  gpuledger <command> --help   options and examples of one command
  gpuledger --version          with -v: of what it is made, and where it lies

Exit codes: 0 fine, 64 usage, 65 malformed data, 69 a needed service or library is missing,
            70 a defect of gpuledger, 75 try again later, 77 not permitted, 78 configuration
`;

/** Runs one command line. @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const output = watchOutput(argv[0]);
  showFormats(process.stdout);
  showFormats(process.stderr);
  const exitCode = await output.settle(await runCommand(argv));
  leaveStuckCalls(exitCode);
  return exitCode;
}

/** `gpuledger` with every command below it, as it can be read, not run. */
export async function loadCommandTree(): Promise<Command> {
  const tree = new Command('gpuledger')
    .description(ABOUT)
    .option('-V, --version', 'print the version; with -v, of what it is made and where it lies');
  for (const [name, { summary, load }] of Object.entries(COMMANDS))
    tree.addCommand((await load()).command().name(name).summary(summary));
  return tree;
}

async function runCommand(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = name === 'help' ? rest[0] : undefined;
    if (asked !== undefined && Object.hasOwn(COMMANDS, asked)) return await runCommand([asked, '--help']);
    process.stdout.write(HELP);
    return name === undefined ? EXIT_CODES.usage : EXIT_CODES.ok;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    process.stderr.write(await unknownCommand(name));
    return EXIT_CODES.usage;
  }
  try {
    const { command, argumentsOf } = await entry.load();
    const program = command();
    prepare(program, `gpuledger ${name}`);
    await program.parseAsync(argumentsOf?.(rest) ?? rest, { from: 'user' });
    return Number(process.exitCode ?? EXIT_CODES.ok);
  } catch (thrown) {
    // Commander has already said what was wrong with the arguments, or printed the help that was asked for.
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return EXIT_CODES.ok;
      if (thrown.code === 'commander.help')
        process.stderr.write(`error: expected one of these commands after "gpuledger ${name}", came none\n`);
      return EXIT_CODES.usage;
    }
    return reportFailure(thrown);
  }
}

/** Makes a command and its subcommands throw instead of exit, name themselves as the user called them, and show what harms. */
function prepare(command: Command, name: string): void {
  command.name(name);
  for (const each of [command, ...command.commands]) {
    const path = each === command ? name : `${name} ${each.name()}`;
    const names = each.commands.map((one) => one.name()).filter((one) => one !== 'help');
    const required = each.options.filter(({ mandatory }) => mandatory).map(({ flags }) => flags);
    const form = names.length > 0 ? [path, names.join('|')] : [path, ...required, each.usage()];
    const output = { ...each.configureOutput() };
    each
      .exitOverride()
      .showHelpAfterError(`  expected: ${form.join(' ')}\n  all options: ${path} --help`)
      .configureOutput({
        writeErr: (text) => process.stderr.write(said(text)),
        outputError: (text, write) => {
          let told = '';
          output.outputError?.(text, (more) => (told += more));
          // A flag of the configuration is explained already.
          write(told === text ? (ofSibling(text, each, command, name) ?? text) : told);
        },
      });
  }
}

/** An option that another command of the group has: that one may be meant, and no option whose name looks alike. */
function ofSibling(text: string, each: Command, group: Command, name: string): string | undefined {
  const option = /^error: unknown option '(--?[\w-]+)/.exec(text)?.[1];
  if (option === undefined) return undefined;
  const owners = group.commands.filter(
    (one) => one !== each && one.options.some(({ long, short }) => long === option || short === option),
  );
  if (owners.length === 0) return undefined;
  const paths = owners.map((one) => `${name} ${one.name()}`);
  return `error: unknown option '${option}'\n  it is one of ${paths.join(', ')}\n`;
}

async function unknownCommand(name: string): Promise<string> {
  const { nearestWords } = await import('../../schemas/nearest.ts');
  const nearest = nearestWords(name, Object.keys(COMMANDS), 1).map(
    (word) => `  did you mean: gpuledger ${word}\n`,
  );
  return said(`error: no command "${name}"\n${nearest.join('')}  all commands: gpuledger --help\n`);
}
