import { assert } from '../base/assert.ts';
import { MINUTE_US, phase, SECOND_US, SPIN, STILL, type Phase } from './level.ts';
import type { Random } from './random.ts';
import { durationOf, NEVER, type Interlude, type Shape } from './shape.ts';

export const SHAPE_NAMES = [
  'training',
  'inference',
  'memory-bound',
  'data-starved',
  'idle',
  'fp64',
  'out-of-memory',
  'starved-then-idle',
  'small-kernels',
  'idle-ends',
] as const;
export type ShapeName = (typeof SHAPE_NAMES)[number];

/** How often a job takes a step, where it is not left to the shape. */
export interface Pace {
  /** Planned µs of a step. */
  readonly stepUs: number;
  /** Part by which steps and ranks scatter, 0..JITTER_MAX; 0: every step is like the one before. */
  readonly jitter: number;
}

const JITTER_MAX = 0.3;

/** What a shape is made for. */
export interface ShapeSetting {
  readonly jobDurationUs: number;
  /** The job shares GPUs over NVLink (it has more than one). */
  readonly isParallel: boolean;
  /** From this time since the start on the job only waits: a rank was lost. */
  readonly hangsAfterUs?: number;
  readonly pace?: Pace;
}

/** Makes a shape; `random` gives every job its own speed and levels. */
export function makeShape(name: ShapeName, setting: ShapeSetting, random: Random): Shape {
  const k = random.between(0.95, 1.03);
  const headSeconds = Math.min(random.between(40, 95), setting.jobDurationUs / SECOND_US / 5);
  const memoryRatio = random.between(0.62, 0.84);
  const checkpointUs = Math.round(random.between(24, 55) * MINUTE_US);
  const base: Shape = {
    // Weights come from the disk: copying needs no kernel.
    head: phase(headSeconds, { engine: 0.03, sm: 0.02, pcieRx: 5.5e9 }),
    gap: [],
    compute: [],
    wait: SPIN,
    collective: [],
    evaluation: NEVER,
    checkpoint: NEVER,
    jitter: { step: 0.03, rank: 0.05 },
    activeUs: setting.hangsAfterUs ?? Infinity,
    tail: setting.hangsAfterUs === undefined ? STILL : SPIN,
    isHanging: setting.hangsAfterUs !== undefined,
    memoryRatio,
    memoryEndRatio: memoryRatio,
    memoryFullUs: setting.jobDurationUs,
  };
  const shape = { ...base, ...partOf(name, k, setting, headSeconds) };
  const paced = setting.pace === undefined ? shape : atPace(shape, setting.pace);
  return name === 'training' ? withInterludes(paced, k, checkpointUs) : paced;
}

/** What makes the shape what it is. */
function partOf(
  name: ShapeName,
  k: number,
  { isParallel, jobDurationUs }: ShapeSetting,
  headSeconds: number,
): Partial<Shape> {
  switch (name) {
    case 'training':
      return training(k, isParallel);
    case 'out-of-memory':
      return { ...training(k, isParallel), memoryRatio: 0.55, memoryEndRatio: 0.998 };
    case 'idle-ends': {
      const headUs = Math.max(headSeconds * SECOND_US, Math.round(jobDurationUs / 7));
      return {
        ...training(k, isParallel),
        head: { ...STILL, durationUs: headUs },
        ...ending(Math.round(jobDurationUs * 0.8)),
      };
    }
    case 'inference':
      return { ...inference(k), memoryRatio: 0.9, memoryEndRatio: 0.9 };
    case 'memory-bound':
      return { compute: [memoryBound(k, 11), memoryBound(k * 0.93, 5)] };
    case 'data-starved':
      return { ...dataStarved(k), memoryRatio: 0.24, memoryEndRatio: 0.24 };
    case 'starved-then-idle':
      return { ...dataStarved(k), ...ending(38 * MINUTE_US), memoryRatio: 0.17, memoryEndRatio: 0.17 };
    case 'small-kernels':
      return { ...smallKernels(k), memoryRatio: 0.08, memoryEndRatio: 0.08 };
    case 'fp64':
      return fp64(k, isParallel);
    case 'idle':
      return {
        head: phase(20, { engine: 0.02, sm: 0.01 }),
        compute: [phase(1, {})],
        ...ending(20 * SECOND_US),
        memoryRatio: 0.012,
        memoryEndRatio: 0.012,
      };
  }
}

const ending = (activeUs: number): Partial<Shape> => ({ activeUs, tail: STILL, isHanging: false });

