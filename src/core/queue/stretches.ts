import type { AskedJobs, AskedSpan, HadSpan } from './had-and-asked.ts';
import type { Cells } from './cells.ts';

/** A time in which nothing changed: neither what was there nor who waited. */
interface Stretch {
  readonly fromUs: number;
  readonly us: number;
  /** Undefined where nobody told who waited. */
  readonly asked: readonly AskedJobs[] | undefined;
}

/**
 * Goes through time in its order, with the cells as they are then.
 * @param cells without anything in them
 * @param edgesUs moments at which a stretch ends, whatever changes then; ascending
 */
export function forStretches(
  spans: readonly HadSpan[],
  asked: readonly AskedSpan[],
  cells: Cells,
  visit: (stretch: Stretch) => void,
  edgesUs: readonly number[] = [],
): void {
  // One list of changes would be of as many objects as two: of a month of a fleet half a million.
  const begins = spans.toSorted((a, b) => a.fromUs - b.fromUs);
  const ends = spans.toSorted((a, b) => a.toUs - b.toUs);
  const edges = [...asked.flatMap((one) => [one.fromUs, one.toUs]), ...edgesUs];
  if (edgesUs.length > 0) edges.sort((a, b) => a - b);
  let [begin, end, edge, span] = [0, 0, 0, 0];
  let atUs = -Infinity;
  while (end < ends.length) {
    const nextUs = Math.min(begins[begin]?.fromUs ?? Infinity, ends[end]!.toUs, edges[edge] ?? Infinity);
    if (nextUs > atUs && atUs > -Infinity) {
      while (span < asked.length && asked[span]!.toUs <= atUs) span += 1;
      const own = asked[span];
      const isTold = own !== undefined && own.fromUs <= atUs;
      visit({ fromUs: atUs, us: nextUs - atUs, asked: isTold ? own.asked : undefined });
    }
    atUs = nextUs;
    while (edge < edges.length && edges[edge]! <= atUs) edge += 1;
    for (; begin < begins.length && begins[begin]!.fromUs <= atUs; begin += 1)
      cells.add(begins[begin]!.cell, begins[begin]!.gpus);
    for (; end < ends.length && ends[end]!.toUs <= atUs; end += 1)
      cells.add(ends[end]!.cell, -ends[end]!.gpus);
  }
}
