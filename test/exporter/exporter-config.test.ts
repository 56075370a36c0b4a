/**
 * Goal: flags and variables of dcgm-exporter become what they should: served counters, lanes, notices, refusals. Method: a table of requests;
 * files in a directory of their own.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { loadExporterConfig, type ExporterRequest } from '../../src/exporter/exporter-config.ts';
import { EXPORTER_FLAGS } from '../../src/exporter/exporter-flags.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-exporter-'));
function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const SYNTHETIC = [{ key: 'source', value: 'synthetic', origin: '--source' }];
const STATE = { key: 'state_dir', value: directory, origin: '--state-dir' };
const empty = file('empty.yaml', '');

async function load(more: Partial<ExporterRequest> = {}) {
  return await loadExporterConfig({
    ...{ flags: {}, overrides: [...SYNTHETIC, STATE], file: empty, env: {} },
    ...more,
  });
}

async function refusal(more: Partial<ExporterRequest>): Promise<OperatingError> {
  const error: unknown = await load(more).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OperatingError);
  return error as OperatingError;
}

const counters = file(
  'counters.csv',
  [
    '# a comment',
    'DCGM_FI_DEV_GPU_TEMP, gauge, temperature',
    'DCGM_FI_DEV_POWER_USAGE, gauge, power',
    'DCGM_FI_DRIVER_VERSION, label, driver',
    'dcgm_sm_clock, gauge, an old name',
    'DCGM_EXP_XID_ERRORS_COUNT, gauge, xids',
    '',
  ].join('\n'),
);

describe('without a QuestDB', () => {
  test("jobstats' series are sampled beside what the counters file asks for, each field once", async () => {
    const { loaded, metrics } = await load({
      flags: { collectors: counters },
      file: file('jobstats.yaml', 'metrics: { jobstats: true }\n'),
    });
    expect(loaded.config.lanes[0]!.fields.map(({ id }) => id)).toEqual([150, 155, 100, 230, 203, 1001, 252]);
    expect(metrics.style.hasJobstats).toBe(true);
  });

  test('one lane has what the counters file asks for, at the interval of dcgm-exporter, and nothing is recorded', async () => {
    const { isStoreless, loaded, metrics } = await load({ flags: { collectors: counters } });
    expect(isStoreless).toBe(true);
    const { lanes } = loaded.config;
    expect(lanes.map(({ name, intervalMs }) => [name, intervalMs])).toEqual([['exporter', 30_000]]);
    expect(lanes[0]!.fields.map(({ id }) => id)).toEqual([150, 155, 100, 230]);
    expect(metrics.listen).toEqual({ host: '', port: 9400 });
    expect(metrics.counters?.rows.map(({ name }) => name)).toEqual([
      'DCGM_FI_DEV_GPU_TEMP',
      'DCGM_FI_DEV_POWER_USAGE',
      'DCGM_FI_DRIVER_VERSION',
      'dcgm_sm_clock',
      'DCGM_EXP_XID_ERRORS_COUNT',
    ]);
  });

  test('without a counters file it is the list that dcgm-exporter comes with', async () => {
    const { metrics, loaded } = await load();
    expect(metrics.counters?.rows).toHaveLength(26);
    expect(loaded.config.lanes[0]!.fields).toHaveLength(25);
  });

  test('lanes that the configuration names are sampled as they are, and the rest beside them', async () => {
    const written = file(
      'lanes.yaml',
      'lanes:\n  - name: fast\n    interval: 1s\n    fields: [power_watts]\n',
    );
    const { loaded } = await load({
      file: written,
      flags: { collectors: counters, 'collect-interval': '5000' },
    });
    expect(
      loaded.config.lanes.map(({ name, intervalMs, fields }) => [
        name,
        intervalMs,
        fields.map(({ id }) => id),
      ]),
    ).toEqual([
      ['fast', 1_000, [155]],
      ['exporter', 5_000, [150, 100, 230]],
    ]);
  });

  test('the engine is polled, since the newest is wanted, unless it was said how', async () => {
    expect((await load()).loaded.config.dcgm.route).toBe('poll');
    const pulled = file('pull.yaml', 'dcgm:\n  route: pull\n');
    expect((await load({ file: pulled })).loaded.config.dcgm.route).toBe('pull');
  });
});

describe('with a QuestDB', () => {
  test.each([
    ['environment', { env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:9000;' } }],
    ['file', { file: file('questdb.yaml', 'questdb:\n  client_conf: "http::addr=127.0.0.1:9000;"\n') }],
  ])('of the %s all lanes are recorded, and a lane of what they lack', async (_, more) => {
    const { isStoreless, loaded } = await load({ ...more, flags: { collectors: counters } });
    expect(isStoreless).toBe(false);
    // Each of these fields is in a lane already.
    expect(loaded.config.lanes.map(({ name }) => name)).toEqual(defaultLanes.map(({ name }) => name));
    const odd = file('odd.csv', 'DCGM_FI_DEV_BAR1_USED, gauge, bar\n');
    const beside = await load({ ...more, flags: { collectors: odd } });
    expect(beside.loaded.config.lanes.at(-1)!.fields.map(({ id }) => id)).toEqual([92]);
  });
});

describe('flags and variables', () => {
  test('a flag is above its variable, and that above the file', async () => {
    const written = file('listen.yaml', 'metrics:\n  listen: 127.0.0.1:1\n');
    const portOf = async (more: Partial<ExporterRequest>): Promise<number> => {
      const { listen } = (await load({ file: written, ...more })).metrics;
      return typeof listen === 'object' ? listen.port : NaN;
    };
    const env = { DCGM_EXPORTER_LISTEN: '127.0.0.1:2' };
    expect(await portOf({})).toBe(1);
    expect(await portOf({ env })).toBe(2);
    expect(await portOf({ env, flags: { address: '127.0.0.1:3' } })).toBe(3);
  });

  test('windows of what is counted', async () => {
    const windowsOf = async (more: Partial<ExporterRequest>) => (await load(more)).metrics.style.windows;
    expect(await windowsOf({})).toEqual({ xidMs: 300_000, reasonsMs: 300_000 });
    const env = {
      DCGM_EXPORTER_XID_COUNT_WINDOW_SIZE: '1000',
      DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE: '2000',
    };
    expect(await windowsOf({ env })).toEqual({ xidMs: 1_000, reasonsMs: 2_000 });
    expect(await windowsOf({ env, flags: { 'xid-count-window-size': '60000' } })).toEqual({
      xidMs: 60_000,
      reasonsMs: 2_000,
    });
  });

  test('names and labels', async () => {
    const env = {
      DCGM_EXPORTER_USE_OLD_NAMESPACE: 'true',
      DCGM_EXPORTER_NO_HOSTNAME: '1',
      DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME: 'false',
    };
    const { style } = (await load({ env })).metrics;
    expect(style).toMatchObject({ isOldNamespace: true, isHostless: true, areBlanksReplaced: false });
  });

  test.each([
    [{ env: { DCGM_REMOTE_HOSTENGINE_INFO: '' } }],
    [{ overrides: [{ key: 'dcgm.engine', value: '', origin: '-r' }, ...SYNTHETIC, STATE] }],
  ])('an engine without a name is that of this machine: %j', async (more) => {
    expect((await load(more)).loaded.config.dcgm.engine).toBe('localhost');
  });

  test('no engine is named: it is embedded', async () => {
    expect((await load()).loaded.config.dcgm.engine).toBe('embedded');
  });

  test.each([
    ['0.0.0.0:9500', { host: '', port: 9500 }],
    ['10.0.0.0:9500', { host: '10.0.0.0', port: 9500 }],
    ['[::]:9500', { host: '::', port: 9500 }],
  ])('%s is all addresses where Go listens on all', async (value, listen) => {
    expect((await load({ env: { DCGM_EXPORTER_LISTEN: value } })).metrics.listen).toEqual(listen);
  });

  test('a variable that is neither on nor off is refused, and an empty one is off', async () => {
    const { message, exit } = await refusal({ env: { DCGM_EXPORTER_KUBERNETES: 'maybe' } });
    expect([message, exit]).toEqual([
      'expected true or false for DCGM_EXPORTER_KUBERNETES, came "maybe"',
      'config',
    ]);
    const { warnings } = (await load({ env: { DCGM_EXPORTER_KUBERNETES: '' } })).loaded;
    expect(warnings).toEqual([]);
  });

  test.each([
    ['embedded', {}, { 1_000: 0, 30_000: 0 }],
    [
      'a host engine that is polled',
      { flags: { 'remote-hostengine-info': 'n1' } },
      { 1_000: 3_000, 30_000: 3_000 },
    ],
    [
      'one whose samples are fetched with each flush',
      {
        flags: { 'remote-hostengine-info': 'n1' },
        env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:9000;', GPULEDGER_FLUSH_INTERVAL: '20s' },
      },
      { 1_000: 22_000, 30_000: 3_000 },
    ],
  ] as const)('how much later than 2.5 intervals a sample is told of: %s', async (_, more, delays) => {
    const overrides = [{ key: 'source', value: 'dcgm', origin: '--source' }, STATE];
    const { style } = (await load({ overrides, ...more })).metrics;
    const told = Object.keys(delays).map((ms) => [ms, style.delayMsOf(Number(ms))]);
    expect(Object.fromEntries(told)).toEqual(delays);
  });

  test('web-systemd-socket listens on nothing itself', async () => {
    expect((await load({ flags: { 'web-systemd-socket': true } })).metrics.listen).toBe('systemd');
  });

  test('log format and level are told in our words', async () => {
    const { log } = (await load({ flags: { debug: true }, env: { DCGM_EXPORTER_LOG_FORMAT: 'text' } })).loaded
      .config;
    expect(log).toMatchObject({ level: 'debug', format: 'human' });
    const told = { key: 'log.format', value: 'json', origin: '--log-format' };
    const env = { DCGM_EXPORTER_LOG_FORMAT: 'text' };
    const { loaded } = await load({ env, overrides: [...SYNTHETIC, STATE, told] });
    expect(loaded.config.log.format).toBe('json');
  });

  test('what changes nothing is named once for each reason', async () => {
    const { warnings } = (
      await load({ flags: { kubernetes: true, 'enable-pprof': true }, env: { NVIDIA_RESOURCE_NAMES: 'a' } })
    ).loaded;
    expect(warnings).toEqual([
      '--kubernetes, NVIDIA_RESOURCE_NAMES: ignored, series have no labels of pods',
      '--enable-pprof: ignored, this is no Go program',
    ]);
  });

  test.each(
    EXPORTER_FLAGS.filter(({ becomes }) => becomes.kind === 'refused').map(({ name, variable }) => [
      name,
      variable,
    ]),
  )('%s is refused, as %s too', async (name, variable) => {
    const { code, exit } = await refusal({ flags: { [name]: 'x' } });
    expect([code, exit]).toEqual(['exporter.flag', 'config']);
    expect((await refusal({ env: { [variable]: 'x' } })).message).toContain(variable);
  });

  test("upstream's own word for no ConfigMap is none", async () => {
    await expect(load({ env: { DCGM_EXPORTER_CONFIGMAP_DATA: 'none' } })).resolves.toBeDefined();
  });
});

test.each([
  ['the name that Kubernetes gives', 'embedded', 'k8s-7', 'k8s-7'],
  ['none where that is empty', 'embedded', '', hostname()],
  ['none where it is not set', 'embedded', undefined, hostname()],
  ['the engine elsewhere', 'tcp://gpu-7:5555', 'k8s-7', 'gpu-7'],
  ['an engine on this machine', 'localhost:5555', 'k8s-7', 'k8s-7'],
  ['an engine behind a socket', 'unix:///run/nv.sock', undefined, hostname()],
])('the label of the host: %s', async (_, engine, node, expected) => {
  vi.stubEnv('NODE_NAME', node);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const { metrics } = await load({
    overrides: [STATE, { key: 'dcgm.engine', value: engine, origin: '-r' }],
    flags: { collectors: counters },
  });
  expect(metrics.style.hostname).toBe(expected);
});

describe('what cannot be served is refused', () => {
  test.each([
    ['an interval with a unit', { flags: { 'collect-interval': '30s' } }, 'milliseconds'],
    ['an interval of seconds, as users mean it', { flags: { 'collect-interval': '3' } }, 'milliseconds'],
    [
      'an interval by its variable, which is named',
      { env: { DCGM_EXPORTER_INTERVAL: '30s' } },
      'DCGM_EXPORTER_INTERVAL: expected',
    ],
    [
      'below the floor of profiling',
      { flags: { 'collect-interval': '50' } },
      'floor of the profiling hardware',
    ],
    [
      'counters without a field',
      { flags: { collectors: file('none.csv', 'DCGM_FI_DRIVER_VERSION, label, x\n') } },
      'nothing that can be served',
    ],
    [
      'an empty counters file',
      { flags: { collectors: file('nothing.csv', '') } },
      'nothing that can be served',
    ],
    [
      'a counters file that is not there',
      { flags: { collectors: join(directory, 'missing.csv') } },
      'cannot be read',
    ],
    [
      'a counters file with an unknown name',
      { flags: { collectors: file('bad.csv', 'DCGM_FI_DEV_GPU_TMP, gauge, x\n') } },
      'no field is called',
    ],
    ['a window with a unit', { flags: { 'xid-count-window-size': '5m' } }, 'five minutes'],
    [
      'a window of nothing',
      { env: { DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE: '0' } },
      'SIZE: expected 1',
    ],
    ['an address of no port', { flags: { address: 'localhost' } }, 'address'],
  ] as const)('%s', async (_, more, words) => {
    const error = await refusal(more);
    expect(error.exit).toBe('config');
    expect([error.message, ...error.hints].join('\n')).toContain(words);
  });
});
