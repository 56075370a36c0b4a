/**
 * Goal: each series has the labels, the value and the jobs that dcgm-exporter would print. Method: devices and newest rows by hand, whole
 * texts beside them.
 */
import { describe, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import {
  deviceFamilies,
  type DeviceExposition,
  type OwnerAt,
} from '../../../src/core/exposition/device-families.ts';
import { CONTENT_TYPES, type Compat } from '../../../src/core/exposition/family.ts';
import { renderExposition } from '../../../src/core/exposition/render.ts';
import { shareFamily } from '../../../src/core/exposition/share-family.ts';
import { findField } from '../../../src/core/fields/find-field.ts';

const NOW_US = 1_700_000_000e6;
const S = 1e6;

const gpu: Device = {
  uuid: 'GPU-0f',
  node: 'n1',
  index: 0,
  model: 'NVIDIA H200  NVL',
  memoryBytes: 150e9,
  driver: '580.95.05',
  pciBusId: '00000000:0F:00.0',
  facts: { serial: '165"1' },
};
const instance: Device = {
  ...gpu,
  uuid: 'MIG-1',
  model: 'NVIDIA H200 MIG 1g.18gb',
  parentUuid: 'GPU-0f',
  gpuInstanceId: 7,
  computeInstanceId: 0,
  migProfile: '1g.18gb',
};

const POWER = findField('DCGM_FI_DEV_POWER_USAGE')!;
const ACTIVE = findField('DCGM_FI_PROF_SM_ACTIVE')!;
const XID = findField('DCGM_FI_DEV_XID_ERRORS')!;

const style = {
  compat: '4.8.4' as Compat,
  hostname: 'node-1.cluster',
  isOldNamespace: false,
  areBlanksReplaced: false,
  isHostless: false,
};

const counter = (name: string, field = POWER) => ({ name, type: 'gauge', help: '', field });

/** One lane of power, SM activity and XID: a row of each device. */
function asked(
  rows: readonly (readonly [Device, number, readonly number[]])[],
  more: Partial<DeviceExposition> = {},
): DeviceExposition {
  const fields = [POWER, ACTIVE, XID];
  const devices = rows.map(([device]) => device);
  return {
    counters: [counter('P')],
    labels: [],
    style,
    devices,
    lanes: [
      {
        ...{ fields, devices, staleAfterUs: 2.5 * S },
        rows: Float64Array.from(rows.flatMap(([, tsUs, values]) => [tsUs, ...values])),
      },
    ],
    nowUs: NOW_US,
    ownersAt: () => [],
    lastXid: () => undefined,
    ...more,
  };
}

const linesOf = (exposition: DeviceExposition): string[] =>
  renderExposition(deviceFamilies(exposition), exposition.style.compat)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

const GPU_LABELS =
  'gpu="0",UUID="GPU-0f",pci_bus_id="00000000:0F:00.0",device="nvidia0",modelName="NVIDIA H200  NVL"';

describe('labels', () => {
  const rows = [[gpu, NOW_US, [350.5, 0.5, NaN]]] as const;

  test.each([
    ['4.8.4', {}, `P{${GPU_LABELS},hostname="node-1.cluster"} 350.5`],
    ['4.8.2', {}, `P{${GPU_LABELS},Hostname="node-1.cluster"} 350.500000`],
    ['4.8.4', { isHostless: true }, `P{${GPU_LABELS}} 350.5`],
    [
      '4.8.4',
      { isOldNamespace: true, areBlanksReplaced: true },
      `P{${GPU_LABELS.replace('UUID', 'uuid').replace('H200  NVL', 'H200-NVL').replace('NVIDIA H', 'NVIDIA-H')},hostname="node-1.cluster"} 350.5`,
    ],
  ] as const)('of %s with %o', (compat, more, line) => {
    expect(linesOf(asked(rows, { style: { ...style, ...more, compat } }))).toEqual([line]);
  });

  test('facts about the device are on each series, in alphabetical order, escaped; unknown ones are left out', () => {
    const labels = [
      { name: 'DCGM_FI_DEV_SERIAL', fieldId: 53 },
      { name: 'DCGM_FI_DEV_BRAND', fieldId: 51 },
      { name: 'DCGM_FI_DRIVER_VERSION', fieldId: 1 },
      { name: 'A_NAME', fieldId: 50 },
    ];
    expect(linesOf(asked(rows, { labels }))).toEqual([
      `P{${GPU_LABELS},hostname="node-1.cluster",A_NAME="NVIDIA H200  NVL",DCGM_FI_DEV_SERIAL="165\\"1",DCGM_FI_DRIVER_VERSION="580.95.05"} 350.5`,
    ]);
  });

  test('an XID has its code and what it says', () => {
    const xidOf = (code: number): string[] =>
      linesOf(asked([[gpu, NOW_US, [1, 1, code]]], { counters: [counter('X', XID)] }));
    const line = (code: number, message: string): string =>
      `X{${GPU_LABELS},hostname="node-1.cluster",err_code="${code}",err_msg="${message}"} ${code}`;
    expect(xidOf(0)).toEqual([line(0, 'No Error')]);
    expect(xidOf(79)).toEqual([line(79, 'GPU has fallen off the bus')]);
    expect(xidOf(999)).toEqual([line(999, 'Unknown Error')]);
    expect(xidOf(NaN)).toEqual([]);
  });
});

describe('MIG', () => {
  const rows = [
    [{ ...gpu, isCut: true }, NOW_US - S, [300, 0.9, NaN]],
    [instance, NOW_US - 2 * S, [NaN, 0.25, NaN]],
  ] as const;
  const counters = [counter('P'), counter('SM', ACTIVE)];

  test('an instance has its own activity, the power of its GPU, and the labels of both', () => {
    const exposition = asked(rows, { counters, devices: [instance] });
    const labels = `${GPU_LABELS},GPU_I_PROFILE="1g.18gb",GPU_I_ID="7",GPU_CI_ID="0",hostname="node-1.cluster"`;
    expect(linesOf(exposition)).toEqual([`P{${labels}} 300`, `SM{${labels}} 0.25`]);
    expect(linesOf({ ...exposition, style: { ...style, compat: '4.8.2' } })[0]).toBe(
      `P{${GPU_LABELS},GPU_I_PROFILE="1g.18gb",GPU_I_ID="7",Hostname="node-1.cluster"} 300.000000`,
    );
  });

  test('jobs are those of the instance', () => {
    const ownersAt = (uuid: string): OwnerAt[] => (uuid === 'MIG-1' ? [{ jobId: '9', part: 1 }] : []);
    const lines = linesOf(asked(rows, { counters, devices: [instance], ownersAt }));
    expect(lines.map((line) => /hpc_job="9"/.test(line))).toEqual([true, true]);
  });
});

describe('jobs', () => {
  const owners: OwnerAt[] = [
    { jobId: '12', part: 0.75 },
    { jobId: 'a"b\nc', part: 0.25 },
  ];
  const rows = [[gpu, NOW_US - S, [100, 0.5, NaN]]] as const;

  test('each has a copy of the series, by the owners at the time of the sample', () => {
    const times: number[] = [];
    const ownersAt = (_: string, tsUs: number): OwnerAt[] => {
      times.push(tsUs);
      return owners;
    };
    expect(linesOf(asked(rows, { ownersAt }))).toEqual([
      `P{${GPU_LABELS},hostname="node-1.cluster",hpc_job="12"} 100`,
      `P{${GPU_LABELS},hostname="node-1.cluster",hpc_job="a\\"b\\nc"} 100`,
    ]);
    expect(times).toEqual([NOW_US - S]);
  });

  test('an XID says what it is before it says whose', () => {
    const counters = [counter('X', XID)];
    expect(
      linesOf(asked([[gpu, NOW_US, [1, 1, 79]]], { counters, ownersAt: () => owners.slice(0, 1) })),
    ).toEqual([
      `X{${GPU_LABELS},hostname="node-1.cluster",err_code="79",err_msg="GPU has fallen off the bus",hpc_job="12"} 79`,
    ]);
  });

  test('lanes that sampled before and after its end differ in it', () => {
    const [slow] = asked([[gpu, NOW_US - 2 * S, [100, NaN, NaN]]]).lanes;
    const [fast] = asked([[gpu, NOW_US, [NaN, 0.5, NaN]]]).lanes;
    const lanes = [
      { ...slow!, fields: [POWER] },
      { ...fast!, fields: [ACTIVE], rows: Float64Array.of(NOW_US, 0.5) },
    ];
    const ownersAt = (_: string, tsUs: number): OwnerAt[] =>
      tsUs < NOW_US - S ? [{ jobId: '12', part: 1 }] : [];
    const counters = [counter('P'), counter('SM', ACTIVE)];
    const lines = linesOf(asked([[gpu, NOW_US, [1, 1, 1]]], { counters, lanes, ownersAt }));
    expect(lines.map((line) => /hpc_job="12"/.test(line))).toEqual([true, false]);
  });

  test('times its part each copy adds up to the device', () => {
    const exposition = asked(rows, { ownersAt: () => owners });
    const shares = renderExposition([shareFamily(exposition)], '4.8.4');
    expect(shares).toContain('# TYPE gpuledger_job_share_ratio gauge\n');
    expect(shares).toContain('hpc_job="12"} 0.75\n');
    expect(shares).toContain('hpc_job="a\\"b\\nc"} 0.25\n');
  });
});

describe('what is not printed', () => {
  const at = (tsUs: number): string[] => linesOf(asked([[gpu, tsUs, [1, 1, 1]]]));

  test.each([
    ['just young enough', NOW_US - 2.5 * S, 1],
    ['older than 2.5 intervals', NOW_US - 2.5 * S - 1, 0],
    ['of the future, since the clock was set back', NOW_US + 60 * S, 0],
    ['none yet', NaN, 0],
  ])('a sample: %s', (_, tsUs, count) => {
    expect(at(tsUs)).toHaveLength(count);
  });

  test('a blank, also where an older sample had a value', () => {
    const former = asked([[gpu, NOW_US - S, [5, 1, 1]]]).lanes;
    const newest = asked([[gpu, NOW_US, [NaN, 1, 1]]]);
    expect(linesOf(newest)).toEqual([]);
    expect(linesOf({ ...newest, lanes: [...former, ...newest.lanes] })).toEqual([]);
  });

  test('of two lanes with the same field the newer sample counts', () => {
    const older = asked([[gpu, NOW_US - S, [5, 1, 1]]]).lanes;
    const newer = asked([[gpu, NOW_US, [6, 1, 1]]]);
    for (const lanes of [
      [...older, ...newer.lanes],
      [...newer.lanes, ...older],
    ])
      expect(linesOf({ ...newer, lanes })[0]).toMatch(/ 6$/);
  });

  test('a family without series is not there at all', () => {
    const blank = asked([[gpu, NOW_US, [NaN, NaN, NaN]]]);
    expect(renderExposition(deviceFamilies(blank), '4.8.4')).toBe('');
  });
});

test('content types are those of the two releases', () => {
  expect(CONTENT_TYPES).toEqual({
    '4.8.2': 'text/plain; charset=utf-8',
    '4.8.4': 'text/plain; version=0.0.4; charset=utf-8',
  });
});
