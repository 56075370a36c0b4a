import type { ForecastFigures } from '../../../figures/forecast/figures.ts';
import type { QueueFigures } from '../../../figures/queue/figures.ts';
import type { ReliabilityFigures } from '../../../figures/reliability/figures.ts';
import type { RightSizeFigures } from '../../../figures/right-size/figures.ts';
import { harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { forecastFan } from './forecast-fan.ts';
import { healthHtml } from './health.ts';
import { nodeCoverage, type NodesFigures } from './node-coverage.ts';
import { nodeHeat } from './node-heat.ts';
import { queueBeside } from './queue-beside.ts';
import { rightSizeHtml } from './right-size.ts';

/** What was asked for, or the sentence of why it did not come. */
export type Answer<T> = { readonly figures: T } | { readonly failure: string };

/** What planners ask beside whose the time was. What is undefined was not asked for. */
export interface FleetSections {
  readonly forecast?: Answer<ForecastFigures>;
  readonly reliability?: Answer<ReliabilityFigures>;
  readonly queue?: Answer<QueueFigures>;
  readonly rightSize?: Answer<RightSizeFigures>;
  readonly nodes?: Answer<NodesFigures>;
}

/** One after the other; where one failed stands why, and the others stand. */
export function sectionsHtml({ forecast, reliability, queue, rightSize, nodes }: FleetSections): Safe {
  return markup`${sectionHtml('forecast', 'Demand by week, and what it will be', forecast, forecastFan)}
${sectionHtml('health', 'Failures of nodes and GPUs', reliability, healthHtml)}
${sectionHtml('queue', 'What was free or idle while somebody waited', queue, queueBeside)}
${sectionHtml('right-size', 'Who could have done with less', rightSize, rightSizeHtml)}
${sectionHtml('nodes', 'When each node was owned and used', nodes, ({ times }) => nodeHeat(times))}
${sectionHtml('coverage', 'Nodes of which least was seen', nodes, nodeCoverage)}`;
}

function sectionHtml<T>(
  id: string,
  title: string,
  answer: Answer<T> | undefined,
  render: (figures: T) => Safe,
): Safe | undefined {
  if (answer === undefined) return undefined;
  const body =
    'failure' in answer
      ? markup`<p>It could not be told: ${harmless(answer.failure)}.</p>`
      : render(answer.figures);
  return markup`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${body}</section>`;
}
