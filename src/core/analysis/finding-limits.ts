/** Where a rule on what stands out in a job begins to speak. */
interface FindingLimit {
  /** Without a configuration. */
  readonly usual: number;
  readonly unit: 'ratio' | 'milliseconds';
  /** Where the number comes from. */
  readonly source: string;
}

const ratio = (usual: number, source: string): FindingLimit => ({ usual, unit: 'ratio', source });
const minutes = (usual: number, source: string): FindingLimit => ({
  usual: usual * 60_000,
  unit: 'milliseconds',
  source,
});

/** By name; what each is of is told in `docs/reports.md`. */
export const FINDING_LIMITS = {
  throttledRatio: ratio(0.9, 'a throttled GPU that keeps up with the others is no news'),
  idleRatio: ratio(0.5, 'NVIDIA calls SM activity below a half ineffective use'),
  idleTailMs: minutes(10, 'sites warn after 15 min (IdleBot) to 60 min (Princeton)'),
  idleTailRatio: ratio(0.1, 'a short end of a long job is its own'),
  idleHeadMs: minutes(5, 'data and containers that are staged before the job take no GPU'),
  idleHeadRatio: ratio(0.1, 'a tenth of the run, where that is a minute at least'),
  imbalanceRatio: ratio(0.3, 'NERSC: (max - min) / max of the means'),
  pausesRatio: ratio(0.05, 'checkpoints that cost a twentieth of the time come too often'),
  kernelGapsRatio: ratio(0.15, 'simulated input that is late, named from 15 % of the time on'),
  lowEngineRatio: ratio(0.8, 'what nvidia-smi calls busy'),
  lowSmRatio: ratio(0.25, 'few SMs: a quarter of them'),
  tensorlessSmRatio: ratio(0.6, 'a GPU that is busy'),
  tensorlessFp32Ratio: ratio(0.15, 'work that tensor cores could take'),
  powerCapRatio: ratio(0.2, 'a fifth of the time'),
  memoryRatio: ratio(0.5, 'NERSC: half of the requests for 80 GB would fit 40 GB'),
  coverageRatio: ratio(0.95, 'what was not seen for longer may be anything'),
  energyRatio: ratio(0.1, 'counter and power of real boards agree to a few percent'),
  regressionRatio: ratio(0.05, 'runs of one job differ by a few percent, whatever else changed'),
} as const satisfies Readonly<Record<string, FindingLimit>>;

export type FindingLimitName = keyof typeof FINDING_LIMITS;

/** In the unit of each: parts, or milliseconds. */
export type FindingLimits = Readonly<Record<FindingLimitName, number>>;

export const USUAL_FINDING_LIMITS = Object.fromEntries(
  Object.entries(FINDING_LIMITS).map(([name, { usual }]) => [name, usual]),
) as FindingLimits;
