import type { CapacityRow } from '../../../figures/capacity/figures.ts';
import { NOT_TOLD } from '../../capacity-text.ts';

type OfNode = Pick<CapacityRow, 'name' | 'cluster'>;

/** The rows of each node: two clusters may have one of the same name. */
export function nodesOf<T extends OfNode>(rows: readonly T[]): Map<string, T[]> {
  return Map.groupBy(rows, keyOf);
}

/** What people call a node, by its key in `nodesOf`: with its cluster only where another one has its name. */
export function nodeNames(rows: readonly OfNode[]): ReadonlyMap<string, string> {
  const nodes = new Map(rows.map((row) => [keyOf(row), row]));
  const named = Map.groupBy(nodes.values(), ({ name }) => name);
  return new Map(
    [...nodes].map(([key, { name, cluster }]) => {
      const text = name ?? NOT_TOLD;
      return [key, named.get(name)!.length > 1 && cluster !== undefined ? `${cluster}/${text}` : text];
    }),
  );
}

function keyOf({ name, cluster }: OfNode): string {
  return JSON.stringify([cluster, name]);
}
