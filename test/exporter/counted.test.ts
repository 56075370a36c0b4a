/**
 * Goal: what dcgm-exporter counts by itself is counted over restarts of the engine and a SIGHUP, and Prometheus can read it. Method: the built
 * command at engines of the fake libdcgm, which begin with an XID or a reason of throttling; what is of the node stands on each GPU.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFakeEngines } from '../helpers/fake-engines.ts';
import { startExporter, startPrometheus } from '../helpers/prometheus.ts';

const ENGINE = 'n1:5555';
const COUNTERS = [
  'DCGM_EXP_XID_ERRORS_COUNT, gauge, XIDs in the window',
  'DCGM_EXP_XID_ERRORS_TOTAL, counter, XIDs',
  'DCGM_EXP_CLOCK_EVENTS_COUNT, gauge, throttled samples in the window',
  'DCGM_EXP_CLOCK_EVENTS_TOTAL, counter, beginnings of throttling',
  'DCGM_FI_DEV_COUNT, gauge, GPUs',
  'DCGM_FI_CUDA_DRIVER_VERSION, gauge, CUDA',
  'DCGM_FI_DEV_VGPU_LICENSE_STATUS, gauge, license',
  'DCGM_EXP_P2P_STATUS, gauge, links',
];

test('XIDs and throttling are counted over restarts of the engine and a SIGHUP', async () => {
  const engines = createFakeEngines();
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-counted-'));
  onTestFinished(() => {
    engines.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const [counters, config] = [join(directory, 'counters.csv'), join(directory, 'empty.yaml')];
  writeFileSync(config, '');
  writeFileSync(counters, `${COUNTERS.join('\n')}\n`);
  engines.start(ENGINE, { throttle: 0x4, xid: 79 });
  const { address, pid, log } = await startExporter(
    [
      '-r',
      ENGINE,
      '-c',
      '1000',
      '-x',
      '3600000',
      '-f',
      counters,
      '--config',
      config,
      '--state-dir',
      directory,
    ],
    { ...engines.env, QDB_CLIENT_CONF: undefined },
  );
  const prometheus = await startPrometheus(address);
  /** Of GPU 0, by what it is counted by. */
  const valuesOf = async (name: string, by: string): Promise<Record<string, number>> => {
    const series = await prometheus.query(`${name}{gpu="0"}`);
    return Object.fromEntries(series.map(({ metric, value }) => [metric[by] ?? '', Number(value![1])]));
  };
  const xids = async () => await valuesOf('DCGM_EXP_XID_ERRORS_COUNT', 'xid');
  const xidTotals = async () => await valuesOf('DCGM_EXP_XID_ERRORS_TOTAL', 'xid');
  const throttled = async () => await valuesOf('DCGM_EXP_CLOCK_EVENTS_COUNT', 'clock_event');
  const begun = async () => await valuesOf('DCGM_EXP_CLOCK_EVENTS_TOTAL', 'clock_event');

  await expect.poll(xids).toEqual({ '79': 1 });
  await expect.poll(async () => (await throttled())['power_cap']).toBeGreaterThan(2);
  expect(await xidTotals()).toEqual({ '79': 1 });
  // It was so from the first sample on.
  expect(await begun()).toEqual({});
  const ofNode = ['DCGM_FI_DEV_COUNT', 'DCGM_FI_CUDA_DRIVER_VERSION', 'DCGM_FI_DEV_VGPU_LICENSE_STATUS'];
  expect(await Promise.all(ofNode.map(async (name) => await valuesOf(name, 'gpu')))).toEqual([
    { '0': 8 },
    { '0': 13_000 },
    { '0': 0 },
  ]);
  expect(log.some((line) => line.includes('DCGM_EXP_P2P_STATUS is not served'))).toBe(true);

  engines.stop(ENGINE);
  await expect.poll(xids).toEqual({});
  engines.start(ENGINE, { xid: 31 });
  await expect.poll(xids).toEqual({ '79': 1, '31': 1 });
  expect(await begun()).toEqual({});
  engines.stop(ENGINE);
  await expect.poll(xids).toEqual({});
  engines.start(ENGINE, { throttle: 0x44, xid: 31 });
  await expect.poll(begun).toEqual({ power_cap: 1, hw_thermal: 1 });
  await expect.poll(xids).toEqual({ '79': 1, '31': 2 });

  writeFileSync(counters, `${COUNTERS.slice(0, 7).join('\n')}\nDCGM_FI_DEV_GPU_TEMP, gauge, x\n`);
  await expect.poll(async () => await valuesOf('DCGM_FI_DEV_GPU_TEMP', 'gpu')).toHaveProperty('0');
  process.kill(pid, 'SIGHUP');
  await expect
    .poll(() => log.filter((line) => line.includes('changing to the new configuration')).length)
    .toBeGreaterThan(1);
  const before = (await throttled())['hw_thermal']!;
  await expect.poll(async () => (await throttled())['hw_thermal']).toBeGreaterThan(before);
  expect([await xids(), await xidTotals(), await begun()]).toEqual([
    { '79': 1, '31': 2 },
    { '79': 1, '31': 2 },
    { power_cap: 1, hw_thermal: 1 },
  ]);
});