/** Longer or shorter steps of the same proportions. */
function atPace(shape: Shape, { stepUs, jitter }: Pace): Shape {
  assert(jitter >= 0 && jitter <= JITTER_MAX, 'a step that scatters more might end before it begins');
  const factor = stepUs / (durationOf(shape.gap) + durationOf(shape.compute) + durationOf(shape.collective));
  const scaled = (phases: readonly Phase[]): readonly Phase[] =>
    phases.map((one) => ({ ...one, durationUs: Math.round(one.durationUs * factor) }));
  return {
    ...shape,
    gap: scaled(shape.gap),
    compute: scaled(shape.compute),
    collective: scaled(shape.collective),
    jitter: { step: jitter, rank: jitter },
  };
}

/** Checkpoints after so much time, and evaluations more often. */
function withInterludes(shape: Shape, k: number, periodUs: number): Shape {
  const stepUs = durationOf(shape.gap) + durationOf(shape.compute) + durationOf(shape.collective);
  const after = (us: number, phases: readonly Phase[]): Interlude => ({
    everySteps: Math.max(1, Math.round(us / stepUs)),
    phases,
  });
  // The weights go out first, then the file system is waited for.
  const checkpoint = [
    phase(8, { engine: 0.05, sm: 0.03, dram: 0.02, pcieTx: 22e9 }),
    phase(30, { engine: 0.04, sm: 0.03, pcieTx: 0.2e9 }),
  ];
  const evaluation = [phase(21, { engine: 0.97, sm: 0.66 * k, tensor: 0.3 * k, dram: 0.28, pcieRx: 1.2e9 })];
  return {
    ...shape,
    evaluation: after(periodUs * 0.4, evaluation),
    checkpoint: after(periodUs, checkpoint),
  };
}

type StepPart = Pick<Shape, 'gap' | 'compute' | 'collective'>;

function training(k: number, isParallel: boolean): StepPart {
  const links = isParallel ? 1 : 0;
  return {
    // The next batch, from the host.
    gap: [phase(0.14, { pcieRx: 21e9 })],
    compute: [
      phase(5.2 / k, {
        engine: 1,
        sm: 0.91 * k,
        tensor: 0.51 * k,
        dram: 0.36,
        fp16: 0.07,
        fp32: 0.05,
        pcieRx: 0.6e9,
        nvlink: 96e9 * links,
      }),
    ],
    collective: [
      phase(0.8, { engine: 1, sm: 0.48, tensor: 0.06, dram: 0.31, fp32: 0.06, nvlink: 285e9 * links }),
      phase(0.6, { engine: 1, sm: 0.42, tensor: 0.02, dram: 0.62, fp32: 0.21, pcieTx: 0.2e9 }),
    ],
  };
}

/** Requests come when they come: bursts and lulls of no period. */
function inference(k: number): StepPart & Pick<Shape, 'jitter'> {
  return {
    gap: [phase(16, {})],
    compute: [
      phase(11, {
        engine: 0.93,
        sm: 0.64 * k,
        tensor: 0.22 * k,
        dram: 0.55,
        fp16: 0.09,
        pcieTx: 0.4e9,
        pcieRx: 0.7e9,
      }),
      phase(14, {
        engine: 0.2,
        sm: 0.09,
        tensor: 0.02,
        dram: 0.08,
        fp16: 0.01,
        pcieTx: 0.05e9,
        pcieRx: 0.06e9,
      }),
    ],
    collective: [],
    jitter: { step: 'aperiodic', rank: 0 },
  };
}

function memoryBound(k: number, seconds: number): Phase {
  return phase(seconds, {
    engine: 0.99,
    sm: 0.46 * k,
    tensor: 0.01,
    dram: 0.84 * k,
    fp32: 0.17,
    pcieRx: 0.3e9,
  });
}

/** The input is late in every step. */
function dataStarved(k: number): StepPart {
  return {
    gap: [phase(5.9, { pcieRx: 2.9e9 })],
    compute: [
      phase(1.3, { engine: 1, sm: 0.74 * k, tensor: 0.3 * k, dram: 0.27, fp16: 0.04, pcieRx: 1.1e9 }),
    ],
    collective: [],
  };
}

/** The engine is never idle, and most of the SMs always are. */
function smallKernels(k: number): StepPart {
  return {
    gap: [],
    compute: [phase(3.1, { engine: 1, sm: 0.085 * k, dram: 0.05, fp32: 0.03, pcieRx: 0.1e9 })],
    collective: [],
  };
}

function fp64(k: number, isParallel: boolean): StepPart {
  const links = isParallel ? 1 : 0;
  return {
    gap: [],
    compute: [
      phase(14, {
        engine: 1,
        sm: 0.83 * k,
        dram: 0.52,
        fp64: 0.47 * k,
        fp32: 0.03,
        nvlink: 22e9 * links,
        pcieRx: 0.2e9,
      }),
    ],
    collective: [
      phase(3, { engine: 1, sm: 0.37, dram: 0.7, fp64: 0.11, pcieTx: 1.4e9, nvlink: 140e9 * links }),
    ],
  };
}
