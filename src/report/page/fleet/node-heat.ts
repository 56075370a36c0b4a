import type { CapacityPeriod, CapacityTimes, TimesRow } from '../../../figures/capacity/figures.ts';
import { periodName, periodStartUs } from '../../../figures/capacity/periods.ts';
import { STEP_US } from '../../../figures/levels.ts';
import { formatCount } from '../../text/format-quantity.ts';
import { harmless } from '../../text/table-text.ts';
import { activityUrl, heatImage, shortName } from '../heat-picture.ts';
import { markup, type Safe } from '../html.ts';
import { nodeNames, nodesOf } from './node-names.ts';
import { timeParts } from './time-parts.ts';

const DAY_US = STEP_US['1d'];
/** Rows that can be told apart. */
const NODES_MAX = 60;
const STEPS_US = { hour: STEP_US['1h'], day: DAY_US, week: 7 * DAY_US } as const;

/** In what steps the nodes of a window are drawn. */
export function heatPeriod({
  fromUs,
  toUs,
}: Pick<CapacityTimes, 'fromUs' | 'toUs'>): keyof typeof STEPS_US & CapacityPeriod {
  const lengthUs = toUs - fromUs;
  if (lengthUs <= 3 * DAY_US) return 'hour';
  return lengthUs <= 62 * DAY_US ? 'day' : 'week';
}

/** Which part of the time of its GPUs, as far as it was seen, each node was owned and used. @param figures by node and `heatPeriod` */
export function nodeHeat(figures: CapacityTimes): Safe {
  const every = figures.every === 'hour' || figures.every === 'day' ? figures.every : 'week';
  const stepUs = STEPS_US[every];
  const fromUs = periodStartUs(every, figures.fromUs);
  const steps = { fromUs, stepUs, count: Math.ceil((figures.toUs - fromUs) / stepUs) };
  const columns = new Map(
    Array.from({ length: steps.count }, (_, at) => [periodName(every, fromUs + at * stepUs), at] as const),
  );
  const nodes = heatNodes(figures, columns);
  if (nodes.length === 0) return markup`<p>Of no node anything was seen.</p>`;
  const shown = nodes.slice(0, NODES_MAX);
  const names = shown.map(({ name }) => shortName(name));
  const left = nodes.length - shown.length;
  const image = (means: readonly Float64Array[], what: string): Safe =>
    heatImage(
      activityUrl(means.map((one) => ({ means: one }))),
      names,
      steps,
      figures,
      `Which part of the seen GPU time of each node was ${what}, by ${every}; most not used: ${harmless(shown[0]!.name)}`,
    );
  return markup`<p class="note">Parts of the GPU time of each node that was seen, by ${every}: orange 0, blue all, grey not seen or not known. ${left > 0 ? `The ${NODES_MAX} nodes with most time that was seen and not used, most first; ${formatCount(left, 'more node')} not drawn.` : 'Nodes with most time that was seen and not used first.'}</p>
<figure><figcaption>Owned by jobs</figcaption>${image(
    shown.map(({ owned }) => owned),
    'owned',
  )}</figure>
<figure><figcaption>Used: SM activity x time</figcaption>${image(
    shown.map(({ used }) => used),
    'used',
  )}</figure>`;
}

interface HeatNode {
  readonly name: string;
  /** Seen, and known not to have been used, µs. */
  readonly lostUs: number;
  /** Ratios by step, NaN where nothing is known. */
  readonly owned: Float64Array;
  readonly used: Float64Array;
}

function heatNodes({ rows }: CapacityTimes, columns: ReadonlyMap<string, number>): HeatNode[] {
  const groups = rows.filter(({ kind }) => kind === 'group');
  const names = nodeNames(groups);
  return [...nodesOf(groups)]
    .flatMap(([key, own]): HeatNode[] => {
      const owned = new Float64Array(columns.size).fill(NaN);
      const used = new Float64Array(columns.size).fill(NaN);
      let lostUs = 0;
      for (const row of own) {
        const at = columns.get(row.period ?? '');
        const { ownedUs, seenUs, usedUs, unknownUs } = amountsOf(row);
        if (at === undefined || seenUs <= 0) continue;
        owned[at] = ownedUs / seenUs;
        if (seenUs > unknownUs) used[at] = usedUs / (seenUs - unknownUs);
        lostUs += seenUs - unknownUs - usedUs;
      }
      return owned.every(Number.isNaN) ? [] : [{ name: names.get(key)!, lostUs, owned, used }];
    })
    .toSorted((a, b) => b.lostUs - a.lostUs);
}

/** What was seen of a node in a period: whose it was, and what was done in it. */
function amountsOf(row: TimesRow): Readonly<Record<'ownedUs' | 'seenUs' | 'usedUs' | 'unknownUs', number>> {
  const parts = timeParts(row);
  const usOf = (wanted: string): number =>
    parts.reduce((sum, { kind, us }) => (kind === wanted ? sum + us : sum), 0);
  return {
    ownedUs: row.attributedUs,
    seenUs: row.attributedUs + (row.unownedUs ?? 0),
    usedUs: usOf('used'),
    unknownUs: usOf('unknown'),
  };
}
