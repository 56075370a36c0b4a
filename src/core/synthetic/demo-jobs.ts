import type { ShapeName } from './shape-catalogue.ts';

/** One job in words: times are seconds since the beginning, devices `n1:0-3 n2:7@0.5` (`@?`: share unknown). */
export interface DemoJob {
  readonly id: number;
  readonly name: string;
  readonly user: UserName;
  readonly partition?: string;
  readonly qos?: string;
  readonly from: number;
  readonly to: number;
  readonly on: string;
  readonly shape: ShapeName;
  readonly state?: string;
  readonly exit?: number;
  readonly run?: number;
  readonly array?: readonly [id: number, task: number];
  /** Devices of the job, by position, that do something else. */
  readonly others?: Readonly<Record<number, ShapeName>>;
  /** Devices of the job, by position, that compute longer than sound ones, by which part. */
  readonly slow?: Readonly<Record<number, number>>;
  readonly hangsAt?: number;
}

export const ACCOUNT_OF = {
  ada: 'physics',
  bohr: 'physics',
  curie: 'chemistry',
  darwin: 'biology',
  emmy: 'ml-core',
  franklin: 'biology',
} as const;
type UserName = keyof typeof ACCOUNT_OF;

/** The first 75 minutes: small jobs of every kind. */
// prettier-ignore
export const MORNING_JOBS: readonly DemoJob[] = [
  { id: 4201, name: 'resnet-finetune', user: 'emmy', from: 30, to: 4200, on: 'n1:0-1', shape: 'training' },
  { id: 4202, name: 'llm-serve', user: 'emmy', from: 120.5, to: 3900.25, on: 'n1:2', shape: 'inference', partition: 'serve' },
  { id: 4203, name: 'graph-walk', user: 'bohr', from: 60, to: 3000, on: 'n1:3', shape: 'memory-bound' },
  // Takes over at the very microsecond, on a tick, at which its predecessor ends.
  { id: 4204, name: 'cfd small', user: 'bohr', from: 3000, to: 4500, on: 'n1:3', shape: 'fp64' },
  { id: 4205, name: 'video-tags', user: 'darwin', from: 200.75, to: 4000.5, on: 'n1:4-5', shape: 'data-starved' },
  { id: 4206, name: 'jupyter', user: 'franklin', from: 0, to: 4500, on: 'n1:6', shape: 'idle', partition: 'interactive' },
  { id: 4207, name: 'mps a', user: 'ada', from: 300, to: 3300, on: 'n1:7@0.5', shape: 'inference', partition: 'shared' },
  { id: 4208, name: 'mps b', user: 'darwin', from: 900.4, to: 4200.6, on: 'n1:7@0.5', shape: 'training', partition: 'shared' },
  { id: 4209, name: 'ddp --gpus=4, uses 2', user: 'curie', from: 100, to: 4300, on: 'n2:0-3', shape: 'training', others: { 2: 'idle', 3: 'idle' } },
  { id: 4210, name: 'big-batch', user: 'curie', from: 150, to: 1837.318, on: 'n2:4', shape: 'out-of-memory', state: 'OUT_OF_MEMORY', exit: 125 },
  { id: 4211, name: 'smaller-batch', user: 'curie', from: 1900, to: 4300, on: 'n2:4', shape: 'training' },
  { id: 4212, name: 'shard "one"', user: 'ada', from: 400, to: 3600, on: 'n2:5@?', shape: 'inference', partition: 'shared' },
  { id: 4213, name: 'shard=two', user: 'emmy', from: 400, to: 2400.5, on: 'n2:5@?', shape: 'memory-bound', partition: 'shared' },
  { id: 4214, name: 'md-long', user: 'franklin', from: 250, to: 1500.25, on: 'n2:6', shape: 'fp64', state: 'REQUEUED', qos: 'scavenger' },
  { id: 4214, name: 'md-long', user: 'franklin', from: 1800, to: 4400, on: 'n2:6', shape: 'fp64', run: 1, qos: 'scavenger' },
  // Shorter than the distance of two ticks, and between them: nothing was seen of it.
  { id: 4215, name: 'nvidia-smi', user: 'bohr', from: 600.2, to: 600.7, on: 'n2:7', shape: 'idle', partition: 'interactive' },
  { id: 4216, name: 'smoke-test', user: 'bohr', from: 700, to: 712, on: 'n2:7', shape: 'training', state: 'FAILED', exit: 2, partition: 'interactive' },
  ...[1000, 1500, 2010, 2510, 3020, 3521.5].map((from, task): DemoJob => ({
    id: 4219 + task,
    name: 'fold[]',
    user: 'darwin',
    from,
    to: from + 500,
    on: 'n2:7',
    shape: task % 2 === 0 ? 'training' : 'inference',
    array: [4219, task],
  })),
  { id: 4218, name: 'fp64-check', user: 'ada', from: 4150, to: 4500.5, on: 'n2:7', shape: 'fp64' },
];

