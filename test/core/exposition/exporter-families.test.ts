/**
 * Goal: the counters that dcgm-exporter works out by itself stand there as it prints them, of devices that are there now. Method: counts by
 * hand, whole lines beside them.
 */
import { describe, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import { deviceFamilies } from '../../../src/core/exposition/device-families.ts';
import { createExporterCounts } from '../../../src/core/exposition/exporter-counts.ts';
import {
  countedFieldOf,
  exporterFamilies,
  type ExporterExposition,
} from '../../../src/core/exposition/exporter-families.ts';
import { renderExposition } from '../../../src/core/exposition/render.ts';
import { findField } from '../../../src/core/fields/find-field.ts';

const NOW_US = 1_700_000_000e6;
const S = 1e6;
const XID = findField(230)!;
const THROTTLE = findField(112)!;

const gpu: Device = {
  ...{ uuid: 'GPU-0f', node: 'n1', index: 0, model: 'NVIDIA H200', memoryBytes: 150e9 },
  ...{ driver: '580.95.05', pciBusId: '00000000:0F:00.0' },
};
const instance: Device = {
  ...{ ...gpu, uuid: 'MIG-1', parentUuid: 'GPU-0f', gpuInstanceId: 7 },
  migProfile: '1g.18gb',
};
const GPU_LABELS =
  'gpu="0",UUID="GPU-0f",pci_bus_id="00000000:0F:00.0",device="nvidia0",modelName="NVIDIA H200"';

const names = [
  'DCGM_EXP_XID_ERRORS_COUNT',
  'DCGM_EXP_CLOCK_EVENTS_COUNT',
  'DCGM_EXP_XID_ERRORS_TOTAL',
  'DCGM_EXP_CLOCK_EVENTS_TOTAL',
];

/** Every device has a row of now, without values: an engine tells an XID once. */
function asked(
  more: Partial<ExporterExposition> = {},
  devices: readonly Device[] = [gpu],
): ExporterExposition {
  const fields = [XID, THROTTLE];
  const counts = createExporterCounts(300 * S, NOW_US - 3600 * S);
  return {
    ...{ counters: [], labels: [], devices, nowUs: NOW_US, counts, lastXid: counts.lastXid },
    exporterCounters: names.map((name) => ({ name, type: 'gauge', help: 'H' })),
    windows: { xidMs: 300_000, reasonsMs: 60_000 },
    style: {
      ...{ compat: '4.8.4', hostname: 'h', isOldNamespace: false, areBlanksReplaced: false },
      isHostless: false,
    },
    lanes: [
      {
        ...{ fields, devices, staleAfterUs: 2.5 * S },
        rows: Float64Array.from(devices.flatMap(() => [NOW_US - S, NaN, NaN])),
      },
    ],
    ownersAt: () => [],
    ...more,
  };
}

const textOf = (exposition: ExporterExposition): string =>
  renderExposition(exporterFamilies(exposition), exposition.style.compat);
const linesOf = (exposition: ExporterExposition): string[] =>
  textOf(exposition)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

describe('of a GPU', () => {
  test('nothing happened: the windows have a series of 0, the totals none', () => {
    expect(textOf(asked())).toBe(`# HELP DCGM_EXP_CLOCK_EVENTS_COUNT H
# TYPE DCGM_EXP_CLOCK_EVENTS_COUNT gauge
DCGM_EXP_CLOCK_EVENTS_COUNT{${GPU_LABELS},hostname="h",window_size_in_ms="60000"} 0
# HELP DCGM_EXP_XID_ERRORS_COUNT H
# TYPE DCGM_EXP_XID_ERRORS_COUNT gauge
DCGM_EXP_XID_ERRORS_COUNT{${GPU_LABELS},hostname="h",window_size_in_ms="300000"} 0
`);
  });

  test('samples without a reason have no series, as upstream has it', () => {
    const one = asked();
    one.counts.reasons(gpu.uuid, NOW_US - S, 0);
    expect(linesOf(one)).toEqual([
      `DCGM_EXP_XID_ERRORS_COUNT{${GPU_LABELS},hostname="h",window_size_in_ms="300000"} 0`,
    ]);
  });

  test.each([
    ['4.8.4', 'hostname'],
    ['4.8.2', 'Hostname'],
  ] as const)('XIDs and throttled samples of %s', (compat, hostname) => {
    const one = asked();
    const { counts } = one;
    for (const s of [250, 100, 99]) counts.xid(gpu.uuid, NOW_US - s * S, 31);
    counts.xid(gpu.uuid, NOW_US - 10 * S, 79);
    counts.xid(gpu.uuid, NOW_US - 400 * S, 13);
    for (const [s, mask] of [
      [90, 0x1],
      [50, 0x4],
      [40, 0x24],
      [30, 0x1],
      [20, 0x4],
    ] as const)
      counts.reasons(gpu.uuid, NOW_US - s * S, mask);
    const labels = `${GPU_LABELS},${hostname}="h"`;
    const window = `window_size_in_ms="300000"`;
    expect(linesOf({ ...one, style: { ...one.style, compat } }).sort()).toEqual(
      [
        `DCGM_EXP_XID_ERRORS_COUNT{${labels},${window},xid="31"} 3`,
        `DCGM_EXP_XID_ERRORS_COUNT{${labels},${window},xid="79"} 1`,
        `DCGM_EXP_CLOCK_EVENTS_COUNT{${labels},clock_event="gpu_idle",window_size_in_ms="60000"} 1`,
        `DCGM_EXP_CLOCK_EVENTS_COUNT{${labels},clock_event="power_cap",window_size_in_ms="60000"} 3`,
        `DCGM_EXP_CLOCK_EVENTS_COUNT{${labels},clock_event="sw_thermal",window_size_in_ms="60000"} 1`,
        `DCGM_EXP_XID_ERRORS_TOTAL{${labels},xid="13"} 1`,
        `DCGM_EXP_XID_ERRORS_TOTAL{${labels},xid="31"} 3`,
        `DCGM_EXP_XID_ERRORS_TOTAL{${labels},xid="79"} 1`,
        `DCGM_EXP_CLOCK_EVENTS_TOTAL{${labels},clock_event="gpu_idle"} 1`,
        `DCGM_EXP_CLOCK_EVENTS_TOTAL{${labels},clock_event="power_cap"} 2`,
        `DCGM_EXP_CLOCK_EVENTS_TOTAL{${labels},clock_event="sw_thermal"} 1`,
      ].sort(),
    );
  });

  test('labels of the counters file stand among those of the count, jobs behind them', () => {
    const one = asked({
      labels: [
        { name: 'DCGM_FI_DRIVER_VERSION', fieldId: 1 },
        { name: 'w_serial', fieldId: 50 },
      ],
      ownersAt: () => [
        { jobId: '7', part: 0.5 },
        { jobId: '8', part: 0.5 },
      ],
      exporterCounters: [{ name: 'DCGM_EXP_XID_ERRORS_COUNT', type: 'gauge', help: '' }],
    });
    one.counts.xid(gpu.uuid, NOW_US - S, 79);
    const labels = `${GPU_LABELS},hostname="h",DCGM_FI_DRIVER_VERSION="580.95.05",w_serial="NVIDIA H200",window_size_in_ms="300000",xid="79"`;
    expect(linesOf(one)).toEqual([
      `DCGM_EXP_XID_ERRORS_COUNT{${labels},hpc_job="7"} 1`,
      `DCGM_EXP_XID_ERRORS_COUNT{${labels},hpc_job="8"} 1`,
    ]);
  });

  test('a device that is silent has none; its counts are there when it is back', () => {
    const one = asked();
    one.counts.xid(gpu.uuid, NOW_US - S, 79);
    expect(linesOf({ ...one, nowUs: NOW_US + 2 * S })).toEqual([]);
    expect(linesOf(one)).toHaveLength(3);
    // Who samples neither field knows nothing of them.
    expect(
      linesOf({ ...one, lanes: [{ ...one.lanes[0]!, fields: [findField(150)!, findField(155)!] }] }),
    ).toEqual([]);
  });

  test('a million is written as 4.8.4 writes it', () => {
    const counted = { ...asked().counts, xidTotals: () => new Map([[31, 1_000_000]]) };
    const one = asked({
      counts: counted,
      exporterCounters: [{ name: 'DCGM_EXP_XID_ERRORS_TOTAL', type: 'counter', help: '' }],
    });
    expect(linesOf(one)[0]).toMatch(/ 1e\+06$/);
    expect(linesOf({ ...one, style: { ...one.style, compat: '4.8.2' } })[0]).toMatch(/ 1000000$/);
  });
});

test('an instance has the XIDs that name it, and the reasons of its GPU', () => {
  const cut = [{ ...gpu, isCut: true } as const, instance];
  const one = asked({}, cut);
  one.counts.xid(gpu.uuid, NOW_US - S, 79);
  one.counts.xid(instance.uuid, NOW_US - S, 31);
  one.counts.reasons(gpu.uuid, NOW_US - S, 0x8);
  const labels = `${GPU_LABELS},GPU_I_PROFILE="1g.18gb",GPU_I_ID="7",hostname="h"`;
  expect(linesOf({ ...one, devices: [instance] })).toEqual([
    `DCGM_EXP_CLOCK_EVENTS_COUNT{${labels},clock_event="hw_slowdown",window_size_in_ms="60000"} 1`,
    `DCGM_EXP_XID_ERRORS_COUNT{${labels},window_size_in_ms="300000",xid="31"} 1`,
    `DCGM_EXP_XID_ERRORS_TOTAL{${labels},xid="31"} 1`,
  ]);
});

test('the last XID goes on to be printed, as upstream has it, as long as its device answers', () => {
  const one = asked();
  one.counts.xid(gpu.uuid, NOW_US - 500 * S, 79);
  const counters = [{ name: 'X', type: 'gauge', help: '', field: XID }];
  const textAt = (nowUs: number): string =>
    renderExposition(deviceFamilies({ ...one, counters, nowUs }), '4.8.4');
  expect(textAt(NOW_US)).toContain(
    `X{${GPU_LABELS},hostname="h",err_code="79",err_msg="GPU has fallen off the bus"} 79\n`,
  );
  expect(textAt(NOW_US + 2 * S)).toBe('');
});

test('the two that no source is asked for are not counted', () => {
  expect(names.map((name) => countedFieldOf(name)?.id)).toEqual([230, 112, 230, 112]);
  expect(['DCGM_EXP_GPU_HEALTH_STATUS', 'DCGM_EXP_P2P_STATUS'].map(countedFieldOf)).toEqual([
    undefined,
    undefined,
  ]);
});
