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
  const changes = spans
    .flatMap(({ cell, fromUs, toUs, gpus }) => [
      { atUs: fromUs, cell, gpus },
      { atUs: toUs, cell, gpus: -gpus },
    ])
    .sort((a, b) => a.atUs - b.atUs);
  const edges = [...asked.flatMap((one) => [one.fromUs, one.toUs]), ...edgesUs];
  if (edgesUs.length > 0) edges.sort((a, b) => a - b);
  let [change, edge, span] = [0, 0, 0];
  let atUs = -Infinity;
  while (change < changes.length) {
    const nextUs = Math.min(changes[change]!.atUs, edges[edge] ?? Infinity);
    if (nextUs > atUs && atUs > -Infinity) {
      while (span < asked.length && asked[span]!.toUs <= atUs) span += 1;
      const own = asked[span];
      const isTold = own !== undefined && own.fromUs <= atUs;
      visit({ fromUs: atUs, us: nextUs - atUs, asked: isTold ? own.asked : undefined });
    }
    atUs = nextUs;
    while (edge < edges.length && edges[edge]! <= atUs) edge += 1;
    while (change < changes.length && changes[change]!.atUs <= atUs) {
      cells.add(changes[change]!.cell, changes[change]!.gpus);
      change += 1;
    }
  }
}
