import type { ModelRates, NodeReliability, ReliabilityFigures } from '../../figures/reliability/figures.ts';
import { csvOf, type CsvRow } from '../text/csv-lines.ts';

/** How often GPUs and nodes fail as JSON: times in µs, rates by the year, what is not known left out. */
export function reliabilityJson(figures: ReliabilityFigures): string {
  const { meanUs, lowUs, highUs, models, nodes, lost, ...rest } = figures;
  const told = {
    ...rest,
    meanTimeToFailure: { meanUs, lowUs, highUs },
    models: models.map(modelOf),
    nodes: nodes.map(nodeOf),
    lost: {
      leastUs: 0,
      ...lost,
      ...(lost.availableUs > 0
        ? { productiveRatioLow: 1 - lost.mostUs / lost.availableUs, productiveRatioHigh: 1 }
        : {}),
    },
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

function modelOf({ model, gpus, seenUs, classes }: ModelRates): object {
  return {
    ...{ model, gpus, seenUs },
    classes: classes.map(({ name, events, incidents, perGpu: { perYear, low, high } }) => ({
      ...{ class: name, events, incidents, perGpuYear: perYear, perGpuYearLow: low, perGpuYearHigh: high },
    })),
  };
}

function nodeOf({
  node,
  cluster,
  seenUs,
  failures,
  signs,
  lastFailureUs,
  ...verdict
}: NodeReliability): object {
  return { node, cluster, seenUs, failures, signs, lastFailureUs, ...verdict };
}

/** A row per node. */
export function reliabilityCsv({ nodes }: ReliabilityFigures): string {
  const rows = nodes.map((node): CsvRow => ({
    ...{ node: node.node, cluster: node.cluster, seen_us: node.seenUs, failures: node.failures },
    ...{
      xid_failures: node.signs.xid,
      gpu_lost_failures: node.signs.gpu_lost,
      node_down_failures: node.signs.node_down,
      node_fail_failures: node.signs.node_fail,
    },
    ...{
      expected_failures: node.expected,
      p: node.p,
      adjusted_p: node.adjustedP,
      is_lemon: node.isLemon ? 1 : 0,
    },
    last_failure_us: node.lastFailureUs,
  }));
  return csvOf(rows, COLUMNS);
}

const COLUMNS = [
  'node',
  'cluster',
  'seen_us',
  'failures',
  'xid_failures',
  'gpu_lost_failures',
  'node_down_failures',
  'node_fail_failures',
  'expected_failures',
  'p',
  'adjusted_p',
  'is_lemon',
  'last_failure_us',
];
