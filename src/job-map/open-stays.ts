import type { Tell } from '../core/base/notice.ts';
import { tellingOfSameRun } from '../core/jobs/job-runs.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readJobRows } from '../questdb/rows/merged-jobs.ts';
import { waitForVisible } from '../questdb/visible.ts';

/** An epilog may be under way for so long after the scheduler's end. */
const EPILOG_US_MAX = 3_600e6;
/** So many are told one by one. */
const EXAMPLES_MAX = 3;

/** GPUs of one node that a run still owns, though it has ended. */
interface OpenStay {
  readonly node: string;
  readonly jobId: string;
  readonly gpus: number;
  /** Epoch µs. */
  readonly endedUs: number;
}

/**
 * Says whose end `jobs` has and `gpu_ownership` has not, and what brings it into the labels: what keeps them is told by the node
 * alone.
 * @throws OperatingError when the store does not answer
 */
export async function tellOpenStays(db: QuestDb, nowUs: number, tell: Tell): Promise<void> {
  const stays = (await readOpenStays(db)).filter(({ endedUs }) => endedUs < nowUs - EPILOG_US_MAX);
  if (stays.length === 0) return;
  const examples = stays.slice(0, EXAMPLES_MAX).map(({ node, jobId, gpus, endedUs }) => {
    const at = new Date(endedUs / 1000).toISOString().replace('.000', '');
    const what = `${gpus} ${gpus === 1 ? 'GPU' : 'GPUs'} of ${node}`;
    return `${what} (there: gpuledger job end --job '${jobId.replaceAll("'", `'\\''`)}' --at ${at})`;
  });
  const more = stays.length > examples.length ? `, and ${stays.length - examples.length} more` : '';
  const sentence = `jobs that have ended still own GPUs, since no epilog told their end: ${examples.join(', ')}${more}`;
  tell({ level: 'warn', code: 'jobs.open_stays', sentence, data: { stays: stays.length } });
}

/** The newest first. */
async function readOpenStays(db: QuestDb): Promise<OpenStay[]> {
  for (const table of ['gpu_ownership', 'jobs']) await waitForVisible(db, table);
  const { rows } = await db.exec(
    'SELECT cluster, node, job_id, run, cast(ts AS LONG) start_us, count() FROM gpu_ownership WHERE end_ts IS NULL' +
      ' GROUP BY cluster, node, job_id, run, start_us ORDER BY start_us DESC',
  );
  const open = rows.map(([cluster, node, jobId, run, startUs, gpus]) => ({
    ...(typeof cluster === 'string' ? { cluster } : {}),
    node: String(node),
    jobId: String(jobId),
    ...(typeof run === 'number' ? { run } : {}),
    startUs: Number(startUs),
    gpus: Number(gpus),
  }));
  if (open.length === 0) return [];
  const records = await readJobRows(db, open);
  return open.flatMap(({ gpus, ...stay }) => {
    const { endUs } = tellingOfSameRun(records.get(stay.jobId) ?? [], stay) ?? {};
    return endUs === undefined ? [] : [{ node: stay.node, jobId: stay.jobId, gpus, endedUs: endUs }];
  });
}
