import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GpuEvent } from '../../../src/core/sampling/event.ts';
import { startSampler } from '../../../src/sampler/sampler.ts';
import type { Sampler } from '../../../src/sampler/sampler.ts';
import { loadFake } from '../../helpers/fakes.ts';

const fake = loadFake('nvml');
const FIELDS = [1002, 155, 156, 230];
let events: GpuEvent[] = [];
let sampler: Sampler | undefined;

beforeEach(() => {
  fake.reset();
  events = [];
});
afterEach(async () => {
  sampler?.control.stop();
  await sampler?.ended;
  sampler = undefined;
});

/** The real clock, the real worker, and the worker of that worker. */
async function start(): Promise<Sampler> {
  sampler = await startSampler(
    { name: 'nvml', node: 'n1', library: fake.path },
    [{ name: 'profiling', intervalMs: 100, isContinuous: true, fieldIds: FIELDS, capacityTicks: 600 }],
    { kind: 'real' },
    {
      onEvent: (event) => {
        events.push(event);
      },
      onMissed: () => undefined,
      onJournalFailed: () => undefined,
    },
  );
  return sampler;
}

async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo).toBe(true);
}

describe('NVML in the sampling worker', () => {
  it('fills the rings, while the thread that samples never runs an event loop', async () => {
    const { rings, devices, description } = await start();
    expect(devices).toHaveLength(8);
    expect(description).toMatch(
      /^NVML, driver 595\.45\.04 .*; profiling by GPM on 8 of 8 devices(; no real-time priority)?$/,
    );
    const ring = rings[0]!;
    const rowsWithProfiling = (): number => ring.columns[0]!.filter((value) => value > 0).length;
    await until(() => rowsWithProfiling() > 8);
    // Power of GPU 5, and the energy that its counter rose by in a tenth of a second or more.
    expect(ring.columns[1]![5]).toBe(505);
    await until(() => ring.energyRise[2 * 8 + 5]! > 0);
    expect(fake.get('young_pairs')).toBe(0);
  });

  it('brings the XIDs of the worker that waits for them', async () => {
    await start();
    fake.set('xid', 3031);
    await until(() => events.some(({ kind }) => kind === 'xid'));
    expect(events.find(({ kind }) => kind === 'xid')).toMatchObject({
      gpu: expect.stringMatching(/^GPU-00000003/) as string,
      code: 31,
    });
  });

  it('ends with nothing left in the library', async () => {
    const { control, ended } = await start();
    fake.set('xid', 3031);
    await until(() => events.some(({ kind }) => kind === 'xid'));
    control.stop();
    await ended;
    const left = ['event_sets', 'gpm_samples', 'inits', 'early_shutdowns'].map((name) => fake.get(name));
    expect(left).toEqual([0, 0, 0, 0]);
  });

  it('tells the main thread what is missing', async () => {
    fake.set('init_fails', 9);
    await expect(start()).rejects.toMatchObject({ exit: 'unavailable', code: 'nvml.driver_not_loaded' });
  });
});