/** Then both nodes belong to one job, and afterwards to many again. */
// prettier-ignore
export const LATER_JOBS: readonly DemoJob[] = [
  { id: 4217, name: 'train-llm', user: 'ada', from: 4631, to: 12408, on: 'n1:0-7 n2:0-7', shape: 'training', qos: 'high' },
  { id: 4225, name: 'notebook-sweep', user: 'curie', from: 12480.5, to: 21480.5, on: 'n2:0-3', shape: 'starved-then-idle', others: { 2: 'idle', 3: 'idle' }, state: 'TIMEOUT' },
  { id: 4226, name: 'pretrain-genome', user: 'darwin', from: 12600, to: 16980, on: 'n1:0-3', shape: 'training', hangsAt: 16200.4, state: 'FAILED', exit: 1 },
  { id: 4227, name: 'llm-serve', user: 'emmy', from: 17040, to: 21000, on: 'n1:0-1', shape: 'inference', partition: 'serve' },
  { id: 4228, name: 'graph-walk', user: 'bohr', from: 17100, to: 21540, on: 'n1:3', shape: 'memory-bound' },
  { id: 4229, name: 'md-after-reset', user: 'franklin', from: 18900, to: 21300, on: 'n1:2', shape: 'fp64' },
  { id: 4230, name: 'cfd-wing', user: 'bohr', from: 12500, to: 18000.75, on: 'n1:4-7', shape: 'fp64', slow: { 2: 0.15 }, qos: 'high' },
  { id: 4231, name: 'vision', user: 'emmy', from: 18060, to: 21598, on: 'n1:4-5', shape: 'training' },
  { id: 4232, name: 'profiled', user: 'emmy', from: 18100, to: 21000, on: 'n1:6', shape: 'training' },
  { id: 4233, name: 'old-sensor', user: 'franklin', from: 18100.5, to: 21200, on: 'n1:7', shape: 'memory-bound' },
  { id: 4234, name: 'sweep, lr=1e-4', user: 'curie', from: 12450, to: 17000, on: 'n2:4-5', shape: 'training', state: 'CANCELLED', exit: 0 },
  { id: 4235, name: 'mps c', user: 'ada', from: 12600, to: 20000, on: 'n2:6@0.5', shape: 'inference', partition: 'shared' },
  { id: 4236, name: 'mps d', user: 'darwin', from: 13000, to: 18000, on: 'n2:6@0.25', shape: 'inference', partition: 'shared' },
  { id: 4237, name: 'mps e', user: 'emmy', from: 13500, to: 19000.5, on: 'n2:6@0.25', shape: 'memory-bound', partition: 'shared' },
  { id: 4238, name: 'long-context', user: 'emmy', from: 12700, to: 13900.5, on: 'n2:7', shape: 'out-of-memory', state: 'FAILED', exit: 1 },
  { id: 4239, name: 'short-context', user: 'emmy', from: 14000, to: 20500, on: 'n2:7', shape: 'idle-ends' },
  { id: 4240, name: 'video-tags', user: 'darwin', from: 17060, to: 21500.25, on: 'n2:4-5', shape: 'data-starved' },
  { id: 4241, name: 'debug', user: 'ada', from: 20100, to: 21590.5, on: 'n2:6', shape: 'small-kernels', partition: 'interactive' },
];
