import { describe, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import { gresOrderOf, sharesGpus } from '../../../src/core/devices/gres-conf.ts';
import { expandHostlist } from '../../../src/core/devices/hostlist.ts';
import { resolveDevices, type DeviceNames, type DeviceOrder } from '../../../src/core/devices/identity.ts';
import { gpuPositionsOf } from '../../../src/ownership/slurm/scontrol.ts';

const GPU: Device = {
  uuid: 'GPU-a',
  node: 'n1',
  index: 0,
  minor: 3,
  pciBusId: '00000000:0F:00.0',
  model: 'X',
  memoryBytes: 1,
};
/** NVML's order; minors and PCI ids go another way. */
const GPUS: readonly Device[] = [
  GPU,
  { ...GPU, uuid: 'GPU-b', index: 1, minor: 0, pciBusId: '00000000:8F:00.0' },
  { ...GPU, uuid: 'GPU-c', index: 2, minor: 1, pciBusId: '0000:1A:00.0' },
];
const MIG: Device = {
  uuid: 'MIG-x',
  node: 'n1',
  index: 4,
  parentUuid: 'GPU-p',
  gpuInstanceId: 3,
  computeInstanceId: 0,
  model: 'X',
  memoryBytes: 1,
};
const RECORDED_MIG: Device = {
  uuid: 'MIG-y',
  node: 'n1',
  index: 4,
  parentUuid: 'GPU-p',
  pciBusId: '00000000:FF:00.0',
  model: 'X',
  memoryBytes: 1,
};
const files = (text: string): DeviceOrder => ({ gres: gresOrderOf(text, 'n1')! });

interface Case {
  readonly what: string;
  readonly names: DeviceNames;
  readonly devices?: readonly Device[];
  readonly order?: DeviceOrder;
  readonly resolved: readonly string[];
  readonly unresolved?: readonly string[];
}

describe('names become devices', () => {
  test.each<Case>([
    {
      what: 'by the order of gres.conf and its minors, which is not the order of NVML',
      names: { positions: '0,2' },
      order: files('Name=gpu File=/dev/nvidia[0-1]\nName=gpu File=/dev/nvidia3'),
      resolved: ['GPU-b', 'GPU-a'],
    },
    {
      what: 'by the PCI bus where Slurm finds the GPUs itself',
      names: { positions: '0,1,2' },
      order: files('AutoDetect=nvml'),
      resolved: ['GPU-a', 'GPU-c', 'GPU-b'],
    },
    {
      what: 'by UUIDs in CUDA_VISIBLE_DEVICES (25.11 and later), whatever the positions say',
      names: { positions: '0', visible: 'GPU-c,GPU-b' },
      order: files('AutoDetect=nvml'),
      resolved: ['GPU-c', 'GPU-b'],
    },
    {
      what: 'a MIG UUID',
      names: { positions: '1', visible: 'MIG-x' },
      devices: [...GPUS, MIG],
      resolved: ['MIG-x'],
    },
    {
      what: 'the older MIG name',
      names: { visible: 'MIG-GPU-p/3/0' },
      devices: [...GPUS, MIG],
      resolved: ['MIG-x'],
    },
    {
      what: 'a MIG name of another instance',
      names: { visible: 'MIG-GPU-p/4/0' },
      devices: [...GPUS, MIG],
      resolved: [],
      unresolved: ['MIG-GPU-p/4/0'],
    },
    {
      what: "by the site's own map, which stands above gres.conf",
      names: { positions: '0,1' },
      order: { ...files('Name=gpu File=/dev/nvidia[0-1]'), map: new Map([[0, 'GPU-a']]) },
      resolved: ['GPU-a', 'GPU-c'],
    },
    {
      what: 'by the names of gpuledger',
      names: { devices: 'GPU-c, 1,4.3' },
      devices: [...GPUS, MIG],
      resolved: ['GPU-c', 'GPU-b', 'MIG-x'],
    },
    { what: 'not without an order', names: { positions: '0' }, order: {}, resolved: [], unresolved: ['0'] },
    {
      what: 'not by PCI where MIG instances take numbers too',
      names: { positions: '0' },
      devices: [...GPUS, MIG],
      order: files('AutoDetect=nvml'),
      resolved: [],
      unresolved: ['0'],
    },
    {
      what: 'no index where instances are known by their parent only, as the store records them',
      names: { devices: '4' },
      devices: [...GPUS, RECORDED_MIG],
      order: files('AutoDetect=nvml'),
      resolved: [],
      unresolved: ['4'],
    },
    {
      what: 'no position where instances are known by their parent only',
      names: { positions: '3' },
      devices: [...GPUS, RECORDED_MIG],
      order: files('AutoDetect=nvml'),
      resolved: [],
      unresolved: ['3'],
    },
    {
      what: 'not by PCI where two GPUs are told to sit at one place',
      names: { positions: '1' },
      devices: [...GPUS, { ...GPU, uuid: 'GPU-gone' }],
      order: files('AutoDetect=nvml'),
      resolved: [],
      unresolved: ['1'],
    },
    {
      what: 'not beyond the list',
      names: { positions: '0,7' },
      order: files('Name=gpu File=/dev/nvidia[0-1]'),
      resolved: ['GPU-b'],
      unresolved: ['7'],
    },
    {
      what: 'not a minor that no device has',
      names: { positions: '0' },
      order: files('Name=gpu File=/dev/nvidia9'),
      resolved: [],
      unresolved: ['0'],
    },
    { what: 'an unknown UUID', names: { visible: 'GPU-z' }, resolved: [], unresolved: ['GPU-z'] },
    { what: 'no GPUs', names: {}, resolved: [] },
  ])('$what', ({ names, devices = GPUS, order = {}, resolved, unresolved = [] }) => {
    const resolution = resolveDevices(names, devices, order);
    expect(resolution.devices.map((device) => device.uuid)).toEqual(resolved);
    expect(resolution.unresolved).toEqual(unresolved);
  });
});

describe('gres.conf', () => {
  test('counts in the order of the lines, whatever the numbers', () => {
    const order = gresOrderOf(
      'Name=gpu File=/dev/nvidia7\nname=gpu file=/dev/nvidia[2-3] # two\nName=gpu File=/dev/nvidia[0-1]',
      'n1',
    );
    expect(order?.gpus.map((gpu) => gpu.file.slice(-1)).join('')).toBe('72301');
  });
  test('reads the lines of its own node and those of all', () => {
    const text =
      'AutoDetect=off\nNodeName=n[2-3] Name=gpu Type=a File=/dev/nvidia0\nNodeName=n1 Name=gpu Type=b File=/dev/nvidia5\nName=mps Count=400';
    expect(gresOrderOf(text, 'n1')).toEqual({
      kind: 'files',
      gpus: [{ file: '/dev/nvidia5', type: 'b' }],
      isMixed: false,
    });
    expect(gresOrderOf(text, 'n9')).toBeUndefined();
  });
  test('sees several types', () => {
    expect(
      gresOrderOf('Name=gpu Type=a File=/dev/nvidia0\nName=gpu Type=b File=/dev/nvidia1', 'n1')?.isMixed,
    ).toBe(true);
  });
  test("a node's own AutoDetect stands above the one for all", () => {
    const text = 'NodeName=n1 AutoDetect=off Name=gpu File=/dev/nvidia0\nAutoDetect=nvml';
    expect(gresOrderOf(text, 'n1')?.kind).toBe('files');
    expect(gresOrderOf(text, 'n2')?.kind).toBe('pci');
  });
  test.each([
    { text: 'GresTypes=gpu\n', shares: false },
    { text: 'grestypes=gpu,shard', shares: true },
    { text: 'GresTypes=gpu\nGresTypes=mps', shares: true },
    { text: '#GresTypes=gpu\nClusterName=x', shares: undefined },
  ])('slurm.conf $text', ({ text, shares }) => {
    expect(sharesGpus(text)).toBe(shares);
  });
});

test.each([
  { text: 'n[1-3,07],login', names: ['n1', 'n2', 'n3', 'n07', 'login'] },
  { text: 'r[1-2]n[08-10]', names: ['r1n08', 'r1n09', 'r1n10', 'r2n08', 'r2n09', 'r2n10'] },
  { text: 'n1', names: ['n1'] },
  { text: '', names: [] },
  { text: 'n[1-', names: ['n[1-'] },
])('hostlist $text', ({ text, names }) => {
  expect(expandHostlist(text)).toEqual(names);
});

test('a hostlist that stands for billions is cut', () => {
  expect(expandHostlist('n[0-4000000000]', 5)).toHaveLength(5);
});

describe('scontrol -d show job', () => {
  const BLOCK = `JobId=12 ArrayJobId=11 ArrayTaskId=1 JobName=x
   Nodes=n[1-2] CPU_IDs=0 Mem=0 GRES=gpu:a100:1(IDX:0),gpu:v100:2(IDX:3-4)
   Nodes=n3 CPU_IDs=0-1 Mem=0 GRES=shard:1(IDX:2),gpu:v100:0(IDX:)

JobId=11 ArrayJobId=11 ArrayTaskId=2 JobName=x
   Nodes=n1 CPU_IDs=1 Mem=0 GRES=gpu:2(IDX:6-7)
`;
  test('gives the positions on each node', () => {
    expect([...gpuPositionsOf(BLOCK, '12')]).toEqual([
      ['n1', [0, 3, 4]],
      ['n2', [0, 3, 4]],
      ['n3', [2]],
    ]);
  });
  test('reads the block of its own job only', () => {
    expect([...gpuPositionsOf(BLOCK, '11')]).toEqual([['n1', [6, 7]]]);
    expect([...gpuPositionsOf(BLOCK, '1')]).toEqual([]);
  });
});
