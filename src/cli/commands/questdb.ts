/** `gpuledger questdb`: a background QuestDB server of our own. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';

import type { QuestdbState } from '../../../schemas/questdb-state.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { clientConfOf, httpUrlOf, pingIdentity } from '../../server/ping.ts';
import { endProcess } from '../../server/process.ts';
import { startServer } from '../../server/server.ts';
import { readLiveState, removeRun } from '../../server/state.ts';
import { ownStateDir } from '../../disk/state-dir.ts';
import { directoryArgument } from '../directory-argument.ts';
import { startStep } from '../progress.ts';

const EXAMPLES = `
Examples:
  gpuledger questdb start                      a server in the background, data in ~/.local/state/gpuledger/questdb
  gpuledger questdb start --data /data/qdb     the same, with its data elsewhere
  gpuledger questdb status --json              where it is, for a script
  export QDB_CLIENT_CONF="$(gpuledger questdb url --client-conf)"
  gpuledger questdb stop

The server listens on 127.0.0.1 only, on its usual ports (9000, 8812, 9003) or on free ones where these are taken.

Exit codes: 0 done; 64 usage; 69 no Java, no Maven, port taken, or (status, url) no server runs; 75 try again later
`;

interface Flags {
  data: string;
  json?: true;
  java?: string;
  port?: number;
  clientConf?: true;
}

function defaultDataDir(): string {
  return join(ownStateDir(), 'questdb');
}

function parsePort(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('expected a port between 1 and 65535.');
}

function dataOption(): Option {
  return new Option('--data <dir>', "the server's directory")
    .default(defaultDataDir(), '$XDG_STATE_HOME/gpuledger/questdb')
    .argParser(directoryArgument);
}

/** What `--json` prints of a server. */
function describe(dataDir: string, state: QuestdbState): object {
  const { pid, version, javaMajor, startedAt, life, ports } = state;
  const addresses = { url: httpUrlOf(ports), clientConf: clientConfOf(ports) };
  return { running: true, ...addresses, pid, version, javaMajor, startedAt, life, ports, data: dataDir };
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function printAddresses(state: QuestdbState, dataDir: string): void {
  const dataFlag = dataDir === defaultDataDir() ? '' : ` --data ${dataDir}`;
  process.stdout.write(
    `web console   ${httpUrlOf(state.ports)}\n` +
      `write to it   export QDB_CLIENT_CONF="${clientConfOf(state.ports)}"\n` +
      `stop it       gpuledger questdb stop${dataFlag}\n`,
  );
}

/** Paths below the home directory as people write them. */
function shortPath(path: string): string {
  return path.startsWith(`${homedir()}/`) ? `~${path.slice(homedir().length)}` : path;
}

async function start(flags: Flags): Promise<void> {
  const dataDir = resolve(flags.data);
  const already = await readLiveState(dataDir);
  // A private server ends with the command that started it, so it is not what was asked for: startServer says so.
  if (already?.life === 'background') {
    if (flags.json === true) printJson(describe(dataDir, already));
    else {
      process.stdout.write(
        `QuestDB ${already.version} already runs (pid ${already.pid}), data in ${shortPath(dataDir)}\n`,
      );
      printAddresses(already, dataDir);
    }
    return;
  }
  const step = startStep('starting QuestDB');
  try {
    const server = await startServer({
      dataDir,
      life: 'background',
      javaPath: flags.java,
      ports: flags.port,
      onProgress: (message) => {
        step.update(message);
      },
    });
    const { host } = new URL(server.httpUrl);
    step.done(
      `QuestDB ${server.version} (Java ${server.javaMajor}) on ${host}, data in ${shortPath(dataDir)}`,
    );
  } catch (error) {
    step.fail('QuestDB');
    throw error;
  }
  const state = await requireRunning(dataDir);
  if (flags.json === true) printJson(describe(dataDir, state));
  else printAddresses(state, dataDir);
}

async function stop(flags: Flags): Promise<void> {
  const dataDir = resolve(flags.data);
  const state = await readLiveState(dataDir);
  if (state !== undefined) {
    const step = startStep(`stopping QuestDB (pid ${state.pid})`);
    await endProcess(state.pid, state.processStartTicks);
    await removeRun(dataDir, state.identity);
    step.done(`QuestDB stopped; its data stay in ${shortPath(dataDir)}`);
  } else if (flags.json !== true) {
    process.stdout.write(`no QuestDB server runs on ${shortPath(dataDir)}\n`);
  }
  if (flags.json === true) printJson({ running: false, stopped: state !== undefined, data: dataDir });
}

async function status(flags: Flags): Promise<void> {
  const dataDir = resolve(flags.data);
  const state = await readLiveState(dataDir);
  if (state === undefined && flags.json === true) {
    printJson({ running: false, data: dataDir });
    process.exitCode = 69;
    return;
  }
  const running = state ?? (await requireRunning(dataDir));
  const answers = (await pingIdentity(running.ports)) === running.identity;
  if (flags.json === true) printJson({ ...describe(dataDir, running), answers });
  else {
    const since = running.startedAt.slice(0, 19).replace('T', ' ');
    const life = running.life === 'private' ? ', private to another gpuledger command' : '';
    process.stdout.write(
      `QuestDB ${running.version} (Java ${running.javaMajor}), pid ${running.pid}, since ${since} UTC${life}: ` +
        `${answers ? 'answers' : 'does not answer (yet)'}\n` +
        `data          ${shortPath(dataDir)}\n`,
    );
    printAddresses(running, dataDir);
  }
  if (!answers) process.exitCode = 75;
}

async function url(flags: Flags): Promise<void> {
  const { ports } = await requireRunning(resolve(flags.data));
  if (flags.json === true) printJson({ url: httpUrlOf(ports), clientConf: clientConfOf(ports) });
  else process.stdout.write(`${flags.clientConf === true ? clientConfOf(ports) : httpUrlOf(ports)}\n`);
}

async function requireRunning(dataDir: string): Promise<QuestdbState> {
  const state = await readLiveState(dataDir);
  if (state !== undefined) return state;
  const dataFlag = dataDir === defaultDataDir() ? '' : ` --data ${dataDir}`;
  throw new OperatingError(`no QuestDB server of ours runs on ${shortPath(dataDir)}`, {
    code: 'questdb.not_running',
    exit: 'unavailable',
    hints: [`start one: gpuledger questdb start${dataFlag}`, 'or name its directory: --data DIR'],
  });
}

export function command(): Command {
  const json = (): Option => new Option('--json', 'print one line of JSON');
  const questdb = new Command('questdb')
    .description(
      'Start, stop and find a QuestDB server of our own: the real server, on loopback, in the background.',
    )
    .addHelpText('after', EXAMPLES);
  questdb
    .command('start')
    .description('start it, unless it runs already; returns when it answers')
    .addOption(dataOption())
    .option('--port <port>', 'HTTP port (default: 9000, or a free one when that is taken)', parsePort)
    .option(
      '--java <path>',
      'the java executable, 17 or newer (default: GPULEDGER_JAVA, JAVA_HOME, PATH, /usr/lib/jvm)',
    )
    .addOption(json())
    .action(start);
  questdb
    .command('stop')
    .description('stop it; its data stay')
    .addOption(dataOption())
    .addOption(json())
    .action(stop);
  questdb
    .command('status')
    .description('tell whether it runs and answers, and where')
    .addOption(dataOption())
    .addOption(json())
    .action(status);
  questdb
    .command('url')
    .description('print the address of its web console')
    .addOption(dataOption())
    .option('--client-conf', "print the client's configuration string instead")
    .addOption(json())
    .action(url);
  return questdb;
}
