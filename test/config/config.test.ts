import { USUAL_FINDING_LIMITS } from '../../src/core/analysis/finding-limits.ts';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { loadConfig, type ConfigRequest, type LoadedConfig } from '../../src/config/config-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-config-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

let fileCount = 0;
function written(text: string, mode = 0o600): string {
  fileCount += 1;
  const path = join(directory, `${fileCount}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** The loader without what happens to be on this machine. */
function load(yaml: string, more: Partial<ConfigRequest> = {}): Promise<LoadedConfig> {
  return loadConfig({ file: written(yaml), env: {}, flags: [], ...more });
}

/** Key → where its value came from. */
function originsOf({ shown }: LoadedConfig): Map<string, string> {
  return new Map(shown().map(({ key, origin }) => [key, origin]));
}

/** What a person reads, with the file's name as `FILE`. */
async function refusalOf(yaml: string, more: Partial<ConfigRequest> = {}): Promise<string> {
  const file = written(yaml);
  try {
    await loadConfig({ file, env: {}, flags: [], ...more });
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    expect(thrown.exit).toBe('config');
    const lines = [thrown.message, ...(thrown.where === undefined ? [] : [thrown.where]), ...thrown.hints];
    return lines.join('\n').replaceAll(file, 'FILE').replaceAll(directory, 'DIR');
  }
  return 'accepted';
}

/** Each is ten of the one before. */
const ALIASES = 'bcdefghi'
  .split('')
  .map((name, at) => `${name}: &${name} [${Array(10).fill(`*${'abcdefgh'[at]!}`).join(', ')}]\n`)
  .join('');

const PROFILING = 'lanes: [{name: profiling, interval: 1s, fields: [sm_active_ratio, power_watts]}]\n';

describe('defaults', () => {
  test('stand where nothing is said', async () => {
    const loaded = await load('', { env: { XDG_STATE_HOME: '/state' } });
    const { config, warnings } = loaded;
    expect(config).toMatchObject({
      source: 'dcgm',
      synthetic: { nodes: 1, gpus: 8, seed: 1, mig: false },
      devices: 'f',
      dcgm: { engine: 'embedded', route: 'auto' },
      questdb: { clientConf: 'http::addr=127.0.0.1:9000;', requestTimeoutMs: 30_000, gzip: false },
      delivery: {
        hasJournal: true,
        spoolBytesMax: 2 ** 31,
        spoolAgeMsMax: 14 * 86_400_000,
        confirm: 'acknowledged',
      },
      flush: { intervalMs: 5_000, batchRows: 10_000 },
      jobs: {},
      retention: { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '3 YEARS', rollup1d: '' },
      stateDir: '/state/gpuledger',
      log: { format: 'human', level: 'info' },
    } satisfies Partial<Config>);
    expect(config.lanes.map(({ name, intervalMs }) => [name, intervalMs])).toEqual([
      ['profiling', 1_000],
      ['device', 10_000],
      ['slow', 60_000],
    ]);
    expect(warnings).toEqual([]);
    expect(new Set(originsOf(loaded).values())).toEqual(new Set(['default']));
  });

  test("the cluster's name is in lower case, as Slurm accounts it, wherever it is written", async () => {
    const inFile = await load('cluster: Alpha');
    const inVariable = await load('', { env: { GPULEDGER_CLUSTER: 'Alpha' } });
    expect([inFile, inVariable].map(({ config }) => config.cluster)).toEqual(['alpha', 'alpha']);
    expect(inFile.shown().find(({ key }) => key === 'cluster')).toMatchObject({ value: 'alpha' });
  });

  test('a section that holds nothing is as good as none', async () => {
    const { config } = await load('synthetic:\nflush:\n  interval:\n');
    expect(config.flush.intervalMs).toBe(5_000);
  });
});

describe('layers', () => {
  test('a flag stands above the environment, the environment above the file, the file above the default', async () => {
    const file = written('source: nvml\nflush: {interval: 1s}\nsynthetic: {gpus: 2, seed: 3}\n');
    const loaded = await loadConfig({
      file,
      env: { GPULEDGER_SYNTHETIC_GPUS: '4', GPULEDGER_SOURCE: 'synthetic', GPULEDGER_SYNTHETIC_MIG: 'true' },
      flags: [{ key: 'synthetic.gpus', value: '16', origin: '--gpus' }],
    });
    expect(loaded.config).toMatchObject({
      source: 'synthetic',
      synthetic: { nodes: 1, gpus: 16, seed: 3, mig: true },
      flush: { intervalMs: 1_000 },
    });
    expect(Object.fromEntries(originsOf(loaded))).toMatchObject({
      source: 'GPULEDGER_SOURCE',
      'synthetic.gpus': '--gpus',
      'synthetic.seed': `${file}, line 3`,
      'synthetic.nodes': 'default',
      'flush.interval': `${file}, line 2`,
    });
  });

  test('the file is named by the flag, else by the environment', async () => {
    const env = { GPULEDGER_CONFIG: written('node: from-env\n') };
    const named = await loadConfig({ env, flags: [] });
    expect(named.config.node).toBe('from-env');
    const flagged = await loadConfig({ file: written('node: from-flag\n'), env, flags: [] });
    expect(flagged.config.node).toBe('from-flag');
    const usual = await loadConfig({ env: {}, flags: [] });
    const empty = await loadConfig({ env: { GPULEDGER_CONFIG: '' }, flags: [] });
    expect(empty.files).toEqual(usual.files);
  });

  test('an interval from above replaces the schedule of the lane profiling', async () => {
    const yaml = 'lanes: [{name: profiling, schedule: "*/5 * * * * *", fields: [1002]}]\n';
    const flags = [{ key: 'lanes.profiling.interval', value: '100ms', origin: '--interval' }];
    const loaded = await load(yaml, { flags });
    expect(loaded.config.lanes[0]).toMatchObject({
      schedule: 'continuous',
      intervalMs: 100,
      capacityTicks: 6_000,
    });
    expect(originsOf(loaded).get('lanes.profiling.interval')).toBe('--interval');
  });

  test('a counters file from above replaces the fields of the lane profiling', async () => {
    const value = written('DCGM_FI_DEV_GPU_TEMP,gauge,\nDCGM_FI_DRIVER_VERSION,label,\n');
    const flags = [{ key: 'lanes.profiling.fields_file', value, origin: '--counters' }];
    const { config, warnings } = await load(PROFILING, { flags });
    expect(config.lanes[0]?.fields.map(({ id }) => id)).toEqual([150]);
    expect(warnings).toEqual([
      `${value}, line 2: DCGM_FI_DRIVER_VERSION makes no column: a label is a fact about the device: it is the column driver of gpu_inventory`,
    ]);
  });

  test('of a counters file of which very many rows are left out the first are told', async () => {
    const value = written(`DCGM_FI_DEV_GPU_TEMP,gauge,\n${'DCGM_FI_DRIVER_VERSION,label,\n'.repeat(1000)}`);
    const flags = [{ key: 'lanes.profiling.fields_file', value, origin: '--counters' }];
    const { warnings } = await load(PROFILING, { flags });
    expect(warnings).toHaveLength(51);
    expect(warnings.at(-1)).toBe(`${value}: 950 more rows are left out, too`);
  });

  test('relative paths of the file start at the file', async () => {
    writeFileSync(join(directory, 'relative.csv'), 'DCGM_FI_DEV_GPU_TEMP,gauge,\n');
    const yaml = 'state_dir: here\nlanes: [{name: a, interval: 1s, fields_file: relative.csv}]\n';
    const { config } = await load(yaml);
    expect(config.stateDir).toBe(join(directory, 'here'));
    expect(config.lanes[0]?.fields).toHaveLength(1);
  });

  test('a field that never has a value is recorded and warned of, with the one that has', async () => {
    const { config, warnings } = await load('lanes: [{name: a, interval: 1s, fields: [201, 155]}]\n');
    expect(config.lanes[0]?.fields.map(({ id }) => id)).toEqual([201, 155]);
    expect(warnings).toEqual(['lane "a": no source has a value for 201; use DCGM_FI_PROF_PCIE_RX_BYTES']);
  });

  test('a flag that does nothing is warned of', async () => {
    const flags = [{ key: 'synthetic.gpus', value: '4', origin: '--gpus' }];
    const { warnings } = await load('source: nvml\n', { flags });
    expect(warnings).toEqual([
      '--gpus is about the source synthetic, and the source is nvml: it does nothing',
    ]);
    expect((await load('source: synthetic\n', { flags })).warnings).toEqual([]);
  });

  test('a variable that is nearly known is warned of', async () => {
    const { warnings } = await load('', { env: { GPULEDGER_SORCE: 'nvml', GPULEDGER_TEST_QUESTDB: 'x' } });
    expect(warnings).toEqual(['environment: GPULEDGER_SORCE is not known; did you mean GPULEDGER_SOURCE?']);
  });
});

describe('the QuestDB string', () => {
  const secret = 'https::addr=db:9000;username=u;password=hunter2;';

  test('comes inline, from a file, or from QDB_CLIENT_CONF; the higher layer wins', async () => {
    const path = written(`${secret}\n`);
    const inFile = await load(`questdb: {client_conf_file: ${path}}\n`);
    expect(inFile.config.questdb.clientConf).toBe(secret);
    const env = { QDB_CLIENT_CONF: 'http::addr=other;' };
    const inEnv = await load(`questdb: {client_conf_file: ${path}}\n`, { env });
    expect(inEnv.config.questdb.clientConf).toBe('http::addr=other;');
    const flags = [{ key: 'questdb.client_conf_file', value: path, origin: '--questdb-conf-file' }];
    const flagged = await load('', { env, flags });
    expect(flagged.config.questdb.clientConf).toBe(secret);
  });

  test('a secret that everybody can read is warned of', async () => {
    const path = written(secret, 0o644);
    const { warnings } = await load(`questdb: {client_conf_file: ${path}}\n`);
    expect(warnings).toEqual([`${path} holds a secret and everybody can read it: chmod o-r ${path}`]);
    const inline = written(`questdb: {client_conf: "${secret}"}\n`, 0o644);
    const loaded = await loadConfig({ file: inline, env: {}, flags: [] });
    expect(loaded.warnings).toHaveLength(1);
  });

  test.each([
    [
      'http::addr=db:9000;token=x;',
      ['the secret of QuestDB goes to db unencrypted: use https::, to a TLS proxy before the server'],
    ],
    ['http::addr=127.0.0.1:9000;token=x;', []],
    ['http::addr=db:9000;', []],
    ['https::addr=db:9000;token=x;', []],
    [
      'https::addr=db:9000;token=x;tls_verify=unsafe_off;',
      ['tls_verify=unsafe_off: whoever answers as db is believed to be QuestDB'],
    ],
  ])('on its way is told of: %s', async (conf, warnings) => {
    expect((await load('', { env: { QDB_CLIENT_CONF: conf } })).warnings).toEqual(warnings);
  });

  test('is never shown in an error', async () => {
    const bad = await refusalOf('questdb: {client_conf: "http::addr=h;pasword=hunter2;"}\n');
    expect(bad)
      .toBe(`questdb.client_conf: expected a QuestDB client configuration string: unknown key "pasword"; did you mean password?
FILE, line 1: client_conf: ***
write it like http::addr=host:9000;
with a password: https::addr=host:9000;username=USER;password=SECRET;`);
    const env = { QDB_CLIENT_CONF: 'tcp::addr=h;token=hunter2;' };
    expect(await refusalOf('', { env }))
      .toBe(`questdb.client_conf: expected a QuestDB client configuration string: expected http or https, came tcp
QDB_CLIENT_CONF=***
ILP over TCP is never acknowledged, so nobody could tell what was written: use http`);
    expect(await refusalOf('questdb:\n  client_conf: "token=hunter2\n')).not.toContain('hunter2');
  });
});

/** One mistake each: the YAML, and all that a person reads. */
const GOLDEN: readonly [name: string, yaml: string, refusal: string][] = [
  ['an unknown key', 'flsh: {}\n', 'unknown key "flsh" at the top\nFILE, line 1\ndid you mean: flush'],
  [
    'an unknown key in a section',
    'flush:\n  # often\n  intervall: 5s\n',
    'unknown key "intervall" in flush\nFILE, line 3\ndid you mean: interval',
  ],
  [
    'a key that is near to nothing',
    'log: {colour: true}\n',
    'unknown key "colour" in log\nFILE, line 1\nknown in log: format, level',
  ],
  [
    'no unit',
    'flush:\n  interval: 5\n',
    'flush.interval: expected a duration with its unit (ms, s, m, h, d, w), came 5 without a unit\nFILE, line 2: interval: 5\nwrite it like 100ms, 1s, 10m, 1h, 14d',
  ],
  [
    'a configuration string where the file should be',
    'http::addr=db:9000;token=s3cret;',
    'expected a map of keys, came text of 32 characters\nFILE',
  ],
  [
    'a configuration string as a value of another key',
    'source: http::addr=db:9000;token=s3cret;\n',
    'source: expected dcgm, nvml, synthetic or recording, came text of 32 characters\nFILE, line 1: source: http::addr=db:9000;token=***;',
  ],
  [
    'a wrong unit',
    'flush:\n  interval: 5MiB\n',
    'flush.interval: expected a duration with its unit (ms, s, m, h, d, w), came "5MiB" with the unit "MiB"\nFILE, line 2: interval: 5MiB\nwrite it like 100ms, 1s, 10m, 1h, 14d',
  ],
  [
    'profiling below its floor',
    'lanes:\n  - name: profiling\n    interval: 50ms # fast\n    fields: [sm_active_ratio, power_watts]\n',
    'lane "profiling": interval 50ms is below 100 ms, the floor of the profiling hardware\nFILE, line 3: interval: 50ms\nwrite at least 100ms, or move the fields that are no profiling fields to a lane of their own',
  ],
  [
    'a lane below any floor',
    'lanes:\n  - name: a\n    interval: 9ms\n    fields: [power_watts]\n',
    'lane "a": interval: expected at least 10ms, came 9ms (no driver value is fresher than that, and the spacing of the ticks would be the scheduler\'s)\nFILE, line 3: interval: 9ms',
  ],
  [
    'seconds out of range',
    'lanes:\n  - name: a\n    schedule: "75 * * * * *"\n    fields: [1002]\n',
    'lane "a": schedule: expected seconds 0-59, came 75\nFILE, line 3: schedule: "75 * * * * *"\nevery ten seconds is "*/10 * * * * *"; without a schedule the lane samples continuously at its interval',
  ],
  [
    'five fields of cron',
    'lanes:\n  - name: a\n    schedule: "*/5 * * * *"\n    fields: [1002]\n',
    'lane "a": schedule: expected six fields (second minute hour day month weekday), came 5: "*/5 * * * *"; for once a minute write "0 */5 * * * *"\nFILE, line 3: schedule: "*/5 * * * *"\nevery ten seconds is "*/10 * * * * *"; without a schedule the lane samples continuously at its interval',
  ],
  [
    'an unknown field',
    'lanes:\n  - name: a\n    interval: 1s\n    fields:\n      - sm_active_ratio\n      - power_wats\n',
    'lane "a": no field is called "power_wats"\nFILE, line 6: power_wats\ndid you mean: power_watts',
  ],
  [
    'a field twice, by two names',
    'lanes:\n  - name: a\n    interval: 1s\n    fields:\n      - sm_active_ratio\n      - 1002\n',
    'lane "a": 1002 and sm_active_ratio are the same field (1002)\nFILE, line 6: 1002\nleave one of them out',
  ],
  [
    'a field that is text',
    'lanes: [{name: a, interval: 1s, fields: [DCGM_FI_DRIVER_VERSION]}]\n',
    'lane "a": DCGM_FI_DRIVER_VERSION cannot be a column: it is a string, and a column is a number; it is the column driver of gpu_inventory\nFILE, line 1: lanes: [{name: a, interval: 1s, fields: [DCGM_FI_DRIVER_VERSION]}]',
  ],
  [
    'two lanes of one name',
    'lanes:\n  - {name: a, interval: 1s, fields: [155]}\n  - {name: a, interval: 1s, fields: [150]}\n',
    'lane "a": another lane has this name already\nFILE, line 3: {name: a, interval: 1s, fields: [150]}\nevery lane has a name of its own',
  ],
  [
    'two lanes of one table',
    'lanes:\n  - {name: a, interval: 1s, fields: [155]}\n  - {name: b, table: gpu_a, interval: 1s, fields: [150]}\n',
    'lane "b": table gpu_a is already the table of lane "a"\nFILE, line 3: {name: b, table: gpu_a, interval: 1s, fields: [150]}',
  ],
  [
    "a table of gpuledger's own",
    'lanes:\n  - {name: events, interval: 1s, fields: [155]}\n',
    'lane "events": table gpu_events is one of gpuledger\'s own\nFILE, line 2: {name: events, interval: 1s, fields: [155]}\ngive the lane another name',
  ],
  ...['gpu_b_1d', 'gpu_b_1m_aged', 'gpu_b_power_watts_hist_1h', 'gpu_b_power_watts_hist_1d_aged'].map(
    (table): [string, string, string] => [
      `a table called as a rollup is: ${table}`,
      `lanes:\n  - {name: a, table: ${table}, interval: 1s, fields: [155]}\n`,
      `lane "a": table ${table} would be taken for a rollup\nFILE, line 2: {name: a, table: ${table}, interval: 1s, fields: [155]}\nend it otherwise than in _1m, _1h or _1d`,
    ],
  ),
  [
    'an interval beside a schedule',
    'lanes:\n  - name: a\n    schedule: "*/10 * * * * *"\n    interval: 1s\n    fields: [155]\n',
    'lane "a": the schedule "*/10 * * * * *" already makes the interval 10s\nFILE, line 4: interval: 1s\nwrite either an interval (continuous) or a schedule',
  ],
  [
    'neither interval nor schedule',
    'lanes:\n  - name: a\n    fields: [155]\n',
    'lane "a": expected an interval or a schedule, came neither\nFILE, line 2: name: a\nfor example interval: 1s',
  ],
  [
    'no fields',
    'lanes:\n  - name: a\n    interval: 1s\n',
    'lane "a": expected fields or a fields_file, came neither\nFILE, line 2: name: a\nfor example fields: [sm_active_ratio, power_watts]',
  ],
  [
    'a name that is no table',
    'lanes:\n  - {name: My-Lane, interval: 1s, fields: [155]}\n',
    'lane "My-Lane": name: expected at most 40 lower-case letters, digits and underscores, a letter first; came "My-Lane"\nFILE, line 2: {name: My-Lane, interval: 1s, fields: [155]}',
  ],
  [
    'a counters file that is not there',
    'lanes:\n  - {name: a, interval: 1s, fields_file: nope.csv}\n',
    'lane "a": the counters file cannot be read: there is no such file or directory (ENOENT)\nFILE, line 2: {name: a, interval: 1s, fields_file: nope.csv}\nDIR/nope.csv\nlook at the path, or name another one',
  ],
  [
    'a number that is none',
    'synthetic: {gpus: many}\n',
    'synthetic.gpus: expected a whole number, came "many"\nFILE, line 1: synthetic: {gpus: many}',
  ],
  [
    'a number out of range',
    'synthetic: {gpus: 65}\n',
    'synthetic.gpus: expected at most 64, came 65\nFILE, line 1: synthetic: {gpus: 65}',
  ],
  [
    'an unknown source',
    'source: dgcm\n',
    'source: expected dcgm, nvml, synthetic or recording, came "dgcm"\nFILE, line 1: source: dgcm',
  ],
  [
    'a retention in hours',
    'retention: {raw: 12h}\n',
    'retention.raw: expected a time in whole days, weeks, months or years (14d, 8w, 6M, 3y) or forever, came "12h"\nFILE, line 1: retention: {raw: 12h}',
  ],
  ['a key twice', 'source: dcgm\nsource: nvml\n', 'key "source" comes twice\nFILE, line 2'],
  ['a list at the top', '- a\n', 'expected a map of keys, came a list\nFILE'],
  [
    'both ways to name QuestDB',
    'questdb: {client_conf: "http::addr=h;", client_conf_file: f}\n',
    '2 problems in FILE\n· questdb: expected client_conf or client_conf_file, came both\n    FILE, line 1: client_conf: ***\n    keep the file: it is for secrets\n· questdb.client_conf_file: the file with the QuestDB configuration string cannot be read: there is no such file or directory (ENOENT)\n    FILE, line 1: client_conf: ***\n    DIR/f\n    look at the path, or name another one',
  ],
];

describe('what is refused, word for word', () => {
  test.each(GOLDEN)('%s', async (_name, yaml, refusal) => {
    expect(await refusalOf(yaml)).toBe(refusal);
  });

  test('a secret as a key', async () => {
    const text = await refusalOf('"token=s3cret": 1\n');
    expect(text).toMatch(
      /^unknown key \(text of 12 characters\) at the top\nFILE, line 1\nknown at the top: /,
    );
    expect(text).not.toContain('s3cret');
  });

  test.each([
    ['an alias of aliases', `a: &a [x, x, x, x, x, x, x, x, x, x]\n${ALIASES}`, 'not a configuration: '],
    ['bytes that are no text', 'source: dcgm\0\n', 'the configuration cannot be read: expected text, found'],
    ['a file that is too large', `# ${'x'.repeat(1024 * 1024)}\n`, 'expected at most 1024 KiB, found more'],
  ])('%s', async (_, yaml, beginning) => {
    expect(await refusalOf(yaml)).toContain(beginning);
  });

  test('a file without end', async () => {
    const loading = loadConfig({ file: '/dev/zero', env: {}, flags: [] });
    await expect(loading).rejects.toThrow('expected at most 1024 KiB, found more');
  });

  test('everything at once, in the order of the file', async () => {
    const yaml = `sorce: dcgm
flush: {interval: 5}
lanes:
  - {name: a, interval: 50ms, fields: [1002]}
  - {name: a, interval: 5ms, feilds: [155]}
log: {level: loud}
`;
    const text = await refusalOf(yaml);
    expect(text.split('\n').filter((line) => !line.startsWith('    '))).toEqual([
      '7 problems in FILE',
      '· unknown key "sorce" at the top',
      '· flush.interval: expected a duration with its unit (ms, s, m, h, d, w), came 5 without a unit',
      '· lane "a": interval 50ms is below 100 ms, the floor of the profiling hardware',
      expect.stringMatching(/^· lane "a": interval: expected at least 10ms, came 5ms/),
      '· unknown key "feilds" in lane "a"',
      '· lane "a": another lane has this name already',
      '· log.level: expected debug, info, warn or error, came "loud"',
    ]);
  });

  test('a flag and a variable are named as the place', async () => {
    const flags = [{ key: 'lanes.profiling.interval', value: '50ms', origin: '--interval' }];
    expect(await refusalOf(PROFILING, { flags })).toBe(
      'lane "profiling": interval 50ms is below 100 ms, the floor of the profiling hardware\n--interval 50ms\nwrite at least 100ms, or move the fields that are no profiling fields to a lane of their own',
    );
    expect(await refusalOf('', { env: { GPULEDGER_LOG_LEVEL: 'loud' } })).toBe(
      'log.level: expected debug, info, warn or error, came "loud"\nGPULEDGER_LOG_LEVEL=loud',
    );
  });

  test('an interval for a lane that is not there', async () => {
    const flags = [{ key: 'lanes.profiling.interval', value: '1s', origin: '--interval' }];
    expect(await refusalOf('lanes: [{name: a, interval: 1s, fields: [155]}]\n', { flags })).toBe(
      '--interval is about the lane "profiling", and FILE has no such lane\n--interval 1s\nset interval in the file, for the lane that you mean',
    );
  });

  test('a file that is not there', async () => {
    await expect(loadConfig({ file: '/nonexistent/x.yaml', env: {}, flags: [] })).rejects.toMatchObject({
      message: 'the configuration cannot be read: there is no such file or directory (ENOENT)',
      where: '/nonexistent/x.yaml',
      exit: 'config',
    });
  });
});

