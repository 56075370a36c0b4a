import type { Compat, ExpositionLabel, Family } from './family.ts';

/**
 * The text of an exposition: of each family HELP, TYPE and its series; nothing of a family without series. Families of the same name
 * are one, with the type and help of the first, and of series with the same labels the first is printed: two would spoil a whole
 * scrape. As 4.8.4 has it families come by name, and series by their labels.
 */
export function renderExposition(families: readonly Family[], compat: Compat): string {
  const named = [...Map.groupBy(families, ({ name }) => name).values()];
  if (compat !== '4.8.2') named.sort(([a], [b]) => compareText(a!.name, b!.name));
  const written = writtenOnce();
  return named.map((same) => familyText(same, compat, written)).join('');
}

/** Labels as they are printed, and as they are ordered. */
interface Written {
  readonly text: string;
  /** Names and values in turn, by the alphabet of the names. */
  readonly signature: readonly string[];
}

/** The series of a device have the same labels in each family, in the same array: these are written once. */
function writtenOnce(): (labels: readonly ExpositionLabel[]) => Written {
  const known = new Map<readonly ExpositionLabel[], Written>();
  return (labels) => {
    let written = known.get(labels);
    if (written === undefined) {
      const signature = [...labels].sort(([a], [b]) => compareText(a, b)).flat();
      written = { text: labelsText(labels), signature };
      known.set(labels, written);
    }
    return written;
  };
}

function familyText(
  same: readonly Family[],
  compat: Compat,
  written: (labels: readonly ExpositionLabel[]) => Written,
): string {
  const { name, type, help } = same[0]!;
  const series = same.flatMap((one) => one.series.map((each) => ({ each, ...written(each.labels) })));
  if (series.length === 0) return '';
  // What differs first decides.
  if (compat !== '4.8.2') series.sort((a, b) => compareTexts(a.signature, b.signature));
  const numbers = new Map<string, string>();
  for (const { each, text } of series) if (!numbers.has(text)) numbers.set(text, each.number);
  let lines = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  for (const [text, number] of numbers) lines += `${name}${text} ${number}\n`;
  return lines;
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
