import type { Random } from './random.ts';
import { MINUTE_US, SECOND_US, type Level, type Phase, type Shape } from './shape.ts';

export const SHAPE_NAMES = [
  'training',
  'inference',
  'memory-bound',
  'data-starved',
  'idle',
  'fp64',
  'out-of-memory',
  'starved-then-idle',
] as const;
export type ShapeName = (typeof SHAPE_NAMES)[number];

const STILL: Level = {
  sm: 0,
  tensor: 0,
  dram: 0,
  fp64: 0,
  fp32: 0,
  fp16: 0,
  pcieTx: 0,
  pcieRx: 0,
  nvlink: 0,
};
const phase = (seconds: number, level: Partial<Level>): Phase => ({
  ...STILL,
  ...level,
  durationUs: Math.round(seconds * SECOND_US),
});

/** What a shape is made for. */
export interface ShapeSetting {
  readonly jobDurationUs: number;
  /** The job shares GPUs over NVLink (it has more than one). */
  readonly isParallel: boolean;
  /** From this time since the start on the job only waits: a rank was lost. */
  readonly hangsAfterUs?: number;
}

/** Makes a shape; `random` gives every job its own speed and levels. */
export function makeShape(name: ShapeName, setting: ShapeSetting, random: Random): Shape {
  const k = random.between(0.95, 1.03);
  const load = phase(Math.min(random.between(40, 95), setting.jobDurationUs / SECOND_US / 5), {
    sm: 0.02,
    pcieRx: 5.5e9,
  });
  const memoryRatio = random.between(0.62, 0.84);
  const base: Shape = {
    name,
    warmup: load,
    steps: [phase(1, {})],
    periodUs: Infinity,
    pause: phase(0, {}),
    activeUs: setting.hangsAfterUs ?? Infinity,
    tail: STILL,
    memoryRatio,
    memoryEndRatio: memoryRatio,
    memoryFullUs: setting.jobDurationUs,
  };
  switch (name) {
    case 'training':
      return {
        ...base,
        ...training(k, setting.isParallel),
        periodUs: Math.round(random.between(24, 55) * MINUTE_US),
      };
    case 'out-of-memory':
      return { ...base, ...training(k, setting.isParallel), memoryRatio: 0.55, memoryEndRatio: 0.998 };
    case 'inference':
      return { ...base, ...inference(k, random), memoryRatio: 0.9, memoryEndRatio: 0.9 };
    case 'memory-bound':
      return { ...base, steps: [memoryBound(k, 11), memoryBound(k * 0.93, 5)] };
    case 'data-starved':
      return { ...base, ...dataStarved(k), memoryRatio: 0.24, memoryEndRatio: 0.24 };
    case 'idle':
      return { ...base, warmup: phase(20, { sm: 0.01 }), memoryRatio: 0.012, memoryEndRatio: 0.012 };
    case 'fp64':
      return { ...base, steps: fp64(k, setting.isParallel) };
    case 'starved-then-idle':
      return {
        ...base,
        ...dataStarved(k),
        activeUs: 38 * MINUTE_US,
        memoryRatio: 0.17,
        memoryEndRatio: 0.17,
      };
  }
}

function training(k: number, isParallel: boolean): Pick<Shape, 'steps' | 'pause'> {
  const links = isParallel ? 1 : 0;
  return {
    steps: [
      phase(5.2 / k, {
        sm: 0.91 * k,
        tensor: 0.51 * k,
        dram: 0.36,
        fp16: 0.07,
        fp32: 0.05,
        pcieRx: 1.6e9,
        nvlink: 96e9 * links,
      }),
      phase(0.9, { sm: 0.58, tensor: 0.14, dram: 0.31, fp32: 0.06, pcieRx: 0.9e9, nvlink: 285e9 * links }),
      phase(0.6, { sm: 0.42, tensor: 0.02, dram: 0.62, fp32: 0.21, pcieTx: 0.2e9, pcieRx: 2.1e9 }),
    ],
    pause: phase(38, { sm: 0.03, dram: 0.02, pcieTx: 11e9, pcieRx: 0.1e9 }),
  };
}

function inference(k: number, random: Random): Pick<Shape, 'steps'> {
  const burst = { sm: 0.64 * k, tensor: 0.22 * k, dram: 0.55, fp16: 0.09, pcieTx: 0.4e9, pcieRx: 0.7e9 };
  const lull = { sm: 0.09, tensor: 0.02, dram: 0.08, fp16: 0.01, pcieTx: 0.05e9, pcieRx: 0.06e9 };
  return {
    steps: [
      phase(random.between(9, 14), burst),
      phase(random.between(15, 28), lull),
      phase(random.between(3, 6), burst),
      phase(random.between(20, 33), {}),
    ],
  };
}

function memoryBound(k: number, seconds: number): Phase {
  return phase(seconds, { sm: 0.46 * k, tensor: 0.01, dram: 0.84 * k, fp32: 0.17, pcieRx: 0.3e9 });
}

function dataStarved(k: number): Pick<Shape, 'steps'> {
  return {
    steps: [
      phase(1.3, { sm: 0.74 * k, tensor: 0.3 * k, dram: 0.27, fp16: 0.04, pcieRx: 1.1e9 }),
      phase(5.9, { sm: 0.015, pcieRx: 2.9e9 }),
    ],
  };
}

function fp64(k: number, isParallel: boolean): readonly Phase[] {
  const links = isParallel ? 1 : 0;
  return [
    phase(14, { sm: 0.83 * k, dram: 0.52, fp64: 0.47 * k, fp32: 0.03, nvlink: 22e9 * links, pcieRx: 0.2e9 }),
    phase(3, { sm: 0.37, dram: 0.7, fp64: 0.11, pcieTx: 1.4e9, nvlink: 140e9 * links }),
  ];
}
