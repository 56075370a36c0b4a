/** One figure beside what it is compared with, both from the same run. */
export interface Measurement {
  /** Stable: the key in the JSON. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly goal?: Goal;
}

interface Goal {
  readonly text: string;
  readonly isMet: boolean;
}

export interface Bench {
  /** What `--only` names. */
  readonly name: string;
  /** What is measured and against what, for the line that is printed before it. */
  readonly about: string;
  measure(): Promise<readonly Measurement[]>;
}

/** value / baseline. */
export function ratioOf({ value, baseline }: Measurement): number {
  return value / baseline;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Nearest rank: the smallest number that `part` of all are not above. */
export function percentile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
}

/** Runs both turn by turn, so that whatever else the machine does meets both, and takes the median of each. */
export async function interleave(
  rounds: number,
  ours: () => number | Promise<number>,
  theirs: () => number | Promise<number>,
): Promise<{ readonly value: number; readonly baseline: number }> {
  const values: number[] = [];
  const baselines: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    baselines.push(await theirs());
    values.push(await ours());
  }
  return { value: median(values), baseline: median(baselines) };
}

const HEADER = ['name', 'value', 'unit', 'baseline', 'ratio', 'goal'];

export function tableOf(measurements: readonly Measurement[]): string {
  const rows = measurements.map((one) => [
    one.name,
    figure(one.value),
    one.unit,
    figure(one.baseline),
    ratioOf(one).toFixed(2),
    one.goal === undefined ? '–' : `${one.goal.text} ${one.goal.isMet ? 'met' : 'MISSED'}`,
  ]);
  const widths = HEADER.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const isNumber = (column: number): boolean => [1, 3, 4].includes(column);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (isNumber(at) ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd();
  return [HEADER, ...rows].map(line).join('\n');
}

function figure(value: number): string {
  if (value >= 10_000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 100 ? 1 : 2);
}

export function jsonOf(measurements: readonly Measurement[]): string {
  const entries = measurements.map((one) => {
    const { name, value, unit, baseline } = one;
    return [name, { value, unit, baseline, ratio: ratioOf(one) }] as const;
  });
  return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
}
