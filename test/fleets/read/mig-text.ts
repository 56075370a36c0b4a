import { energyWrong, isPrinted, type Wrong } from './printed.ts';

/** What texts say of the energy of GPUs that are cut into MIG instances. */

interface DividedEnergy {
  readonly bestJoules?: number;
  readonly dividedJoules?: number;
  readonly dividedUs?: number;
}

/** `28.6 kWh ÷`: the mark stands where a part of it was divided, and nowhere else. */
export function markedEnergyWrong(cell: string, { bestJoules, dividedJoules }: DividedEnergy): Wrong {
  const isMarked = cell.endsWith('÷');
  if (isMarked !== (dividedJoules !== undefined)) return isMarked ? 'no ÷' : '÷';
  return energyWrong(cell.replace('÷', '').trim(), bestJoules);
}

/** `  ÷ 28.6 kWh is its part …: 102 W an instance on the mean`. */
export function dividedLineWrong(
  line: string,
  { dividedJoules }: DividedEnergy,
  devices: readonly { readonly energy: DividedEnergy; readonly sliceRatio?: number }[],
): Wrong {
  const [, energy = '', watts = ''] =
    /^ {2}÷ (\S+ \S+) is its part of GPUs that are cut into MIG instances, by slices and activity: (<?\d+) W an instance on the mean$/.exec(
      line,
    ) ?? [];
  const instanceUs = devices.reduce(
    (sum, { energy: { dividedUs = 0 }, sliceRatio = 1 }) => sum + dividedUs / sliceRatio,
    0,
  );
  const mean = dividedJoules! / (instanceUs / 1e6);
  return energyWrong(energy, dividedJoules, 3) ?? (isPrinted(watts, mean) ? undefined : `${mean} W`);
}

interface NamedDevice {
  readonly gpu: string;
  readonly node: string;
  readonly index: number;
  readonly migProfile?: string;
}

/** `  n1 gpu 0/1g.24gb·9f2c: the slices are not known, …`. */
export function unknownSlicesWrong(line: string, devices: readonly NamedDevice[]): Wrong {
  const [, names = ''] =
    /^ {2}(.+): the slices are not known, so it counts as a GPU and has no part of the energy$/.exec(line) ??
    [];
  const wanted = [...Map.groupBy(devices, ({ node }) => node)].map(
    ([node, own]) =>
      `${node} gpu ${own.map(({ index, migProfile, gpu }) => `${index}/${migProfile!}·${gpu.slice(-4)}`).join(', ')}`,
  );
  return names === wanted.join(', ') ? undefined : wanted.join(', ');
}
