import type { FastifyRequest } from 'fastify';
import { findJob } from '../../figures/job/find-job.ts';
import { chosenRun } from '../../figures/job/query.ts';
import { accountOfFound } from '../../figures/job/tasks.ts';
import { renderJobPage } from '../../report/page/job-page.ts';
import { renderTasksPage } from '../../report/page/served/tasks-page.ts';
import { JOB_PARAMETERS, JOB_SELECTOR, jobHow } from '../job-how.ts';
import { jobTag } from '../job-tag.ts';
import { sendSame } from '../send-page.ts';
import { sendStreamed } from '../send-streamed.ts';
import type { App, Serving } from '../serving.ts';

/**
 * The account of a job, drawn; of an array its tasks. The job is found first, which is quick and tells whether there is one; then the
 * page begins, and comes to its end when all has been asked.
 */
export function addJobPage(app: App, serving: Serving): void {
  const { config, version } = serving;
  const schema = { params: JOB_PARAMETERS, querystring: JOB_SELECTOR };
  app.get('/job/:id', { schema }, async (request, reply) => {
    const db = serving.storeFor(request);
    const how = { ...jobHow(serving, request.query, request.viewer), isDrawn: true };
    const found = await findJob(db, request.params.id, how);
    const { family, members } = found.bearer;
    // A run that there is not is told before the page begins.
    if (family === undefined) chosenRun(db, found, { ...how, member: members[0]! });
    const assets = family === undefined ? serving.assets.drawn : serving.assets.still;
    const served = serving.servedTo(request.viewer);
    const tag = await jobTag(db, config.lanes, found, {
      how: { ...how, nowUs: 0, sight: undefined, version, assets, viewer: request.viewer.name },
      nowUs: how.nowUs,
    });
    if (tag !== undefined) {
      reply.headers({ 'cache-control': 'private, no-cache', etag: `"${tag}"` });
      if (holdsTag(request, tag)) return await sendSame(reply, { assets, served });
    }
    const make = async (): Promise<{ readonly page: string; readonly isWhole: boolean }> => {
      const account = await accountOfFound(db, config.lanes, found, how);
      const parts = { assets, version, served };
      const page =
        account.of === 'job'
          ? renderJobPage(account.figures, parts)
          : renderTasksPage(account.figures, parts);
      return { page, isWhole: true };
    };
    const title = `Job ${found.typed.typed}`;
    return await sendStreamed(serving, request, reply, { title, assets, served, db, make });
  });
}

function holdsTag({ headers }: FastifyRequest, tag: string): boolean {
  const held = headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return held?.includes(`"${tag}"`) ?? false;
}