describe('schedules', () => {
  test.each([
    ['* * * * * *', 1_000],
    ['*/10 * * * * *', 10_000],
    ['0 * * * * *', 60_000],
    ['0 */5 * * * *', 300_000],
    ['30 0 3 * * *', 86_400_000],
    ['0,20,40 * * * * *', 20_000],
  ])('"%s" ticks every %i ms', async (schedule, intervalMs) => {
    const { config, warnings } = await load(`lanes: [{name: a, schedule: "${schedule}", fields: [155]}]\n`);
    expect(config.lanes[0]).toMatchObject({ schedule, intervalMs });
    expect(warnings).toEqual([]);
  });

  test('an uneven one is told of', async () => {
    const { config, warnings } = await load('lanes: [{name: a, schedule: "0,5 * * * * *", fields: [155]}]\n');
    expect(config.lanes[0]?.intervalMs).toBe(5_000);
    expect(warnings).toEqual([
      'lane "a": schedule "0,5 * * * * *" fires in steps from 5s to 55s: a sample after a step above 12500ms speaks for no time (it counts as a gap)',
    ]);
  });
});

describe('jobs.device_map', () => {
  test('names a device for each position', async () => {
    const { config } = await load('node: n\njobs:\n  device_map: 0=GPU-a, 1=MIG-b\n');
    expect([...(config.jobs.deviceMap ?? [])]).toEqual([
      [0, 'GPU-a'],
      [1, 'MIG-b'],
    ]);
  });

  test.each(['0', '0=1', 'GPU-a', '0=GPU-a, 0=GPU-b', '0=GPU-a,', 'x=GPU-a'])('refuses %s', async (text) => {
    expect(await refusalOf(`node: n\njobs:\n  device_map: '${text}'\n`)).toMatch(
      /expected positions and UUIDs such as "0=GPU-/,
    );
  });
});

