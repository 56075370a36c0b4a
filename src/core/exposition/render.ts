import type { Compat, ExpositionLabel, Family, Series } from './family.ts';

/**
 * The text of an exposition: of each family HELP, TYPE and its series; nothing of a family without series. Families of the same name
 * are one, with the type and help of the first, and of series with the same labels the first is printed: two would spoil a whole
 * scrape. As 4.8.4 has it families come by name, and series by their labels.
 */
export function renderExposition(families: readonly Family[], compat: Compat): string {
  const named = [...Map.groupBy(families, ({ name }) => name).values()];
  if (compat !== '4.8.2') named.sort(([a], [b]) => compareText(a!.name, b!.name));
  return named.map((same) => familyText(same, compat)).join('');
}

function familyText(same: readonly Family[], compat: Compat): string {
  const { name, type, help } = same[0]!;
  const series = same.flatMap((one) => one.series);
  if (series.length === 0) return '';
  const numbers = new Map<string, string>();
  for (const { labels, number } of compat === '4.8.2' ? series : bySignature(series)) {
    const line = `${name}${labelsText(labels)}`;
    if (!numbers.has(line)) numbers.set(line, number);
  }
  const lines = [...numbers].map(([line, number]) => `${line} ${number}\n`);
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** By the labels, of which the names are in alphabetical order: what differs first decides. */
function bySignature(series: readonly Series[]): Series[] {
  return series
    .map((one) => ({ one, signature: [...one.labels].sort(([a], [b]) => compareText(a, b)).flat() }))
    .sort((a, b) => compareTexts(a.signature, b.signature))
    .map(({ one }) => one);
}

function compareTexts(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const difference = compareText(a[at]!, b[at]!);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function labelsText(labels: readonly ExpositionLabel[]): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', String.raw`\"`);
}

function escapeHelp(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('\n', String.raw`\n`);
}
