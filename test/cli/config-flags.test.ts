import { describe, expect, test } from 'vitest';
import { SETTINGS } from '../../src/config/settings.ts';
import { CONFIGURED_COMMANDS, flaggedSettings } from '../../src/cli/config-flags.ts';
import { configuredCommand } from '../helpers/configured-command.ts';
import { runCommand } from '../helpers/run-process.ts';

const EVERY_FLAG = [
  ...new Set(
    CONFIGURED_COMMANDS.flatMap((name) => flaggedSettings(name).map(({ flag = '' }) => longOf(flag))),
  ),
];

function longOf(flag: string): string {
  return /--[a-z-]+/.exec(flag)![0];
}

describe('flags of the configuration', () => {
  test('all stand above the keys that have one', () => {
    expect(EVERY_FLAG).toHaveLength(19);
    expect(SETTINGS.filter(({ flag }) => flag !== undefined)).toHaveLength(17);
  });

  test.each(CONFIGURED_COMMANDS)('%s offers those that it reads, and no others', async (name) => {
    const { options } = await configuredCommand(name);
    const offered = options.map(({ long }) => long).filter((long) => EVERY_FLAG.includes(long ?? ''));
    const read = flaggedSettings(name).map(({ flag = '' }) => longOf(flag));
    expect(offered).toEqual(read);
    expect(options.map(({ long }) => long)).toContain('--config');
  });

  test('one that means nothing to a command is refused, and the commands that know it are named', async () => {
    const { exitCode, stdout, stderr } = await runCommand(['status', '--seed', '3']);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 64,
      stdout: '',
      stderr: `error: unknown option '--seed'
  --seed is a flag of run, collect, exporter, devices, dmon, config check, config print
  expected: gpuledger status [options]
  all options: gpuledger status --help
`,
    });
    const short = await runCommand(['profiling', 'status', '-r', 'localhost']);
    expect(short.exitCode).toBe(64);
    expect(short.stderr).toContain('-r is a flag of run, collect, drain, devices, dmon, profiling pause,');
  });

  test('one without a value switches its key on, above the environment', async () => {
    const { exitCode, stdout } = await runCommand(
      ['config', 'print', '--config', '/dev/null', '--job-label-shares', '--compat', '4.8.2'],
      { env: { GPULEDGER_METRICS_JOB_SHARES: 'false' } },
    );
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/job_shares +true +--job-label-shares/);
    expect(stdout).toMatch(/compat +4\.8\.2 +--compat/);
    expect(stdout).toMatch(/jobstats +false +default/);
  });

  test('one that nobody knows has no such line', async () => {
    const { stderr } = await runCommand(['status', '--sed', '3']);
    expect(stderr).toBe(
      "error: unknown option '--sed'\n  expected: gpuledger status [options]\n  all options: gpuledger status --help\n",
    );
  });

  test('the key that it sets may be in the environment of every command', async () => {
    const { exitCode, stderr } = await runCommand(['spool', 'status', '--state-dir', '/nonexistent'], {
      env: { GPULEDGER_SYNTHETIC_SEED: '3' },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});
