import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFake } from '../../helpers/fakes.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { cell, createNvmlPlay } from '../../helpers/nvml-play.ts';

const fake = loadFake('nvml');
const nvml = createNvmlPlay(fake);
const lane = laneOf(0, 'device', 100, [155, 230]);
const { of, open, play } = nvml;
const POWER = 155;
const XID = 230;
const GPU_2 = 'GPU-00000002-fade-4000-8000-000000000002';
const GPU_5 = 'GPU-00000005-fade-4000-8000-000000000005';

beforeEach(nvml.reset);
afterEach(nvml.close);

describe('NVML counters', () => {
  it('tell throttle edges: open at the rise, the same row with its end at the fall', () => {
    const { devices } = open([lane]);
    play(lane, 12);
    fake.set('throttle', 0x48);
    play(lane, 12);
    fake.set('throttle', 0x40);
    play(lane, 12);
    const first = of('throttle').filter(({ gpu }) => gpu === devices[0]!.uuid);
    expect(first.map(({ subject, endUs }) => [subject, endUs === undefined])).toEqual([
      ['hw_slowdown', true],
      ['hw_thermal_slowdown', true],
      ['hw_slowdown', false],
    ]);
    expect(first[2]?.tsUs).toBe(first[0]?.tsUs);
  });

  it('tell rises of the error counters, and are read of the GPU whose instances are sampled, once', () => {
    fake.set('mig', 0b100);
    open([lane]);
    play(lane, 12);
    fake.set('ecc', 3);
    play(lane, 12);
    expect(of('ecc')).toHaveLength(8);
    expect(of('ecc').filter(({ gpu }) => gpu === GPU_2)).toEqual([
      expect.objectContaining({ code: 3, subject: 'field_310' }),
    ]);
  });

  it('are read once a second, whatever the rate of the lanes', () => {
    open([laneOf(0, 'device', 100, [POWER])]);
    play(lane, 1);
    const before = fake.get('field_calls');
    play(lane, 50);
    expect(fake.get('field_calls') - before).toBe(5 * 8);
  });
});

/** Ticks the source, which takes the news of its worker, until something is so. */
async function until(isSo: () => boolean): Promise<void> {
  const look = (): boolean => {
    play(lane, 1);
    return isSo();
  };
  await expect.poll(look, { interval: 25 }).toBe(true);
}

