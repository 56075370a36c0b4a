/**
 * Goal: jobstats' own series, in its units, with the job and user of the sample. Method: devices and newest rows by hand, whole texts
 * beside them, as its exporter's library prints labels.
 */
import { expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import type { OwnerAt } from '../../../src/core/exposition/device-families.ts';
import { jobstatsFamilies, type JobstatsExposition } from '../../../src/core/exposition/jobstats-families.ts';
import { renderExposition } from '../../../src/core/exposition/render.ts';
import { findField } from '../../../src/core/fields/find-field.ts';

const NOW_US = 1_700_000_000e6;
const S = 1e6;
const FIELDS = [
  'DCGM_FI_DEV_GPU_UTIL',
  'DCGM_FI_PROF_GR_ENGINE_ACTIVE',
  'DCGM_FI_DEV_FB_USED',
  'DCGM_FI_DEV_POWER_USAGE',
  'DCGM_FI_DEV_GPU_TEMP',
].map((name) => findField(name)!);

const unnumbered: Device = {
  uuid: 'GPU-0f',
  node: 'n1',
  index: 1,
  model: 'NVIDIA "H200"',
  memoryBytes: 150_754_820_096,
};
const gpu: Device = { ...unnumbered, minor: 3 };
const cut: Device = { ...gpu, isCut: true };
const instance: Device = {
  ...unnumbered,
  uuid: 'MIG-1',
  model: 'NVIDIA H200 MIG 1g.18gb',
  memoryBytes: 0,
  parentUuid: 'GPU-0f',
  gpuInstanceId: 7,
};

const uidOf = (_gpu: string, jobId: string): number | undefined => (jobId === '4217' ? 331_233 : undefined);

/** Rows of utilization, engine, memory, power and temperature. */
function linesOf(
  rows: readonly (readonly [Device, number, readonly number[]])[],
  owners: Readonly<Record<string, readonly OwnerAt[]>> = {},
): string[] {
  const devices = rows.map(([device]) => device);
  const asked: JobstatsExposition = {
    devices,
    lanes: [
      {
        ...{ fields: FIELDS, devices, staleAfterUs: 2.5 * S },
        rows: Float64Array.from(rows.flatMap(([, tsUs, values]) => [tsUs, ...values])),
      },
    ],
    nowUs: NOW_US,
    ownersAt: (uuid, tsUs) => (tsUs === NOW_US - S ? (owners[uuid] ?? []) : []),
    uidOf,
  };
  return renderExposition(jobstatsFamilies(asked), '4.8.4')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const JOB = [{ jobId: '4217', part: 1 }];

test('a GPU has them in percent, bytes, milliwatts and degrees, with its job and that user', () => {
  const labels =
    'GPU_I_ID="",jobid="4217",minor_number="3",name="NVIDIA \\"H200\\"",ordinal="1",userid="331233",uuid="GPU-0f"';
  const row = [gpu, NOW_US - S, [0.57, 0.125, 1_073_741_824, 350.0625, 41]] as const;
  expect(linesOf([row], { 'GPU-0f': JOB })).toEqual([
    `nvidia_gpu_duty_cycle{${labels}} 57`,
    `nvidia_gpu_graphics_util_percent{${labels}} 0.125`,
    `nvidia_gpu_memory_total_bytes{${labels}} 1.50754820096e+11`,
    `nvidia_gpu_memory_used_bytes{${labels}} 1.073741824e+09`,
    'nvidia_gpu_num_devices 1',
    `nvidia_gpu_power_usage_milliwatts{${labels}} 350063`,
    `nvidia_gpu_temperature_celsius{${labels}} 41`,
  ]);
});

test('an instance has its own memory and engine, its GPU has power, and neither a duty cycle; memory that nobody told is none', () => {
  const told = linesOf(
    [
      [cut, NOW_US - S, [0.5, 0.25, 4096, 300, 40]],
      [instance, NOW_US - S, [NaN, 0.75, 2048, NaN, NaN]],
    ],
    { 'MIG-1': JOB },
  );
  const whole =
    'GPU_I_ID="",jobid="",minor_number="3",name="NVIDIA \\"H200\\"",ordinal="1",userid="",uuid="GPU-0f"';
  const part =
    'GPU_I_ID="7",jobid="4217",minor_number="3",name="NVIDIA H200 MIG 1g.18gb",ordinal="1",userid="331233",uuid="MIG-1"';
  expect(told).toEqual([
    `nvidia_gpu_graphics_util_percent{${whole}} 0.25`,
    `nvidia_gpu_graphics_util_percent{${part}} 0.75`,
    `nvidia_gpu_memory_total_bytes{${whole}} 1.50754820096e+11`,
    `nvidia_gpu_memory_used_bytes{${whole}} 4096`,
    `nvidia_gpu_memory_used_bytes{${part}} 2048`,
    'nvidia_gpu_num_devices 1',
    `nvidia_gpu_power_usage_milliwatts{${whole}} 300000`,
    `nvidia_gpu_power_usage_milliwatts{${part}} 300000`,
    `nvidia_gpu_temperature_celsius{${whole}} 40`,
    `nvidia_gpu_temperature_celsius{${part}} 40`,
  ]);
});

test('several jobs have a copy each; whose user nobody told has none', () => {
  const owners = [
    { jobId: '4217', part: 0.5 },
    { jobId: '9', part: 0.5 },
  ];
  const told = linesOf([[gpu, NOW_US - S, [NaN, NaN, NaN, 100, NaN]]], { 'GPU-0f': owners });
  expect(told.map((line) => /jobid="(\d*)".*userid="(\d*)".* (\S+)$/.exec(line)?.slice(1))).toEqual([
    undefined,
    ['4217', '331233', '100000'],
    ['9', '', '100000'],
  ]);
});

test('what is old has no series', () => {
  expect(linesOf([[gpu, NOW_US - 2.5 * S - 1, [0.5, 0.5, 1, 1, 1]]])).toEqual(['nvidia_gpu_num_devices 1']);
});
