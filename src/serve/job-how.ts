import * as z from 'zod';
import { isoTimeUs } from '../../schemas/iso-time.ts';
import type { JobQueryOptions } from '../figures/job/query.ts';
import type { Serving } from './serving.ts';
import { sightOf, type Viewer } from './viewer.ts';

const CLUSTER_LENGTH_MAX = 256;

/** An id as people type it. */
export const JOB_PARAMETERS = z.object({ id: z.string() });

/** Which of the runs and jobs that bear an id; the newest that fits. */
export const JOB_SELECTOR = z.strictObject({
  cluster: z.string().min(1).max(CLUSTER_LENGTH_MAX).optional(),
  run: z
    .string()
    .regex(/^\d{1,9}$/, 'a run is a whole number from 0 on')
    .transform(Number)
    .optional(),
  submitted: z
    .string()
    .transform((text, ctx) => {
      const us = isoTimeUs(text);
      if (us === undefined) ctx.addIssue('expected an ISO date or time in UTC that there is');
      return us;
    })
    .optional(),
});

/** How a job is asked about, for a reader, as of now. */
export function jobHow(
  { config, costs }: Pick<Serving, 'config' | 'costs'>,
  { cluster, run, submitted }: z.output<typeof JOB_SELECTOR>,
  viewer: Viewer,
): JobQueryOptions {
  return {
    ...{ cluster, run, submittedUs: submitted, sight: sightOf(viewer) },
    ...{ idleLimits: config.idle, costs, findingLimits: config.findings },
    nowUs: Date.now() * 1000,
  };
}