describe('NVML events', () => {
  // They come by the real clock.
  const watching = { isWatchingEvents: true, openedUs: Date.now() * 1000 };

  it('tell every XID of a burst, and the rows have the last one', async () => {
    open([lane], watching);
    fake.set('xid', 5079);
    fake.set('xid', 2031);
    fake.set('xid', 2045);
    await until(() => of('xid').length === 3);
    expect(of('xid').map(({ gpu, code }) => [gpu, code])).toEqual([
      [GPU_5, 79],
      [GPU_2, 31],
      [GPU_2, 45],
    ]);
    expect(new Set(of('xid').map(({ tsUs }) => tsUs)).size).toBe(3);
    const rows = play(lane, 1).rows;
    expect(rows.map((row) => cell(lane, row, XID))).toEqual([0, 0, 45, 0, 0, 79, 0, 0]);
  });

  it('tell XIDs after the clock was set back, by the clock as it is', async () => {
    const openedUs = Date.now() * 1000 + 3_600_000_000;
    open([lane], { ...watching, openedUs });
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    expect(of('xid')[0]!.tsUs).toBeLessThan(openedUs);
  });

  it('tell memory errors by their kind', async () => {
    open([lane], watching);
    fake.set('event_type', 2);
    fake.set('xid', 2000);
    await until(() => of('ecc').length === 1);
    expect(of('ecc')[0]).toMatchObject({
      gpu: GPU_2,
      subject: 'double_bit',
      text: 'an uncorrected memory error',
    });
    // Corrected ones can come by the thousand: their counters are read instead.
    expect(fake.get('event_mask') & 1).toBe(0);
    expect(fake.get('event_mask') & 8).toBe(8);
  });

  it('name the instance that an XID happened in', async () => {
    fake.set('mig', 0b100);
    const { devices } = open([lane], watching);
    const instance = devices.find(({ gpuInstanceId }) => gpuInstanceId === 2)!;
    fake.set('event_gi', 2);
    fake.set('xid', 2013);
    await until(() => of('xid').length === 1);
    expect(of('xid')[0]?.gpu).toBe(instance.uuid);
  });

  it('of GPUs that are not sampled are not told', async () => {
    open([lane], { ...watching, devices: 'g:5' });
    fake.set('xid', 2031);
    fake.set('xid', 5045);
    await until(() => of('xid').length > 0);
    expect(of('xid').map(({ gpu }) => gpu)).toEqual([GPU_5]);
  });

  it('have the MIG layout looked at at once', async () => {
    fake.set('mig', 0b100);
    open([lane], watching);
    play(lane, 1);
    fake.set('instances', 1);
    fake.set('event_type', 256);
    fake.set('xid', 2000);
    await expect.poll(() => fake.get('events_taken')).toBe(1);
    const clockUs = fake.get('clock_us');
    await until(() => of('mig_changed').length === 1);
    // Long before the look that comes every 10 s of the virtual clock would be due.
    expect(of('mig_changed')[0]!.tsUs - clockUs).toBeLessThan(9_000_000);
  });

  it('are waited for again after the library was started anew, and let it start', async () => {
    open([lane], watching);
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    fake.set('lose_handles', 1);
    play(lane, 3);
    expect([fake.get('starts'), fake.get('inits')]).toEqual([2, 1]);
    fake.set('xid', 5079);
    await until(() => of('xid').length === 2);
    expect(of('engine_found')).toHaveLength(8);
    expect(of('unresolved')).toEqual([]);
  });

  it('of a GPU that is off the bus stand in the kernel log, and are told once', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpuledger-kmsg-'));
    const kernelLog = join(directory, 'kmsg');
    const write = (text: string): void => {
      appendFileSync(kernelLog, `3,1234,99,-;${text}\n`);
    };
    try {
      write('NVRM: Xid (PCI:0000:2f:00): 79, of yesterday');
      open([lane], { ...watching, kernelLog });
      fake.set('xid', 5031);
      await until(() => of('xid').length === 1);
      // NVML has told this one already, and would not be believed twice on that one.
      write('NVRM: Xid (PCI:0000:5f:00): 31, pid=77, name=python3, MMU Fault');
      write('NVRM: Xid (PCI:0000:2f:00): 79, pid=77, name=python3, GPU has fallen off the bus.');
      write('NVRM: Xid (PCI:0000:2f:00): 79, pid=77, name=python3, GPU has fallen off the bus.');
      write('usb 1-1: new device');
      await until(() => of('xid').length === 2);
      fake.set('xid', 2079);
      fake.set('xid', 5013);
      await until(() => of('xid').length > 2);
      expect(of('xid').map(({ gpu, code }) => [gpu, code])).toEqual([
        [GPU_5, 31],
        [GPU_2, 79],
        [GPU_5, 13],
      ]);
    } finally {
      nvml.close();
      rmSync(directory, { recursive: true });
    }
  });

  it('of the kernel log are said to be missing where it may not be read', async () => {
    open([lane], { ...watching, kernelLog: '/nowhere/kmsg' });
    await until(() => of('unresolved').length === 1);
    expect(of('unresolved')[0]).toMatchObject({
      subject: 'kernel_log',
      text: expect.stringMatching(/^XIDs 79, 119 and 120 are not recorded: ENOENT.*CAP_SYSLOG$/) as string,
    });
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
  });

  it('are not waited for while the library is shut down to look for a lost GPU', async () => {
    open([lane], watching);
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    fake.set('lost_gpu', 8);
    play(lane, 3);
    expect([fake.get('starts'), fake.get('early_shutdowns')]).toEqual([2, 0]);
    fake.set('xid', 5079);
    await until(() => of('xid').length === 2);
  });

  it('are not said to be missing while the driver is away', async () => {
    open([lane], watching);
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    fake.set('init_fails', 9);
    fake.set('lose_handles', 1);
    play(lane, 3);
    await sleep(500);
    fake.set('init_fails', 0);
    play(lane, 60);
    fake.set('xid', 5045);
    await until(() => of('xid').length === 2);
    expect(of('unresolved')).toEqual([]);
  });

  it('are not asked for in a tight loop while the library refuses to wait', async () => {
    open([lane], watching);
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    fake.set('wait_fails', 1);
    await until(() => fake.get('failed_waits') > 0);
    await sleep(200);
    expect(fake.get('failed_waits')).toBe(1);
    expect(fake.get('event_sets')).toBe(0);
  });

  it('are said to be missing once where the driver has none, and the XID is then unknown', async () => {
    fake.set('no_events', 1);
    open([lane], watching);
    await until(() => of('unresolved').length === 1);
    expect(of('unresolved')[0]).toMatchObject({
      subject: 'nvml_events',
      text: 'XIDs and other events are not recorded: nvmlDeviceRegisterEvents answered NOT_SUPPORTED (3)',
    });
    const rows = play(lane, 3).rows;
    expect(rows.every((row) => Number.isNaN(cell(lane, row, XID)) && cell(lane, row, POWER) >= 500)).toBe(
      true,
    );
    expect(fake.get('event_sets')).toBe(0);
  });

  it('leave no event set and no initialisation behind', async () => {
    open([lane], watching);
    fake.set('xid', 2031);
    await until(() => of('xid').length === 1);
    expect(fake.get('event_sets')).toBe(1);
    nvml.close();
    expect(['event_sets', 'inits', 'early_shutdowns'].map((name) => fake.get(name))).toEqual([0, 0, 0]);
  });
});
