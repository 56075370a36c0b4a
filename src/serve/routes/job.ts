import type { FastifyRequest } from 'fastify';
import { findJob, type Found } from '../../figures/job/find-job.ts';
import { chosenRun, type JobQueryOptions } from '../../figures/job/query.ts';
import { accountOfFound } from '../../figures/job/tasks.ts';
import { markup } from '../../report/page/html.ts';
import { renderJobPage } from '../../report/page/job-page.ts';
import { afterHead, pageHead, type PageAssets } from '../../report/page/page.ts';
import { refusalBody } from '../../report/page/served/refusal-page.ts';
import { renderTasksPage } from '../../report/page/served/tasks-page.ts';
import { tellOf, titleOf } from '../add-refusals.ts';
import { refusalOf } from '../errors.ts';
import { JOB_PARAMETERS, JOB_SELECTOR, jobHow } from '../job-how.ts';
import { jobTag } from '../job-tag.ts';
import { streamPage, type PageRest } from '../page-stream.ts';
import { sendPage, sendSame } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';
import type { ReaderStore } from '../store-questions.ts';

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
    const head = pageHead(`Job ${found.typed.typed}`, assets, served);
    const page =
      request.method === 'HEAD'
        ? head
        : streamPage(head, restOfPage(serving, request, { db, found, how, assets }), progressOf(db));
    return await sendPage(reply, page, { assets, served });
  });
}

interface Asked {
  readonly db: ReaderStore;
  readonly found: Found;
  readonly how: JobQueryOptions;
  readonly assets: PageAssets;
}

/** What comes after the head of the page. Never rejects: what goes wrong stands in the page. */
async function restOfPage(
  { config, version, servedTo, tell }: Serving,
  request: FastifyRequest,
  { db, found, how, assets }: Asked,
): Promise<PageRest> {
  const served = servedTo(request.viewer);
  try {
    const account = await accountOfFound(db, config.lanes, found, how);
    const parts = { assets, version, served };
    const page =
      account.of === 'job' ? renderJobPage(account.figures, parts) : renderTasksPage(account.figures, parts);
    return { text: afterHead(page, served), isWhole: true };
  } catch (thrown) {
    if (request.left.aborted) return { text: '', isWhole: false };
    const refusal = refusalOf(thrown, request.viewer.isOperator);
    tellOf(thrown, refusal, tell);
    return { text: refusalBody(refusal, titleOf(refusal.status)).safe, isWhole: false };
  }
}

/** Answers so far, each number once. */
function progressOf(db: ReaderStore): () => string | undefined {
  let told = 0;
  return () => {
    const answers = db.answered();
    if (answers === told) return undefined;
    told = answers;
    return markup`<p class="asking" role="status">asking QuestDB, ${answers} ${answers === 1 ? 'answer' : 'answers'} so far</p>
`.safe;
  };
}

function holdsTag({ headers }: FastifyRequest, tag: string): boolean {
  const held = headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return held?.includes(`"${tag}"`) ?? false;
}
