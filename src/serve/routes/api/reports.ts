import * as z from 'zod';
import { capacityReport } from '../../../../schemas/reports/capacity-report.ts';
import { jobReport } from '../../../../schemas/reports/job-report.ts';
import { jobsReport, tasksReport } from '../../../../schemas/reports/jobs-report.ts';
import { nodeReport } from '../../../../schemas/reports/node-report.ts';
import { userReport } from '../../../../schemas/reports/user-report.ts';
import { accountOf } from '../../../figures/job/tasks.ts';
import { capacityJson, jobJson, jobsJson, tasksJson } from '../../../report/json.ts';
import { nodeJson } from '../../../report/node/node-json.ts';
import { userJson } from '../../../report/user/user-json.ts';
import { askedOf, CAPACITY_ASKED, JOBS_ASKED, NODE_ASKED, USER_ASKED } from '../../asked.ts';
import { JOB_SELECTOR, jobHow } from '../../job-how.ts';
import { operatorsOnly } from '../../operators-only.ts';
import { readCapacity, readJobs, readNode, readUser } from '../../reads.ts';
import type { App, Serving } from '../../serving.ts';
import { mayReadUser } from '../user.ts';
import { described, sendJson } from './described.ts';

const NAMED = z.object({ name: z.string() });
const ONE = z.object({ id: z.string().describe('Of a job, a task or an array, as the scheduler prints it') });

/** The reports as JSON. */
export function addReportsApi(app: App, serving: Serving): void {
  addJobs(app, serving);
  const user = described({
    ...{ summary: 'What the jobs of a user did', description: 'As gpuledger report user NAME --json' },
    ...{ params: NAMED, querystring: z.object(USER_ASKED), answer: userReport },
  });
  app.get('/api/v1/users/:name', user, async (request, reply) => {
    const { name } = request.params as z.output<typeof NAMED>;
    if (mayReadUser(request.viewer, name))
      return await sendJson(
        reply,
        userJson(await readUser(serving.storeFor(request), serving, name, request.query)),
      );
    reply.callNotFound();
    return await reply;
  });
  const node = described({
    ...{ summary: 'What there is on a node, and what happened there', description: 'For operators' },
    ...{ params: NAMED, querystring: z.object(NODE_ASKED), answer: nodeReport },
  });
  app.get('/api/v1/nodes/:name', { ...node, preHandler: operatorsOnly }, async (request, reply) => {
    const { name } = request.params as z.output<typeof NAMED>;
    return await sendJson(
      reply,
      nodeJson(await readNode(serving.storeFor(request), serving, name, request.query)),
    );
  });
  const capacity = described({
    ...{ summary: 'The account of the fleet', description: 'As gpuledger report capacity --json' },
    ...{ querystring: z.object(CAPACITY_ASKED), answer: capacityReport },
  });
  app.get(
    '/api/v1/capacity',
    capacity,
    async (request, reply) =>
      await sendJson(reply, capacityJson(await readCapacity(serving.storeFor(request), serving, request))),
  );
}

function addJobs(app: App, serving: Serving): void {
  const jobs = described({
    ...{ summary: 'Many jobs, each run whole', description: 'As gpuledger report jobs --json' },
    ...{ querystring: z.object(JOBS_ASKED), answer: jobsReport },
  });
  app.get(
    '/api/v1/jobs',
    jobs,
    async (request, reply) =>
      await sendJson(reply, jobsJson(await readJobs(serving.storeFor(request), serving, request, 'wasted'))),
  );
  const job = described({
    ...{
      summary: 'What a job did with its GPUs',
      description: 'As gpuledger report job ID --json: of an array its tasks',
    },
    ...{ params: ONE, querystring: JOB_SELECTOR, answer: z.union([jobReport, tasksReport]) },
  });
  app.get('/api/v1/jobs/:id', job, async (request, reply) => {
    const { id } = request.params as z.output<typeof ONE>;
    const how = jobHow(serving, askedOf(JOB_SELECTOR.shape, request.query), request.viewer);
    const account = await accountOf(serving.storeFor(request), serving.config.lanes, id, how);
    return await sendJson(
      reply,
      account.of === 'job' ? jobJson(account.figures) : tasksJson(account.figures),
    );
  });
}
