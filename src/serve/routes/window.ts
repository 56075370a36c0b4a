import * as z from 'zod';
import { lookClosely } from '../../figures/job/timeline/close-look.ts';
import { jobCourse } from '../../figures/job/timeline/course.ts';
import { closeData } from '../../report/page/close-data.ts';
import { JOB_PARAMETERS, JOB_SELECTOR, jobHow } from '../job-how.ts';
import type { App, Serving } from '../serving.ts';

/** Numbers of samples in one answer: a minute of sixteen devices ten times a second. Half a megabyte. */
const VALUES_MAX = 120_000;

const TIME_US = z
  .string()
  .regex(/^\d{1,16}$/, 'a time is a whole number of microseconds since the epoch')
  .transform(Number);
const QUERY = z
  .strictObject({ ...JOB_SELECTOR.shape, from: TIME_US, to: TIME_US })
  .refine(({ from, to }) => from < to, 'expected from before to');

/** A part of a job's time as closely as it can be shown, for its page: samples where they are not too many, else steps. */
export function addJobWindow(app: App, serving: Serving): void {
  const schema = { params: JOB_PARAMETERS, querystring: QUERY };
  app.get('/api/v1/jobs/:id/window', { schema }, async (request, reply) => {
    const { from, to, ...selector } = request.query;
    const db = serving.storeFor(request);
    const how = jobHow(serving, selector, request.viewer);
    const course = await jobCourse(db, serving.config.lanes, request.params.id, how);
    const look = await lookClosely(db, course, { fromUs: from, toUs: to }, { valuesMax: VALUES_MAX });
    return await reply
      .type('application/json; charset=utf-8')
      .header('cache-control', 'private, no-store')
      .send(`${JSON.stringify(closeData(look, course.devices))}\n`);
  });
}