describe('idle', () => {
  test('is below 5 % where nothing is written', async () => {
    const { config } = await load('node: n\n');
    expect(config.idle).toEqual({ smRatio: 0.05 });
  });

  test('has a limit, and others by model', async () => {
    const { config } = await load(
      'node: n\nidle: {sm_ratio: 0.02, models: "NVIDIA A100=0.1, NVIDIA A30 = 0.20"}\n',
    );
    expect(config.idle.smRatio).toBe(0.02);
    expect([...(config.idle.models ?? [])]).toEqual([
      ['NVIDIA A100', 0.1],
      ['NVIDIA A30', 0.2],
    ]);
  });

  test.each(['0', '0.03', '1', '-0.05', 'five', '""', '5 %', '[0.05]'])(
    'refuses the limit %s and names those that there are',
    async (text) => {
      expect(await refusalOf(`node: n\nidle: {sm_ratio: ${text}}\n`)).toMatch(
        /expected one of 0\.01, 0\.02, 0\.05, 0\.1, 0\.2, came/,
      );
    },
  );

  test.each(['NVIDIA A100', '=0.1', 'a=0.1, a=0.2', 'a=0.05, b=0.055', 'a=0.1,', 'a='])(
    'refuses the models %s',
    async (text) => {
      expect(await refusalOf(`node: n\nidle: {models: '${text}'}\n`)).toMatch(
        /expected models and limits such as/,
      );
    },
  );
});

