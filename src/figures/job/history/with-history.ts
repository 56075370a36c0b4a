import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import { typedId } from '../bearers.ts';
import type { JobFigures } from '../figures.ts';
import { withFound } from '../findings/find.ts';
import { compareRuns } from './compare.ts';
import { hasFailedSoon } from './failed-runs.ts';
import type { HistoryFound } from './figures.ts';
import type { EarlierRun } from './past-runs.ts';
import type { Past } from './read-past.ts';

/** So many failures are no accident, this run's among them. */
const FAILURES_MIN = 3;
/** Ids that are shown to be typed: a shell takes them as they are. */
const PLAIN_ID = /^\w[\w.+@-]{0,63}$/;
const IDS_TYPED_MAX = 3;

/** The figures of a job with what its earlier runs say of it. */
export function withHistory(
  figures: JobFigures,
  { alike, failures }: Past,
  limits: FindingLimits,
): JobFigures {
  const history = alike.length === 0 ? undefined : compareRuns(figures, alike, limits.regressionRatio);
  const regressed = history?.compared.filter(({ isRegressed }) => isRegressed) ?? [];
  const found: HistoryFound[] = [];
  const oldest = failures.at(-1);
  if (oldest !== undefined && failures.length + 1 >= FAILURES_MIN && hasFailedSoon(figures))
    found.push({
      rule: 'crash-loop',
      count: failures.length + 1,
      sinceUs: oldest.window.startUs,
      typedIds: typedIds(figures, failures),
    });
  if (regressed.length > 0)
    found.push({ rule: 'regressed', amounts: regressed, typedIds: typedIds(figures, alike.slice(0, 1)) });
  return { ...figures, history, findings: withFound(figures, found, limits) };
}

/** Of this run and earlier ones, as far as each means one run and no other. */
function typedIds({ job }: JobFigures, runs: readonly EarlierRun[]): string[] {
  const { jobId, task, arrayJobId, hetJobId, otherRuns, otherJobs } = job;
  const own = typedId({ task, record: { arrayJobId, hetJobId } }, jobId);
  const isOnly = otherRuns.length === 0 && otherJobs.length === 0;
  const told = runs.flatMap(({ member, run, isOnlyOfId }) => (isOnlyOfId ? typedId(member, run.jobId) : []));
  return [...(isOnly ? [own] : []), ...told].filter((id) => PLAIN_ID.test(id)).slice(0, IDS_TYPED_MAX);
}
