import * as z from 'zod';
import { billReport } from '../../../../schemas/reports/bill.ts';
import { forecastReport } from '../../../../schemas/reports/forecast-report.ts';
import { queueReport } from '../../../../schemas/reports/queue-report.ts';
import { reliabilityReport } from '../../../../schemas/reports/reliability-report.ts';
import { rightSizeReport } from '../../../../schemas/reports/right-size.ts';
import type { Asked } from '../../../figures/query-cells.ts';
import { billJson } from '../../../report/bill/bill-json.ts';
import { forecastJson } from '../../../report/forecast/forecast-json.ts';
import { queueJson } from '../../../report/queue/queue-json.ts';
import { reliabilityJson } from '../../../report/reliability/reliability-json.ts';
import { rightSizeJson } from '../../../report/right-size/right-size-data.ts';
import { operatorsOnly } from '../../operators-only.ts';
import {
  BILL_ASKED,
  FORECAST_ASKED,
  QUEUE_ASKED,
  RELIABILITY_ASKED,
  RIGHT_SIZE_ASKED,
} from '../../planning-asked.ts';
import {
  readForecast,
  readQueue,
  readReliability,
  readRightSize,
  readServedBill,
} from '../../planning-reads.ts';
import { seenAlone } from '../../reads.ts';
import type { App, Serving } from '../../serving.ts';
import { sightOf } from '../../viewer.ts';
import { described, sendJson } from './described.ts';

interface Planning<F> {
  /** As `gpuledger report` has it, and the last part of the address. */
  readonly report: string;
  readonly summary: string;
  readonly asked: z.ZodRawShape;
  readonly answer: z.ZodType;
  readonly note?: string;
  /** It names nobody, no node and no job. */
  readonly isForAll?: true;
  readonly read: (db: Asked, serving: Serving, query: unknown) => Promise<F>;
  readonly json: (figures: F) => string;
}

/** The reports for planners as JSON. Those that tell names are for operators. */
export function addPlanningApi(app: App, serving: Serving): void {
  add(app, serving, {
    ...{ report: 'forecast', summary: 'Demand for GPUs by week, and what it will be', isForAll: true },
    ...{ asked: FORECAST_ASKED, answer: forecastReport, read: readForecast, json: forecastJson },
  });
  add(app, serving, {
    ...{ report: 'queue', summary: 'Who waited for GPUs, and which GPUs nobody used meanwhile' },
    ...{ asked: QUEUE_ASKED, answer: queueReport, read: readQueue, json: queueJson },
  });
  add(app, serving, {
    ...{ report: 'reliability', summary: 'How often GPUs and nodes fail, and what jobs lost by it' },
    ...{ asked: RELIABILITY_ASKED, answer: reliabilityReport, read: readReliability, json: reliabilityJson },
  });
  add(app, serving, {
    ...{ report: 'right-size', summary: 'Which smaller parts of GPUs would have done for whom' },
    ...{ asked: RIGHT_SIZE_ASKED, answer: rightSizeReport, read: readRightSize, json: rightSizeJson },
  });
  add(app, serving, {
    ...{ report: 'bill', summary: 'What GPU time and its energy cost in a month, for whom' },
    ...{ asked: BILL_ASKED, answer: billReport, read: readServedBill, json: billJson },
    note: 'Nothing is issued: the newest version as it was issued; where there is none what it would be by now, as "provisional" or, of a month that has ended, as "draft"',
  });
}

function add<F>(
  app: App,
  serving: Serving,
  { report, summary, asked, answer, note, isForAll, read, json }: Planning<F>,
): void {
  const description = [
    `As gpuledger report ${report} --json`,
    ...(isForAll ? [] : ['For operators']),
    ...(note === undefined ? [] : [note]),
  ].join('. ');
  const route = described({ summary, description, querystring: z.object(asked), answer });
  const guard = isForAll ? {} : { preHandler: operatorsOnly };
  app.get(`/api/v1/${report}`, { ...route, ...guard }, async (request, reply) => {
    const db = serving.storeFor(request);
    const figures = await seenAlone(
      sightOf(request.viewer),
      async () => await read(db, serving, request.query),
    );
    return await sendJson(reply, json(figures));
  });
}
