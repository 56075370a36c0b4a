import { needsHours } from '../cost-basis.ts';
import { STEP_US, type Segment } from '../levels.ts';
import { CUT_LEVELS } from '../mig-energy.ts';
import { isCounted } from '../quantity.ts';
import type { Asked, Cells } from '../query-cells.ts';
import { counterSummands, gaugeSummands, summandSql, type Summand } from '../summands.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import type { HourEnergy } from '../../core/costs/hourly-grams.ts';
import type { InstanceEnergy } from './instances.ts';
import type { JobCosts, JobFacts } from './figures.ts';
import { jobCosts, type EnergyHours } from './job-costs.ts';
import { askLabelled } from './rows/ask-labelled.ts';
import { partIn } from './rows/job-rows.ts';
import { jobSegments } from './rows/job-segments.ts';
import type { JobSource } from './rows/scan.ts';
import type { SummedJob } from './rows/summed-job.ts';

interface AskedCosts {
  readonly options: { readonly costs?: CostRates | undefined };
  readonly summed: Pick<SummedJob, 'job' | 'sums'>;
  readonly energies: ReadonlyMap<string, InstanceEnergy>;
}

/** What a job cost; undefined where nothing is configured. @throws what `ask` throws */
export async function costsOfJob(
  db: Asked,
  sources: readonly JobSource[],
  facts: JobFacts,
  { options: { costs }, summed, energies }: AskedCosts,
): Promise<JobCosts | undefined> {
  if (costs === undefined) return undefined;
  // Kept figures do not tell when energy was drawn.
  if (facts.origin === 'kept' || !needsHours(costs)) return jobCosts(facts, costs, new Map());
  return jobCosts(facts, costs, await energyHours(db, sources, summed, energies));
}

/**
 * In which hours the job's devices drew the energy that is told of them; where only days are left of a time, in which days.
 * @param sums of the samples: they tell whether that energy is the counter's or the integral of power
 * @param instances those of MIG instances, which were found hour by hour
 * @throws what `ask` throws
 */
export async function energyHours(
  db: Asked,
  sources: readonly JobSource[],
  { job, sums: { devices } }: Pick<SummedJob, 'job' | 'sums'>,
  instances: ReadonlyMap<string, InstanceEnergy>,
): Promise<EnergyHours> {
  const joules = new Map<string, Map<number, HourEnergy>>();
  for (const source of sources) {
    const summands = energySummands(source);
    if (summands.length === 0) continue;
    const { groups } = jobSegments(source.kept, job, CUT_LEVELS);
    const rows = await askLabelled(db, job, groups, (segment) => ({
      keys: [`${startSql(segment)} AS from_us`, `${isDay(segment) ? 1 : 0} AS is_day`],
      picks: summands.map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
    }));
    for (const row of rows) {
      const gpu = row.text('gpu') ?? '';
      const [part, device] = [partIn(job.label, row), devices.get(gpu)];
      const drawn = device === undefined ? undefined : joulesIn(row, isCounted(device));
      if (part === undefined || drawn === undefined) continue;
      const own = joules.get(gpu) ?? new Map<number, HourEnergy>();
      joules.set(gpu, own);
      const fromUs = row.number('from_us')!;
      const lengthUs = STEP_US[row.number('is_day') === 1 ? '1d' : '1h'];
      own.set(fromUs, { fromUs, lengthUs, joules: (own.get(fromUs)?.joules ?? 0) + drawn * part });
    }
  }
  return new Map([
    ...[...joules].map(([gpu, own]) => [gpu, [...own.values()]] as const),
    ...[...instances].map(([gpu, { hours }]) => [gpu, hours] as const),
  ]);
}

function energySummands({ gauges, hasEnergy }: JobSource): readonly Summand[] {
  const power = new Map(gauges).get('power');
  return [
    ...(hasEnergy ? counterSummands() : []),
    ...(power === undefined ? [] : gaugeSummands('power', power)),
  ];
}

function joulesIn(row: Cells, isByCounter: boolean): number | undefined {
  if (isByCounter) return row.number('counter_joules');
  const wattMicroseconds = row.number('power_sum');
  return wattMicroseconds === undefined ? undefined : wattMicroseconds / 1e6;
}

function startSql(segment: Segment): string {
  return `cast(timestamp_floor('${isDay(segment) ? '1d' : '1h'}', s.ts) AS LONG)`;
}

/** Hours of that time have aged out. */
function isDay({ level }: Segment): boolean {
  return level === '1d';
}
