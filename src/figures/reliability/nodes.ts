import { incidentsOf, type Happening } from '../../core/reliability/incidents.ts';
import { FAILURE_SIGNS, type FailureSign, type NodeReliability } from './figures.ts';
import { lemonsOf } from './lemons.ts';
import type { SeenGpu } from './seen.ts';

/** Something by which a failure of a node shows. */
export interface NodeSign extends Happening {
  readonly sign: FailureSign;
}

/** Which node of which cluster. */
export function nodeKey({ cluster, node }: Pick<SeenGpu, 'cluster' | 'node'>): string {
  return JSON.stringify([cluster, node]);
}

/** Nodes that were seen, for as long as one of their GPUs was, with their failures: those that stray most first. */
export function nodeReliability(
  seen: readonly SeenGpu[],
  signs: ReadonlyMap<string, readonly NodeSign[]>,
): NodeReliability[] {
  const nodes = [...Map.groupBy(seen, nodeKey)].map(([key, gpus]) => {
    const incidents = incidentsOf(signs.get(key) ?? []);
    const { node, cluster } = gpus[0]!;
    return {
      ...{ node, cluster },
      seenUs: Math.max(...gpus.map(({ seenUs }) => seenUs)),
      failures: incidents.length,
      signs: signCounts(incidents),
      lastFailureUs: incidents.at(-1)?.[0]?.fromUs,
    };
  });
  const verdicts = lemonsOf(nodes);
  return nodes
    .map((node, index) => ({ ...node, ...verdicts[index]! }))
    .sort((a, b) => a.p - b.p || b.failures - a.failures || (nodeKey(a) < nodeKey(b) ? -1 : 1));
}

function signCounts(incidents: readonly (readonly NodeSign[])[]): Record<FailureSign, number> {
  const countOf = (wanted: FailureSign): number =>
    incidents.filter((incident) => incident.some(({ sign }) => sign === wanted)).length;
  return Object.fromEntries(FAILURE_SIGNS.map((sign) => [sign, countOf(sign)])) as Record<
    FailureSign,
    number
  >;
}
