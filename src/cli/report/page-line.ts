import { typedId } from '../../figures/job/bearers.ts';
import type { Account } from '../../figures/job/tasks.ts';
import { linksFrom } from '../../report/page/links.ts';

/** Says where a browser shows a job, or an array. @param url `serve.url`; where there is none, nothing is said */
export function pageLine(url: string | undefined, account: Account): string {
  return url === undefined ? '' : `  page: ${addressOf(url, account)}\n`;
}

function addressOf(url: string, account: Account): string {
  const links = linksFrom(url);
  if (account.of === 'tasks') {
    const { jobId, cluster, otherJobs } = account.figures;
    return links.job(jobId, otherJobs.length === 0 ? {} : { cluster });
  }
  const { job } = account.figures;
  const { otherJobs, otherRuns, cluster, submitUs, run } = job;
  return links.job(typedId({ task: job.task, record: job }, job.jobId), {
    ...(otherJobs.length === 0 ? {} : { cluster, submittedUs: submitUs }),
    // The newest is the one that is meant where none is named.
    run: otherRuns.some((other) => other > run) ? run : undefined,
  });
}
