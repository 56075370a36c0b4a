import { describe, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import { expandHostlist } from '../../../src/core/devices/hostlist.ts';
import { resolveDevices, type DeviceNames, type DeviceOrder } from '../../../src/core/devices/identity.ts';
import { nodeGresFrom, orderOf } from '../../../src/ownership/slurm/gres-conf.ts';
import { confText } from '../../helpers/conf-text.ts';

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
const files = (gres: string, slurm = ''): DeviceOrder =>
  orderOf(nodeGresFrom(confText(gres), confText(slurm), 'n1').gres);

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
      what: 'by device file where Slurm finds the GPUs without NVML',
      names: { positions: '0,1,2' },
      order: files('AutoDetect=nvidia'),
      resolved: ['GPU-b', 'GPU-c', 'GPU-a'],
    },
    {
      what: 'only where bus and device file agree, if Slurm may go by either',
      names: { positions: '0,1,2' },
      devices: [
        { ...GPUS[0]!, minor: 1 },
        { ...GPUS[1]!, minor: 2 },
        { ...GPUS[2]!, minor: 3 },
      ],
      order: files('AutoDetect=full'),
      resolved: ['GPU-a'],
      unresolved: ['1', '2'],
    },
    {
      what: 'not where Slurm counts other GPUs than there are',
      names: { positions: '0' },
      order: files('AutoDetect=nvml', 'NodeName=n1 Gres=gpu:2'),
      resolved: [],
      unresolved: ['0'],
    },
    {
      what: 'by the PCI bus among those that are named',
      names: { positions: '0,1' },
      order: files('AutoDetect=nvml\nName=gpu File=/dev/nvidia[0-1]', 'NodeName=n1 Gres=gpu:2'),
      resolved: ['GPU-c', 'GPU-b'],
    },
    {
      what: 'not where Slurm finds the GPUs of another maker',
      names: { positions: '0' },
      order: files('AutoDetect=rsmi'),
      resolved: [],
      unresolved: ['0'],
    },
    {
      what: 'no whole GPU where one is cut, though its instances are not sampled',
      names: { positions: '0,1' },
      devices: [{ ...GPU, isCut: true }, GPUS[1]!, GPUS[2]!],
      order: files('AutoDetect=nvml'),
      resolved: [],
      unresolved: ['0', '1'],
    },
    {
      what: 'no GPU that is cut, by its UUID or its number',
      names: { devices: 'GPU-a,0,1' },
      devices: [{ ...GPU, uuid: 'GPU-a', index: 0, isCut: true }, GPUS[1]!, GPUS[2]!],
      resolved: ['GPU-b'],
      unresolved: ['GPU-a', '0'],
    },
    {
      what: 'no GPU that is cut, by its device file',
      names: { positions: '0,1' },
      devices: [{ ...GPU, isCut: true }, GPUS[1]!, GPUS[2]!],
      order: files('Name=gpu File=/dev/nvidia3\nName=gpu File=/dev/nvidia0'),
      resolved: ['GPU-b'],
      unresolved: ['0'],
    },
    {
      what: 'no part of a GPU by the number at the end of its device files',
      names: { positions: '0,1' },
      order: files(
        'Name=gpu MultipleFiles=/dev/nvidia-caps/nvidia-cap9,/dev/nvidia3\nName=gpu File=/dev/nvidia0',
      ),
      resolved: ['GPU-b'],
      unresolved: ['0'],
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

test.each([
  { text: 'n[1-3,07],login', names: ['n1', 'n2', 'n3', 'n07', 'login'] },
  { text: 'r[1-2]n[08-10]', names: ['r1n08', 'r1n09', 'r1n10', 'r2n08', 'r2n09', 'r2n10'] },
  { text: 'n1', names: ['n1'] },
  { text: 'n1 n[2-3],\tn5', names: ['n1', 'n2', 'n3', 'n5'] },
  { text: '/dev/nvidia[3,1-2]', names: ['/dev/nvidia3', '/dev/nvidia1', '/dev/nvidia2'] },
  { text: '', names: [] },
  { text: 'n[1-', names: ['n[1-'] },
  { text: 'n[3-1],m', names: ['n[3-1]', 'm'] },
  { text: 'n[1-2][,]', names: ['n1[,]', 'n2[,]'] },
  { text: 'n[1-2,3-4-5]', names: ['n[1-2,3-4-5]'] },
  { text: 'n[9007199254740992-9007199254740994]', names: ['n[9007199254740992-9007199254740994]'] },
])('hostlist $text', ({ text, names }) => {
  expect(expandHostlist(text)).toEqual(names);
});

test('a hostlist that stands for billions is cut', () => {
  expect(expandHostlist('n[0-4000000000]', 5)).toHaveLength(5);
  expect(expandHostlist('n[0-4000000000][0-4000000000][2-1]', 5)).toHaveLength(5);
});
