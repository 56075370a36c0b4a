/** A whole file of counters that dcgm-exporter comes with has less: more are no fields that somebody meant. */
const TOLD_MAX = 50;

/**
 * What is told of the rows of a file that are left out: of very many the first, and how many more there are, since a log is read by people.
 * @param sentences one for each row
 */
export function toldRows(sentences: readonly string[], file: string): readonly string[] {
  if (sentences.length <= TOLD_MAX) return sentences;
  const more = sentences.length - TOLD_MAX;
  return [...sentences.slice(0, TOLD_MAX), `${file}: ${more} more rows are left out, too`];
}
