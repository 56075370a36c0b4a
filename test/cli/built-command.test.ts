import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { buildFake } from '../helpers/fakes.ts';
import { runCommand } from '../helpers/run-process.ts';

const { stdout: HELP } = await runCommand(['--help']);
const COMMANDS = [...HELP.matchAll(/^ {2}(\w+) +\S/gm)]
  .map(([, name]) => name!)
  .filter((name) => name !== 'gpuledger');

/** What the bundle could get wrong: a chunk that is missing, a package that is no module, a worker in another place. */
describe('the built command', () => {
  test('knows its commands', () => {
    expect(COMMANDS).toContain('collect');
    expect(COMMANDS).toContain('questdb');
  });

  test.each(COMMANDS)('%s --help has examples', async (name) => {
    const { exitCode, stdout, stderr } = await runCommand([name, '--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain(`Usage: gpuledger ${name}`);
    expect(stdout).toContain('Examples:');
  });

  test.each([
    ['colect', '  did you mean: gpuledger collect\n'],
    ['frobnicate', ''],
  ])('%s is no command', async (name, hint) => {
    const { exitCode, stderr } = await runCommand([name]);
    expect(exitCode).toBe(64);
    expect(stderr).toBe(`error: no command "${name}"\n${hint}  all commands: gpuledger --help\n`);
  });

  test('samples, with its worker, and writes', async () => {
    const state = mkdtempSync(join(tmpdir(), 'gpuledger-built-'));
    onTestFinished(() => {
      rmSync(state, { recursive: true });
    });
    const args = [
      'collect',
      '--once',
      // Other tests have put samples of what they call real GPUs into this server.
      '--force',
      '--source',
      'synthetic',
      '--gpus',
      '2',
      '--json',
      '--state-dir',
      state,
    ];
    const { exitCode, stdout, stderr } = await runCommand(args, {
      env: { QDB_CLIENT_CONF: inject('questdbConf') },
    });
    expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { lanes } = JSON.parse(stdout) as { lanes: { lane: string; acknowledgedRows: number }[] };
    expect(lanes.map(({ lane, acknowledgedRows }) => [lane, acknowledgedRows])).toEqual([
      ['profiling', 2],
      ['device', 2],
      ['slow', 2],
    ]);
    // A second one in the same state directory says which rows are its own.
    const again = await runCommand(
      args.filter((word) => word !== '--json'),
      { env: { QDB_CLIENT_CONF: inject('questdbConf') } },
    );
    expect(again.stdout).toMatch(/^profiling +4 +4 /m);
    expect(again.stdout).toContain(
      `counted over the whole life of ${state}; this run sampled profiling 2, device 2, slow 2\n`,
    );
  });

  test.each([
    ['dcgm', 'run'],
    ['dcgm', 'collect --once'],
    ['dcgm', 'collect --for 1s'],
    ['dcgm', 'devices'],
    ['dcgm', 'dmon'],
    ['dcgm', 'drain'],
    ['nvml', 'run --source nvml'],
    ['nvml', 'collect --source nvml --once'],
    ['nvml', 'devices --source nvml'],
    ['nvml', 'dmon --source nvml'],
  ])('without the library of %s, `%s` says so before anything else', async (source, line) => {
    const env = {
      [`GPULEDGER_${source.toUpperCase()}_LIBRARY`]: '/nowhere',
      QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;',
    };
    const { exitCode, stdout, stderr } = await runCommand(line.split(' '), { env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 69, stdout: '' });
    expect(stderr).toMatch(/^error: lib(dcgm|nvidia-ml)\.so\.\d not found/);
    expect(stderr).toContain(`looked in: --${source}-library (/nowhere)`);
  });

  test.each([
    [['--engines', ''], 'error: the list of engines cannot be read: there is no such file', '--engines ""'],
    [['-r', 'a b:x'], 'error: engine "a b:x" is neither host', 'a port is 1 to 65535; nv-hostengine'],
  ])('drain %j looks at its arguments before the library', async (args, message, line) => {
    const { exitCode, stdout, stderr } = await runCommand(['drain', ...args], {
      env: { GPULEDGER_DCGM_LIBRARY: '/nowhere', QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' },
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 78, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toContain(`\n  ${line}`);
  });

  test.each(['dcgm', 'nvml'] as const)('loads the library of %s', async (source) => {
    const env = { [`GPULEDGER_${source.toUpperCase()}_LIBRARY`]: buildFake(source) };
    const { exitCode, stdout, stderr } = await runCommand(['devices', '--source', source, '--json'], { env });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { devices } = JSON.parse(stdout) as { devices: { uuid: string }[] };
    expect(devices).toHaveLength(8);
  });
});
