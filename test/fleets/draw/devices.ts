import { between, oneOf, type FleetDevice, type Random } from './fleet.ts';

interface Model {
  readonly name: string;
  readonly gib: number;
  readonly watts: readonly [idle: number, full: number];
  readonly hasCounter: boolean;
  /** Compute slices of the whole GPU, where anybody knows, and ways to cut it; the profiles of some leave slices over. */
  readonly slices: number | undefined;
  readonly layouts: readonly (readonly string[])[];
}

const GIB = 2 ** 30;

const MODELS: readonly Model[] = [
  {
    name: 'NVIDIA H100 80GB HBM3',
    gib: 80,
    watts: [70, 700],
    hasCounter: true,
    slices: 7,
    layouts: [
      ['3g.40gb', '2g.20gb', '1g.10gb', '1g.10gb'],
      ['4g.40gb', '3g.40gb'],
      ['3g.40gb', '1g.10gb'],
      ['2g.20gb', '1g.10gb+me'],
    ],
  },
  {
    name: 'NVIDIA A30',
    gib: 24,
    watts: [30, 165],
    hasCounter: true,
    slices: 4,
    layouts: [
      ['2g.12gb', '1g.6gb', '1g.6gb'],
      ['1g.6gb', '1g.6gb'],
    ],
  },
  {
    name: 'NVIDIA X1000',
    gib: 96,
    watts: [80, 900],
    hasCounter: true,
    slices: undefined,
    layouts: [['1g.24gb', '1g.24gb']],
  },
  { name: 'NVIDIA L4', gib: 22, watts: [16, 72], hasCounter: true, slices: undefined, layouts: [] },
  { name: 'Tesla K80', gib: 11, watts: [25, 149], hasCounter: false, slices: undefined, layouts: [] },
];

/** Those of which the slices are known come twice as often as the others. */
const DRAWN = [...MODELS, ...MODELS.filter(({ slices }) => slices !== undefined)];

const CUT_RATIO = 0.4;
const GPUS_MAX = 6;
const DEVICES_MAX = 8;

/** @param clusters of which the nodes are; undefined: nobody told */
export function drawDevices(
  seed: number,
  clusters: readonly (string | undefined)[],
  random: Random,
): FleetDevice[] {
  const devices: FleetDevice[] = [];
  const nodeCount = between(random, 1, 4);
  const gpuCount = between(random, Math.max(3, nodeCount), GPUS_MAX + 1);
  const nodes = Array.from({ length: nodeCount }, (_, at) => ({
    cluster: clusters[at % clusters.length],
    // Nodes of two clusters may have one name.
    node: `n${clusters.length > 1 ? Math.floor(at / clusters.length) + 1 : at + 1}`,
    model: oneOf(random, DRAWN),
  }));
  for (let gpu = 0; gpu < gpuCount && devices.length < DEVICES_MAX; gpu += 1) {
    const { cluster, node, model } = nodes[gpu % nodeCount]!;
    const index = Math.floor(gpu / nodeCount);
    const uuid = `GPU-${hex(seed, 4)}${hex(gpu, 4)}-${hex(Math.floor(random() * 2 ** 32), 8)}`;
    const layouts = model.layouts.filter(({ length }) => devices.length + 1 + length <= DEVICES_MAX);
    const layout = layouts.length > 0 && random() < CUT_RATIO ? oneOf(random, layouts) : [];
    const whole = {
      cluster,
      node,
      index,
      model: model.name,
      idleWatts: model.watts[0],
      fullWatts: model.watts[1],
    };
    devices.push({
      ...whole,
      uuid,
      memoryBytes: model.gib * GIB,
      hasCounter: model.hasCounter,
      isCut: layout.length > 0,
      instance: undefined,
    });
    for (const [at, profile] of layout.entries()) {
      const slices = Number(/(\d)g/.exec(profile)![1]);
      devices.push({
        ...whole,
        uuid: `MIG-${hex(seed, 4)}${hex(gpu, 4)}-${at + 1}-${hex(Math.floor(random() * 2 ** 32), 8)}`,
        memoryBytes: Number(/(\d+)gb/.exec(profile)![1]) * GIB,
        hasCounter: false,
        isCut: false,
        instance: { parent: uuid, profile, slices, totalSlices: model.slices, id: at + 1 },
      });
    }
  }
  return devices;
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}
