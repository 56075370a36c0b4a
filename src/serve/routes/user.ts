import * as z from 'zod';
import { jobsFigures } from '../../figures/job/jobs.ts';
import { renderUserPage } from '../../report/page/served/user-page.ts';
import { readUser } from '../reads.ts';
import { sendPage } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';
import type { Viewer } from '../viewer.ts';

/** Whose account somebody may read: it is of no use to a member of one of its accounts. */
export function mayReadUser({ name, isOperator }: Viewer, user: string): boolean {
  return isOperator || (name !== undefined && name === user);
}

/** What the jobs of a user did. */
export function addUserPage(app: App, serving: Serving): void {
  const { config, costs, version } = serving;
  app.get('/user/:name', { schema: { params: z.object({ name: z.string() }) } }, async (request, reply) => {
    const { name } = request.params;
    if (!mayReadUser(request.viewer, name)) {
      reply.callNotFound();
      return await reply;
    }
    const db = serving.storeFor(request);
    const figures = await readUser(db, serving, name, request.query);
    const { fromUs, toUs } = figures.ended;
    const { cluster } = figures;
    const jobs = await jobsFigures(db, config.lanes, {
      ...{ fromUs, toUs, nowUs: Date.now() * 1000, order: 'lost', idleLimits: config.idle, costs },
      filters: { user: name, ...(cluster === undefined ? {} : { cluster }) },
    });
    const [assets, served] = [serving.assets.still, serving.servedTo(request.viewer)];
    const json = served.links.api(['users', name], request.query as Readonly<Record<string, string>>);
    const page = renderUserPage(figures, jobs, { assets, version, served, json });
    return await sendPage(reply, page, { assets, served });
  });
}
