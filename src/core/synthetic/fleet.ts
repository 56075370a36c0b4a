import type { Device } from '../devices/device.ts';
import { createRandom, randomUuid } from './random.ts';
import type { ScenarioOptions } from './scenario.ts';

const H200_MEMORY_BYTES = 143_771 * 1024 * 1024;
const MODEL = 'NVIDIA H200';
const DRIVER = '580.95.05';

interface MigSlice {
  readonly profile: string;
  readonly instanceId: number;
  /** Eighths of the memory. */
  readonly memoryEighths: number;
}

/** Ways to cut an H200 (7 compute and 8 memory slices), used in turn. Instance ids as NVML gives them out. */
const MIG_LAYOUTS: readonly (readonly MigSlice[])[] = [
  [
    { profile: '3g.71gb', instanceId: 2, memoryEighths: 4 },
    { profile: '2g.35gb', instanceId: 3, memoryEighths: 2 },
    { profile: '2g.35gb', instanceId: 5, memoryEighths: 2 },
  ],
  [7, 8, 9, 10, 11, 12, 13].map((instanceId) => ({ profile: '1g.18gb', instanceId, memoryEighths: 1 })),
  [
    { profile: '4g.71gb', instanceId: 1, memoryEighths: 4 },
    { profile: '3g.71gb', instanceId: 2, memoryEighths: 4 },
  ],
];

/** Where an HGX board puts its eight GPUs on the bus; further GPUs get made-up addresses. */
const BUSES = ['19', '3B', '4C', '5D', '9B', 'BB', 'CB', 'DB'];

/** The devices of a scenario, node by node, GPU by GPU; with `mig`, each GPU before its instances. */
export function makeFleet(options: ScenarioOptions): readonly Device[] {
  const devices: Device[] = [];
  for (let node = 0; node < options.nodes; node += 1) {
    const name = options.nodeNames?.[node] ?? `n${node + 1}`;
    const random = createRandom(options.seed, `uuids of ${name}`);
    for (let index = 0; index < options.gpusPerNode; index += 1) {
      const bus = BUSES[index] ?? (0x10 + index).toString(16).toUpperCase();
      const gpu: Device = {
        uuid: `GPU-${randomUuid(random)}`,
        node: name,
        index,
        model: MODEL,
        memoryBytes: H200_MEMORY_BYTES,
        driver: DRIVER,
        minor: index,
        pciBusId: `00000000:${bus}:00.0`,
      };
      if (options.mig !== true) devices.push(gpu);
      else {
        devices.push({ ...gpu, isCut: true });
        for (const slice of MIG_LAYOUTS[index % MIG_LAYOUTS.length]!)
          devices.push(cut(gpu, slice, randomUuid(random)));
      }
    }
  }
  return devices;
}

function cut(gpu: Device, slice: MigSlice, uuid: string): Device {
  return {
    ...gpu,
    uuid: `MIG-${uuid}`,
    model: `${gpu.model} MIG ${slice.profile}`,
    memoryBytes: (gpu.memoryBytes / 8) * slice.memoryEighths,
    parentUuid: gpu.uuid,
    gpuInstanceId: slice.instanceId,
    computeInstanceId: 0,
    migProfile: slice.profile,
  };
}
