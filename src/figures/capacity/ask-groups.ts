import { inPortions } from '../portions.ts';
import { isCounted, type TwoEnergies } from '../quantity.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { deviceSumsSql, sumsSqls, type CapacitySource, type DeviceSums, type Question } from './samples.ts';

/**
 * Asks for the sums of the groups, with the columns of `sumsSqls`: in few questions at once, or where that would read too many samples
 * in several, of which each is about a part of the time.
 * @throws what `ask` throws
 */
export async function askGroups(db: Asked, question: Question): Promise<Cells[]> {
  const parts = await partsOf(db, question.sources);
  if (parts.length === 1) {
    const answers = await Promise.all(sumsSqls(question).map(async (sql) => await ask(db, sql)));
    return answers.flat();
  }
  const sums = new Map<string, Summed>();
  for (const sources of parts) {
    const asked = deviceSumsSql({ ...question, sources });
    for (const row of await ask(db, asked.sql)) addRow(sums, row, asked);
  }
  return withBest([...sums.values()], question);
}

/** The sources of each question: first all that is read at once, then a part of the samples each. */
async function partsOf(db: Asked, sources: readonly CapacitySource[]): Promise<CapacitySource[][]> {
  const whole: CapacitySource[] = [];
  const cut: CapacitySource[][] = [];
  for (const [index, source] of sources.entries()) {
    const segments = await inPortions(db, source.segments);
    const portions =
      segments.length === source.segments.length ? [] : segments.filter(({ level }) => level === 'raw');
    whole.push({ ...source, segments: segments.filter((segment) => !portions.includes(segment)) });
    for (const portion of portions)
      cut.push(sources.map((other, at) => ({ ...other, segments: at === index ? [portion] : [] })));
  }
  return whole.some(({ segments }) => segments.length > 0) ? [whole, ...cut] : cut;
}

/** What has been added up of one job and device in one group. */
interface Summed {
  /** Tells of which row it is. */
  readonly row: Cells;
  readonly sums: Map<string, number>;
}

function addRow(all: Map<string, Summed>, row: Cells, { keys, sums }: DeviceSums): void {
  const key = JSON.stringify(keys.map((name) => row.text(name)));
  const known: Summed = all.get(key) ?? { row, sums: new Map() };
  all.set(key, known);
  for (const name of sums) {
    const more = row.number(name);
    if (more === undefined) continue;
    const sum = known.sums.get(name) ?? 0;
    known.sums.set(name, name === 'scaled' ? Math.max(sum, more) : sum + more);
  }
}

/** With the energy that counts, decided per job and device over the whole window. */
function withBest(all: readonly Summed[], question: Question): Cells[] {
  const { chosen, sums } = deviceSumsSql(question);
  const byJob = Map.groupBy(all, ({ row }) => JSON.stringify(chosen.map((name) => row.text(name))));
  return [...byJob.values()].flatMap((own) => {
    const isByCounter = isCounted(energiesOf(own));
    return own.map((one): Cells => {
      const { row, sums: known } = one;
      const { counterJoules, counterUs, powerJoules, powerUs } = energiesOf([one]);
      const isKnown = powerUs > 0;
      const made: Readonly<Record<string, number | undefined>> = {
        seen_us: known.get(sums.includes('seen_us') ? 'seen_us' : 'dt_us'),
        idle_known_us: known.get(sums.includes('idle_known_us') ? 'idle_known_us' : 'sm_us'),
        best_joules: isByCounter ? counterJoules : isKnown ? powerJoules : undefined,
        best_us: isByCounter ? counterUs : isKnown ? powerUs : undefined,
      };
      return {
        text: (name) => row.text(name),
        number: (name) =>
          name in made ? made[name] : sums.includes(name) ? known.get(name) : row.number(name),
      };
    });
  });
}

function energiesOf(some: readonly Summed[]): TwoEnergies {
  const total = (name: string): number | undefined => {
    const known = some.flatMap((one) => one.sums.get(name) ?? []);
    return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
  };
  const wattMicroseconds = total('power_sum');
  return {
    counterJoules: total('counter_joules'),
    counterUs: total('counter_us') ?? 0,
    powerJoules: wattMicroseconds === undefined ? undefined : wattMicroseconds * 1e-6,
    powerUs: total('power_us') ?? 0,
  };
}
