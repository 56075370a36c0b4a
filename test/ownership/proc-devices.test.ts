import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Device } from '../../src/core/devices/device.ts';
import { readProcDevices, withNeighbours } from '../../src/ownership/proc-devices.ts';

let root: string;
let directory: string;
beforeEach(() => {
  root = directory = mkdtempSync(join(tmpdir(), 'gpuledger-proc-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function put(bus: string, uuid: string, minor: number): void {
  mkdirSync(join(directory, bus), { recursive: true });
  const lines = [
    'Model: \t\t X',
    `GPU UUID: \t ${uuid}`,
    `Bus Location: \t ${bus}`,
    `Device Minor: \t ${minor}`,
  ];
  writeFileSync(join(directory, bus, 'information'), `${lines.join('\n')}\n`);
}

const device = (uuid: string, parentUuid?: string): Device => ({
  ...{ uuid, node: 'n1', index: 0, model: 'X', memoryBytes: 1 },
  ...(parentUuid === undefined ? {} : { parentUuid }),
});
const uuids = (devices: readonly Device[]): string[] => devices.map(({ uuid }) => uuid);

test('the GPUs that the driver lists, in the order of the bus', () => {
  put('0000:8f:00.0', 'GPU-b', 0);
  put('0000:0f:00.0', 'GPU-a', 1);
  put('0000:ff:00.0', 'GPU-????????', 2);
  expect(readProcDevices('n1', directory)).toMatchObject([
    { uuid: 'GPU-a', index: 0, minor: 1, pciBusId: '0000:0f:00.0' },
    { uuid: 'GPU-b', index: 1, minor: 0, pciBusId: '0000:8f:00.0' },
  ]);
});

test('a GPU is cut where the driver has capabilities of an instance', () => {
  directory = join(directory, 'gpus');
  put('0000:0f:00.0', 'GPU-a', 1);
  put('0000:8f:00.0', 'GPU-b', 0);
  for (const path of ['mig', 'gpu0/mig/gi3/ci0', 'gpu1/mig'])
    mkdirSync(join(directory, '../capabilities', path), { recursive: true });
  const found = readProcDevices('n1', directory);
  expect(found.map(({ uuid, isCut }) => [uuid, isCut])).toEqual([
    ['GPU-a', undefined],
    ['GPU-b', true],
  ]);
  const sampled = [device('GPU-b'), device('GPU-a')];
  expect(withNeighbours(sampled, found).map(({ uuid, minor, isCut }) => [uuid, minor, isCut])).toEqual([
    ['GPU-b', 0, true],
    ['GPU-a', 1, undefined],
  ]);
});

test('no driver, no devices', () => {
  expect(readProcDevices('n1', join(directory, 'none'))).toEqual([]);
});

test('GPUs that are not sampled stand beside those that are, but not the parent of a known instance', () => {
  const known = [device('GPU-a'), device('MIG-b', 'GPU-b')];
  const local = [device('GPU-a'), device('GPU-b'), device('GPU-c')];
  expect(uuids(withNeighbours(known, local))).toEqual(['GPU-a', 'MIG-b', 'GPU-c']);
});

test('devices of another machine, or of none, have no neighbours here', () => {
  const elsewhere = [device('GPU-x')];
  expect(withNeighbours(elsewhere, [device('GPU-a')])).toEqual(elsewhere);
  expect(uuids(withNeighbours([], [device('GPU-a')]))).toEqual(['GPU-a']);
});