describe('costs', () => {
  const YAML =
    'node: n\ncosts:\n  currency: EUR\n  gpu_hour: NVIDIA H200=3.20, NVIDIA A100 = 1, other=0.5\n  kwh: 0.19\n  pue: 1.3\n  grams_per_kwh: "120"\n  rgu: __proto__=2\n';

  test('are nothing where nothing is written', async () => {
    expect((await load('node: n\n')).config.costs).toEqual({});
  });

  test('are read, and printed as they can be read again', async () => {
    const { config, shown } = await load(YAML);
    const models = new Map([
      ['NVIDIA H200', 3.2],
      ['NVIDIA A100', 1],
    ]);
    expect(config.costs).toEqual({
      currency: 'EUR',
      gpuHour: { models, others: 0.5 },
      kwhPrice: 0.19,
      pue: 1.3,
      gramsPerKwh: 120,
      rgu: { models: new Map([['__proto__', 2]]), others: undefined },
    });
    const rows = shown().filter(({ key }) => key.startsWith('costs.'));
    const again = rows.flatMap(({ key, value }) =>
      value === null ? [] : [`${key.slice('costs.'.length)}: ${JSON.stringify(value)}`],
    );
    expect((await load(`costs: {${again.join(', ')}}\n`)).config.costs).toEqual(config.costs);
  });

  test('are taken from the environment, where a number of all time is in place of a file', async () => {
    const { config } = await load('costs: {grams_file: g.csv}\n', {
      env: { GPULEDGER_COSTS_GRAMS_PER_KWH: '80.5' },
    });
    expect(config.costs).toEqual({ gramsPerKwh: 80.5 });
    const { config: other } = await load('costs: {grams_file: g.csv}\n');
    expect(other.costs.gramsFile).toBe(join(directory, 'g.csv'));
  });

  test.each([
    ['kwh: -0.1', /costs\.kwh: expected 0 to 1000000000, came -0\.1/],
    ['kwh: .nan', /costs\.kwh: expected a number such as 0\.25, came/],
    ['kwh: .inf', /costs\.kwh: expected a number such as 0\.25, came/],
    ['kwh: 1e12', /costs\.kwh: expected 0 to 1000000000, came 1000000000000/],
    ['kwh: "0,25"', /costs\.kwh: expected a number such as 0\.25, came "0,25"/],
    ['kwh: cheap', /costs\.kwh: expected a number such as 0\.25, came "cheap"/],
    ['kwh: [0.25]', /costs\.kwh: expected a number such as 0\.25, came a list/],
    ['pue: 0.9', /costs\.pue: expected 1 to 10, came 0\.9/],
    ['pue: 130', /costs\.pue: expected 1 to 10, came 130/],
    ['grams_per_kwh: 5001', /costs\.grams_per_kwh: expected 0 to 5000, came 5001/],
    ['grams_per_kwh: grams.csv', /costs\.grams_per_kwh: expected a number/],
    ['currency: "E U R"', /costs\.currency: expected a currency of 1 to 8 letters/],
    ['currency: "\\e[31m"', /costs\.currency: expected a currency of 1 to 8 letters/],
    ['cost_per_hour: 1', /unknown key "cost_per_hour" in costs/],
  ])('refuses %s', async (line, message) => {
    expect(await refusalOf(`node: n\ncosts:\n  ${line}\n`)).toMatch(message);
  });

  test.each([
    'NVIDIA H200',
    'NVIDIA H200=',
    '=1',
    'a=1, a=2',
    'a=1, b=-1',
    'a=NaN',
    'a=1e9',
    'a=1000000001',
    'a=1,',
    'a=1, b=two',
    'other=1, other=2',
  ])('refuses the prices %s', async (text) => {
    expect(await refusalOf(`node: n\ncosts: {currency: EUR, gpu_hour: '${text}'}\n`)).toMatch(
      /costs\.gpu_hour: expected models and numbers such as "NVIDIA H200=3\.20, other=0\.5", came "/,
    );
  });

  test.each(['2.5', '{NVIDIA H200: 3}', '[1]'])('refuses the prices %s, which are no text', async (text) => {
    expect(await refusalOf(`node: n\ncosts: {currency: EUR, gpu_hour: ${text}}\n`)).toMatch(
      /costs\.gpu_hour: expected models and numbers/,
    );
  });

  test('refuses a price of nobody knows what, and two ways to tell of CO2e', async () => {
    for (const price of ['kwh: 1', 'gpu_hour: a=1'])
      expect(await refusalOf(`costs: {${price}}\n`)).toMatch(
        /expected costs\.currency beside a price, came nothing[^]*currency: EUR/,
      );
    expect(await refusalOf('costs: {grams_per_kwh: 1, grams_file: g.csv}\n')).toMatch(
      /costs: expected grams_per_kwh or grams_file, came both/,
    );
  });
});

