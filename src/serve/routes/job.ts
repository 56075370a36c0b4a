import * as z from 'zod';
import { accountOf } from '../../figures/job/tasks.ts';
import { renderJobPage } from '../../report/page/job-page.ts';
import type { App, Serving } from '../serving.ts';

const PARAMETERS = z.object({ id: z.string() });
/** Which of the runs and jobs that bear an id. */
const SELECTOR = z.strictObject({
  cluster: z.string().max(256).optional(),
  run: z.coerce.number().int().min(0).max(999_999_999).optional(),
});

/** The account of one job, drawn. */
export function addJobPage(app: App, serving: Serving): void {
  const { config, costs, assets, version } = serving;
  const schema = { params: PARAMETERS, querystring: SELECTOR };
  app.get('/job/:id', { schema }, async (request, reply) => {
    const how = { idleLimits: config.idle, costs, findingLimits: config.findings, isDrawn: true };
    const account = await accountOf(serving.storeFor(request), config.lanes, request.params.id, {
      ...request.query,
      ...how,
      nowUs: Date.now() * 1000,
    });
    if (account.of !== 'job') {
      reply.callNotFound();
      return await reply;
    }
    return await reply
      .type('text/html; charset=utf-8')
      .send(renderJobPage(account.figures, { assets: assets.drawn, version }));
  });
}
