/** Sampling that passes from one collector to the next: real workers, fakes of the libraries behind them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Ring } from '../../src/core/ring/ring.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { intakeAfter, orderOf, type Intake } from '../../src/collector/intake.ts';
import type { SourceSpec } from '../../src/source/open-source.ts';
import { startSampler, stopSampler } from '../../src/sampler/sampler.ts';
import { loadFake } from '../helpers/fakes.ts';

const nvml = loadFake('nvml');
const dcgm = loadFake('dcgm');
const SYNTHETIC: SourceSpec = {
  name: 'synthetic',
  scenario: { kind: 'steady', seed: 3, nodes: 1, gpusPerNode: 2, startUs: 0 },
};
const NVML: SourceSpec = { name: 'nvml', node: 'n1', library: nvml.path };
const DCGM: SourceSpec = { name: 'dcgm', node: 'n1', library: dcgm.path };

let directory: string;
let started: Intake[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-intake-'));
  nvml.reset();
  dcgm.reset();
  started = [];
});
afterEach(async () => {
  for (const { sampler } of started) await stopSampler(sampler, 5_000);
  rmSync(directory, { recursive: true });
});

function laneOf(name: string, fieldIds: readonly number[]): Lane {
  const fields = fieldIds.map((id) => findField(id)!);
  return { name, table: `gpu_${name}`, schedule: 'continuous', intervalMs: 100, fields, capacityTicks: 600 };
}

const LANES = [laneOf('a', [155, 156])];
const MORE_LANES = [laneOf('b', [150]), ...LANES];

async function start(source: SourceSpec, lanes: readonly Lane[]): Promise<Intake> {
  const orders = lanes.map((lane) => orderOf(lane, undefined));
  const sampler = await startSampler(source, orders, { kind: 'real' }, undefined);
  const intake = { sampler, lanes, source, life: 1 };
  started.push(intake);
  return intake;
}

async function pass(former: Intake, source: SourceSpec, lanes: readonly Lane[]): Promise<Intake> {
  const disk = { directory, hasJournal: true };
  const intake = await intakeAfter(former, { source, lanes, disk, nowMs: 0, patienceMs: 300 });
  started.push(intake);
  return intake;
}

async function ticks(ring: Ring, atLeast: number): Promise<void> {
  await expect.poll(() => ring.heldTicks).toBeGreaterThanOrEqual(atLeast);
}

/** The first row of `ring` speaks for the time since the last row of `former`, as far as a dt may reach. */
function expectContinued(ring: Ring, former: Ring): void {
  const first = ring.baseOf(0);
  const last = former.baseOf(former.heldTicks - 1);
  const stepUs = ring.tsUs[first]! - former.tsUs[last]!;
  expect(stepUs).toBeGreaterThan(0);
  expect(ring.dtUs[first]).toBe(stepUs <= 250_000 ? stepUs : 0);
}

test.each([
  ['synthetic', SYNTHETIC, { ...SYNTHETIC, scenario: { ...SYNTHETIC.scenario, startUs: 5 } }],
  ['dcgm', DCGM, { ...DCGM, flushIntervalMs: 7_000 }],
  ['nvml', NVML, NVML],
])('the same source goes on without being opened again: %s', async (_, source, again) => {
  const former = await start(source, LANES);
  await ticks(former.sampler.rings[0]!, 2);
  const next = await pass(former, again, LANES);
  expect(next.sampler.control).toBe(former.sampler.control);
  expect(next.life).toBe(2);
  const held = former.sampler.rings[0]!.heldTicks;
  await ticks(next.sampler.rings[0]!, 2);
  expect(former.sampler.rings[0]!.heldTicks).toBe(held);
  expectContinued(next.sampler.rings[0]!, former.sampler.rings[0]!);
});

test.each([
  ['synthetic', SYNTHETIC],
  ['nvml', NVML],
  ['dcgm', DCGM],
])(
  'with other lanes another source is opened, and the lane that stays is continued: %s',
  async (_, source) => {
    const former = await start(source, LANES);
    await ticks(former.sampler.rings[0]!, 2);
    const next = await pass(former, source, MORE_LANES);
    expect(next.sampler.control).not.toBe(former.sampler.control);
    const held = former.sampler.rings[0]!.heldTicks;
    for (const ring of next.sampler.rings) await ticks(ring, 2);
    expect(former.sampler.rings[0]!.heldTicks).toBe(held);
    expectContinued(next.sampler.rings[1]!, former.sampler.rings[0]!);
    expect(next.sampler.rings[0]!.dtUs[0]).toBe(0);
  },
);

test('while the source sits in a call nothing is exchanged; the next exchange is', async () => {
  const former = await start(DCGM, LANES);
  const ring = former.sampler.rings[0]!;
  await ticks(ring, 1);
  dcgm.set('burn_us', 5_000_000);
  const { control } = former.sampler;
  const callMs = (): number => control.callMs;
  await expect.poll(callMs, { interval: 5 }).toBeGreaterThan(100);
  await expect(pass(former, DCGM, LANES)).rejects.toMatchObject({ code: 'source.silent' });
  dcgm.set('burn_us', 0);
  await ticks(ring, ring.heldTicks + 3);
  const next = await pass(former, DCGM, LANES);
  expect(next.sampler.control).toBe(former.sampler.control);
  await ticks(next.sampler.rings[0]!, 2);
});

test('events that nobody heard are told to the next listener', async () => {
  const former = await start(NVML, LANES);
  former.sampler.listen(undefined);
  nvml.set('xid', 3031);
  const next = await pass(former, NVML, LANES);
  await expect.poll(() => nvml.get('events_taken')).toBe(1);
  const kinds: string[] = [];
  next.sampler.listen({
    onEvent: ({ kind }) => kinds.push(kind),
    onMissed: () => undefined,
    onJournalFailed: () => undefined,
  });
  await expect.poll(() => kinds).toContain('xid');
});
