import type { Lane } from '../../../core/fields/lane.ts';
import type { Asked } from '../../query-cells.ts';
import type { JobFigures } from '../figures.ts';
import type { JobQueryOptions } from '../query.ts';
import { lookClosely, type CloseLook } from './close-look.ts';
import { jobCourse } from './course.ts';
import { worthALook, type WorthALook } from './worth-a-look.ts';

/** Of one stretch: some 70 kB of a page. */
const VALUES_MAX = 14_000;

/** A stretch of a job's time, and its samples. */
export interface EmbeddedLook extends WorthALook {
  readonly look: CloseLook;
}

/**
 * The samples that a page without a server brings along; none where they have aged out.
 * @param figures of the same run, to be drawn
 * @throws what `jobCourse` and `lookClosely` throw
 */
export async function embeddedLooks(
  db: Asked,
  lanes: readonly Lane[],
  figures: JobFigures,
  options: JobQueryOptions,
): Promise<EmbeddedLook[]> {
  const worth = worthALook(figures);
  if (worth.length === 0) return [];
  const course = await jobCourse(db, lanes, figures.job.jobId, { ...options, run: figures.job.run });
  const looks = worth.map(async (one) => ({
    ...one,
    look: await lookClosely(db, course, one, { valuesMax: VALUES_MAX, gpus: one.gpus }),
  }));
  return (await Promise.all(looks)).filter(({ look }) => (look.samples ?? []).length > 0);
}
