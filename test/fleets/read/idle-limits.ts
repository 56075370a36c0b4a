/** As the JSON of a report has them. */
export interface ToldLimits {
  readonly smRatio: number;
  readonly models?: Readonly<Record<string, number>>;
}

/** How the text says them. */
export function limitsText({ smRatio, models = {} }: ToldLimits): string {
  const others = Object.entries(models).map(([model, limit]) => `${model}: ${limit * 100} %`);
  return `SM activity below ${smRatio * 100} %${others.length === 0 ? '' : ` (${others.join(', ')})`}`;
}
