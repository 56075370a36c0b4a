import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SETTINGS } from '../../src/config/settings.ts';
import { loadConfig } from '../../src/config/config-file.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

/** The environment as if nothing of ours were set. */
const BARE: Record<string, undefined> = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('GPULEDGER_') || name === 'QDB_CLIENT_CONF')
    .map((name) => [name, undefined]),
);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-config-command-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function written(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function config(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return runCommand(['config', ...args], { env: { ...BARE, ...env } });
}

interface Row {
  key: string;
  value: unknown;
  origin: string;
}

describe('gpuledger config check', () => {
  test('says that a file is fine, and what it warns of', async () => {
    const counters = written('counters.csv', 'DCGM_FI_DEV_GPU_TEMP,gauge,\nDCGM_EXP_P2P_STATUS,gauge,\n');
    const file = written(
      'good.yaml',
      'source: synthetic\nlanes: [{name: a, interval: 1s, fields_file: counters.csv}]\n',
    );
    const { exitCode, stdout, stderr } = await config(['check', '--config', file]);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 0,
      stdout: `${file}: fine (lanes a; source synthetic)\n`,
      stderr: `warning: ${counters}, line 2: DCGM_EXP_P2P_STATUS is worked out by dcgm-exporter and makes no column: gpuledger does not record it\n`,
    });
  });

  test('prints a mistake with its place and its cure, and ends with 78', async () => {
    const file = written(
      'fast.yaml',
      'lanes:\n  - name: profiling\n    interval: 50ms\n    fields: [1002, 155]\n',
    );
    const { exitCode, stdout, stderr } = await config(['check', '--config', file]);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 78,
      stdout: '',
      stderr: `error: lane "profiling": interval 50ms is below 100 ms, the floor of the profiling hardware
  ${file}, line 3: interval: 50ms
  write at least 100ms, or move the fields that are no profiling fields to a lane of their own
`,
    });
  });

  test('the example file is fine and says nothing but the defaults', async () => {
    const file = 'infra/gpuledger.example.yaml';
    const [example, defaults] = await Promise.all([
      loadConfig({ file, env: {}, flags: [] }),
      loadConfig({ file: written('empty.yaml', ''), env: {}, flags: [] }),
    ]);
    expect(example.config).toEqual(defaults.config);
    expect(example.warnings).toEqual([]);
  });
});

describe('gpuledger config print', () => {
  test('shows every value and where it came from, secrets masked', async () => {
    const file = written('print.yaml', 'node: n7\nretention: {raw: forever}\n');
    const env = {
      QDB_CLIENT_CONF: 'https::addr=db:9000;username=u;password=hunter2;',
      GPULEDGER_FLUSH_INTERVAL: '2s',
    };
    const args = [
      'print',
      '--config',
      file,
      '--source',
      'synthetic',
      '--gpus',
      '4',
      '--interval',
      '100ms',
      '--json',
    ];
    const { exitCode, stdout, stderr } = await config(args, env);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).not.toContain('hunter2');
    const rows = new Map(
      (JSON.parse(stdout) as Row[]).map(({ key, value, origin }) => [key, [value, origin]]),
    );
    expect(Object.fromEntries(rows)).toMatchObject({
      node: ['n7', `${file}, line 1`],
      source: ['synthetic', '--source'],
      'synthetic.gpus': [4, '--gpus'],
      'questdb.client_conf': ['https::addr=db:9000;username=u;password=***;', 'QDB_CLIENT_CONF'],
      'flush.interval': ['2s', 'GPULEDGER_FLUSH_INTERVAL'],
      'retention.raw': ['forever', `${file}, line 2`],
      'retention.rollup_1m': ['90d', 'default'],
      'lanes.profiling.interval': ['100ms', '--interval'],
      'lanes.profiling.capacity': [6_000, 'default'],
      'lanes.device.schedule': ['*/10 * * * * *', 'default'],
    });
  });

  test('leaves no key out', async () => {
    const file = written('whole.yaml', 'dcgm: {route: pull}\ndevices: g:0\n');
    const { stdout } = await config(['print', '--config', file, '--json']);
    const rows = JSON.parse(stdout) as Row[];
    const single = rows.map(({ key }) => key).filter((key) => !key.startsWith('lanes.'));
    expect(single).toEqual(SETTINGS.map(({ key }) => key));
    expect(rows).toContainEqual({ key: 'dcgm.route', value: 'pull', origin: `${file}, line 1` });
    expect(rows).toContainEqual({ key: 'devices', value: 'g:0', origin: `${file}, line 2` });
  });

  test('aligns its table, and keeps the string of a secret file to itself', async () => {
    const secret = written('secret.conf', 'https::addr=db;token=hunter2;\n');
    const { stdout } = await config([
      'print',
      '--questdb-conf-file',
      secret,
      '--config',
      written('e.yaml', ''),
    ]);
    const lines = stdout.trimEnd().split('\n');
    const column = lines[0]?.indexOf('value') ?? -1;
    expect(lines.every((line) => line[column - 1] === ' ' && line[column] !== ' ')).toBe(true);
    expect(lines.find((line) => line.startsWith('questdb.client_conf '))).toMatch(
      / {2}https::addr=db;token=\*\*\*; +--questdb-conf-file$/,
    );
  });

  test('an unknown flag and an unknown subcommand are usage errors', async () => {
    expect((await config(['print', '--gups', '4'])).exitCode).toBe(64);
    expect((await config(['prnt'])).exitCode).toBe(64);
  });

  test('help has examples', async () => {
    const { stdout, exitCode } = await config(['--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('gpuledger config check --config gpuledger.yaml');
  });
});