describe('telling of idle jobs', () => {
  const written = (more: string): string => `idle_watch:\n${more}`;

  test('is as it is written, and shown without the path of the webhook', async () => {
    const loaded = await load(
      written(
        '  warn_after: 20m\n  webhook: https://chat.example.org/hooks/s3cr3t?k=1\n  webhook_token_file: token\n  command: [/usr/bin/mail, -s, "idle GPUs", root]\n',
      ),
    );
    expect(loaded.config.idleWatch).toEqual({
      warnAfterMs: 1_200_000,
      remindEveryMs: 3_600_000,
      webhook: 'https://chat.example.org/hooks/s3cr3t?k=1',
      webhookTokenFile: join(directory, 'token'),
      command: ['/usr/bin/mail', '-s', 'idle GPUs', 'root'],
    });
    const shown = new Map(loaded.shown().map(({ key, value }) => [key, value]));
    expect([shown.get('idle_watch.webhook'), shown.get('idle_watch.warn_after')]).toEqual([
      'https://chat.example.org/***',
      '20m',
    ]);
    expect(shown.get('idle_watch.command')).toBe('["/usr/bin/mail","-s","idle GPUs","root"]');
    expect(JSON.stringify([...shown])).not.toContain('s3cr3t');
    expect((await load('')).config.idleWatch).toEqual({ remindEveryMs: 3_600_000 });
  });

  test('a command in the environment is a list in JSON, or a program alone', async () => {
    const of = async (text: string): Promise<unknown> =>
      (await load('', { env: { GPULEDGER_IDLE_WATCH_COMMAND: text } })).config.idleWatch.command;
    expect(await of('["/bin/mail", "a b"]')).toEqual(['/bin/mail', 'a b']);
    expect(await of('/usr/local/bin/tell idle')).toEqual(['/usr/local/bin/tell idle']);
  });

  test.each([
    [
      '  webhook: http://chat.example.org/s3cr3t\n',
      'idle_watch.webhook: expected https, or http to this machine, came another way',
    ],
    [
      '  webhook: ftp://127.0.0.1/s3cr3t\n',
      'idle_watch.webhook: expected https, or http to this machine, came another way',
    ],
    [
      '  webhook: https://u:s3cr3t@chat.example.org/\n',
      'idle_watch.webhook: expected no password in it, came one',
    ],
    [
      '  webhook: s3cr3t\n',
      'idle_watch.webhook: expected a URL such as https://chat.example.org/hooks/…, came something else',
    ],
    [
      '  command: []\n',
      'idle_watch.command: expected a program and its arguments as a list of texts, came a list',
    ],
    ['  command: [""]\n', 'idle_watch.command: expected a program'],
    ['  command: [mail, 5]\n', 'idle_watch.command: expected a program'],
    ['  command: "[mail"\n', 'idle_watch.command: expected a program'],
    ['  warn_after: 30s\n', 'idle_watch.warn_after: expected at least 1m, came 30s'],
    ['  warn_after: 13h\n', 'idle_watch.warn_after: expected at most 12h, came 13h'],
    ['  remind_every: 1m\n', 'idle_watch.remind_every: expected at least 5m, came 1m'],
  ])('%j is refused, and no secret is shown', async (more, said) => {
    const refusal = await refusalOf(written(more));
    expect(refusal).toContain(said);
    expect(refusal).not.toContain('s3cr3t');
  });
});

describe('limits of findings', () => {
  test('are the usual ones where nothing is written', async () => {
    const { config } = await load('node: n\n');
    expect(config.findings).toEqual(USUAL_FINDING_LIMITS);
  });

  test('are parts and durations', async () => {
    const { config } = await load('node: n\nfindings: {kernel_gaps_ratio: 0.3, idle_tail: 30m}\n');
    expect(config.findings).toEqual({
      ...USUAL_FINDING_LIMITS,
      ...{ kernelGapsRatio: 0.3, idleTailMs: 1_800_000 },
    });
  });

  test.each(['0', '-0.1', '1.01', 'half', '""', '[0.5]', '.nan'])('refuses the part %s', async (text) => {
    expect(await refusalOf(`node: n\nfindings: {pauses_ratio: ${text}}\n`)).toMatch(
      /expected a part from 0 to 1 such as 0\.25, came/,
    );
  });

  test('refuses a limit that there is not', async () => {
    expect(await refusalOf('node: n\nfindings: {kernel_gap_ratio: 0.3}\n')).toMatch(/kernel_gaps_ratio/);
  });
});
