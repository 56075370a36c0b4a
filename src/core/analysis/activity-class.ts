/** What kind of work a job does, by its mean activities: the classes of KempnerPulse, the first that fits. */
export interface MeanActivities {
  /** Ratios, 0 to 1. */
  readonly sm: number;
  readonly tensor: number;
  readonly dram: number;
  /** Undefined where they are not recorded. */
  readonly engine: number | undefined;
  readonly fp64: number | undefined;
  /** Both ways, bytes per second. */
  readonly pcie: number | undefined;
}

export type ActivityClass =
  | 'idle'
  | 'tensor-heavy'
  | 'tensor'
  | 'fp64'
  | 'io'
  | 'memory-bound'
  | 'compute-heavy'
  | 'compute'
  | 'memory-active'
  | 'busy-low-sm'
  | 'low'
  | 'mixed';

const CLASSES: readonly (readonly [ActivityClass, (means: MeanActivities) => boolean])[] = [
  [
    'idle',
    ({ sm, tensor, dram, engine = 0, fp64 = 0 }) => [sm, tensor, dram, engine, fp64].every((x) => x < 0.05),
  ],
  ['tensor-heavy', ({ sm, tensor }) => tensor >= 0.5 && sm >= 0.6],
  ['tensor', ({ sm, tensor }) => tensor >= 0.15 && sm >= 0.4],
  ['fp64', ({ sm, fp64 = 0 }) => fp64 >= 0.2 && sm >= 0.5],
  ['io', ({ sm, pcie = 0 }) => pcie >= 1e9 && sm < 0.3],
  ['memory-bound', ({ sm, dram }) => dram >= 0.5 && sm < 0.5],
  ['compute-heavy', ({ sm }) => sm >= 0.8],
  ['compute', ({ sm }) => sm >= 0.5],
  ['memory-active', ({ dram }) => dram >= 0.4],
  ['busy-low-sm', ({ sm, engine = 0 }) => engine >= 0.4 && sm < 0.25],
  ['low', ({ sm }) => sm < 0.25],
];

export function classOf(means: MeanActivities): ActivityClass {
  return CLASSES.find(([, fits]) => fits(means))?.[0] ?? 'mixed';
}
