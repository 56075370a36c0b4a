import type { Lane } from '../core/fields/lane.ts';
import type { CapacityFigures } from '../figures/capacity/figures.ts';
import { capacityFigures } from '../figures/capacity/query.ts';
import { renderCapacityReport } from '../report/capacity-text.ts';
import { renderJobReport } from '../report/job-text.ts';
import { jobFigures } from '../figures/job/query.ts';
import { embeddedLooks, type EmbeddedLook } from '../figures/job/timeline/embedded-looks.ts';
import { isoMicroseconds } from '../figures/sql-text.ts';
import type { JobFigures } from '../figures/job/figures.ts';
import type { QuestDb } from '../questdb/http.ts';

/** The jobs of the demo scenario that the demo shows: a good one on all sixteen GPUs, a wasteful one, and one that waits for a slow GPU. */
const GOOD_JOB_ID = '4217';
const WASTEFUL_JOB_ID = '4225';
const SLOW_JOB_ID = '4230';
const RULE_WIDTH = 90;

/** What the demo shows. */
interface DemoReports {
  readonly text: string;
  /** Those jobs, to be drawn, and samples that their pages bring along. */
  readonly jobs: readonly { readonly figures: JobFigures; readonly looks: readonly EmbeddedLook[] }[];
  readonly capacity: CapacityFigures;
}

/** The account of a good job, of a wasteful one, of one with a slow GPU, of the six hours, and the SQL behind one figure. */
export async function demoReports(
  db: QuestDb,
  lanes: readonly Lane[],
  window: { readonly fromUs: number; readonly toUs: number },
  style: { readonly width: number; readonly isColored: boolean },
): Promise<DemoReports> {
  const how = { nowUs: window.toUs, isDrawn: true };
  const good = await jobFigures(db, lanes, GOOD_JOB_ID, how);
  const wasteful = await jobFigures(db, lanes, WASTEFUL_JOB_ID, how);
  const slow = await jobFigures(db, lanes, SLOW_JOB_ID, how);
  const capacity = await capacityFigures(db, lanes, { by: 'account', ...window });
  const text = [
    section('a good job'),
    renderJobReport(good, style),
    section('a wasteful job'),
    renderJobReport(wasteful, style),
    section('a job that waits for a slow GPU'),
    renderJobReport(slow, style),
    section('the six hours'),
    renderCapacityReport(capacity, style),
    energyQuery(good),
  ].join('\n');
  const jobs = [good, wasteful, slow].map(async (figures) => ({
    figures,
    looks: await embeddedLooks(db, lanes, figures, how),
  }));
  return { text, jobs: await Promise.all(jobs), capacity };
}

function section(title: string): string {
  return `── ${title} ${'─'.repeat(RULE_WIDTH - title.length)}`;
}

/** The label in the samples answers ad-hoc questions without a join. */
function energyQuery({ job: { jobId }, startUs, endUs }: JobFigures): string {
  return [
    `The energy of job ${jobId} is one query:`,
    '  SELECT sum(energy_rise_joules) / 3.6e6 AS kwh FROM gpu_profiling',
    `  WHERE job_id = '${jobId}' AND ts > '${isoMicroseconds(startUs)}' AND ts <= '${isoMicroseconds(endUs)}'`,
    '  AND dt_us > 0 AND energy_rise_dt_us > 0;',
  ].join('\n');
}
