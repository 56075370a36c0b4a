import type { RefusedRow, ToldNode } from '../../src/core/jobs/cluster-load.ts';
import { visibleText } from '../visible-text.ts';
import { parseGres } from './gres.ts';
import { quoteShort } from './jobs.ts';
import { nodeStateOf } from './node-state.ts';

/** Columns that are asked of `sinfo -N -O`, in this order: every version from 20.02 on knows them. */
export const SINFO_COLUMNS = ['NodeList', 'StateComplete', 'Gres', 'PartitionName', 'Reason'] as const;

/** Gathers nodes from rows of sinfo: there is one for each node and partition. */
export interface NodeGatherer {
  /** @returns why the row is refused; undefined for one that was understood */
  add(cells: readonly string[]): RefusedRow | undefined;
  /** Those that have GPUs. */
  nodes(): ToldNode[];
}

export function createNodeGatherer(): NodeGatherer {
  const nodes = new Map<string, Omit<ToldNode, 'partitions'>>();
  const partitionsOf = new Map<string, Set<string>>();
  return {
    add([name = '', state = '', gres = '', partition = '', reason = '']) {
      const node = visibleText(name.trim());
      if (node === '') return { expected: 'NodeList: expected the name of a node', found: quoteShort(name) };
      const slurmState = visibleText(state.trim());
      if (slurmState === '') return { expected: 'StateComplete: expected a state', found: quoteShort(state) };
      const partitions = partitionsOf.get(node) ?? new Set();
      partitionsOf.set(node, partitions.add(visibleText(partition.trim())));
      const told = visibleText(reason.trim());
      nodes.set(node, {
        node,
        state: nodeStateOf(slurmState),
        slurmState,
        reason: /^(none|\(null\)|n\/a)?$/i.test(told) ? undefined : told,
        gpus: gpusOfNode(gres),
      });
      return undefined;
    },
    nodes: () =>
      [...nodes.values()]
        .filter(({ gpus }) => gpus > 0)
        .map((node) => ({
          ...node,
          partitions: [...partitionsOf.get(node.node)!]
            .filter((one) => one !== '')
            .sort()
            .join(','),
        })),
  };
}

/** Configured on a node: `gpu:h100:4(S:0-1),shard:h100:16`; one that is named without a number is one. */
function gpusOfNode(gres: string): number {
  return parseGres(gres)
    .filter(({ kind }) => kind === 'gpu')
    .reduce((sum, { count = 1 }) => sum + count, 0);
}
