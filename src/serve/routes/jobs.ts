import type { FastifyRequest } from 'fastify';
import { JOB_FILTERS } from '../../figures/job/jobs-figures.ts';
import { renderJobsPage, type AskedJobs } from '../../report/page/served/jobs-page.ts';
import { givenOf, JOBS_ASKED } from '../asked.ts';
import { readJobs } from '../reads.ts';
import { sendPage } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';

const FIELDS = [...JOB_FILTERS, 'since', 'from', 'to', 'sort'] as const;

/** The search for jobs. Who types an id is led to its job. */
export function addJobsPage(app: App, serving: Serving): void {
  app.get('/jobs', async (request, reply) => {
    const { id, ...query } = request.query as Readonly<Record<string, unknown>>;
    const served = serving.servedTo(request.viewer);
    if (typeof id === 'string' && id.trim() !== '') return await reply.redirect(served.links.job(id.trim()));
    const figures = await readJobs(
      serving.storeFor(request),
      serving,
      { query, viewer: request.viewer },
      'lost',
    );
    const assets = serving.assets.still;
    const json = served.links.api(['jobs'], { sort: 'lost', ...typedIn(request) });
    const page = renderJobsPage(figures, typedIn(request), {
      assets,
      version: serving.version,
      served,
      json,
    });
    return await sendPage(reply, page, { assets, served });
  });
}

/** As it was typed. */
function typedIn({ query }: FastifyRequest): AskedJobs {
  const given = givenOf(query, ['id', ...Object.keys(JOBS_ASKED)]);
  return Object.fromEntries(
    FIELDS.flatMap((field) => (given.has(field) ? [[field, given.get(field)!]] : [])),
  );
}
