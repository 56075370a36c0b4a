import type { JobFact, JobInput, JobNews, JobRecord } from '../core/jobs/job-fact.ts';
import type { Scenario, ScenarioJob } from '../core/synthetic/scenario.ts';

interface SyntheticJobsOptions {
  /**
   * Epoch µs from which on jobs are told; one that runs at that time is told with its true start. Default: the beginning
   * of a demo; of a steady scenario, a minute before the first `read`.
   */
  readonly sinceUs?: number;
}

/** A flush labels samples that are some seconds old: the first read must know who owned the devices then. */
const LOOK_BACK_US = 60_000_000;

/** A clock that is further ahead than this was set: the jobs of a year would take an hour to tell. */
const TOLD_AT_ONCE_US_MAX = 86_400_000_000;

/** Tells the jobs of a scenario as the clock passes their begin and end, the way a scheduler's hooks would. */
export function createSyntheticJobs(scenario: Scenario, options: SyntheticJobsOptions = {}): JobInput {
  let toldUs = options.sinceUs ?? (scenario.options.kind === 'demo' ? scenario.startUs - 1 : NaN);
  let isFirst = true;

  return {
    name: 'synthetic',
    read(nowUs: number): JobNews {
      if (Number.isNaN(toldUs)) toldUs = nowUs - LOOK_BACK_US;
      if (nowUs <= toldUs && !isFirst) return { facts: [], records: [] };
      const isSkipped = scenario.options.kind !== 'demo' && nowUs - toldUs > TOLD_AT_ONCE_US_MAX;
      const news: Dated[] = [];
      if (isSkipped) {
        // Those that were told are ended, and what runs now is told as at the beginning.
        for (const job of scenario.jobsBetween(toldUs, toldUs + 1))
          if (job.startUs <= toldUs && job.endUs > toldUs && job.endUs <= nowUs - LOOK_BACK_US)
            news.push(endOf(scenario, job));
        toldUs = nowUs - LOOK_BACK_US;
        isFirst = true;
      }
      const fromUs = toldUs;
      // One more microsecond, since a job that starts at the very time is due as well.
      for (const job of scenario.jobsBetween(fromUs, nowUs + 1)) {
        const isNew = job.startUs > fromUs || isFirst;
        if (isNew && job.startUs <= nowUs) news.push(startOf(scenario, job));
        if (job.endUs > fromUs && job.endUs <= nowUs) news.push(endOf(scenario, job));
      }
      toldUs = nowUs;
      isFirst = false;
      // Jobs come by their start and the sort is stable: a GPU is given back before it is given out again at the same
      // microsecond.
      news.sort((a, b) => a.atUs - b.atUs);
      return { facts: news.flatMap((item) => item.facts), records: news.map((item) => item.record) };
    },
  };
}

interface Dated {
  readonly atUs: number;
  readonly facts: readonly JobFact[];
  readonly record: JobRecord;
}

function startOf(scenario: Scenario, job: ScenarioJob): Dated {
  const record: { -readonly [K in keyof JobRecord]: JobRecord[K] } = { ...job.record, state: 'RUNNING' };
  delete record.endUs;
  delete record.exitCode;
  return { atUs: job.startUs, facts: factsOf(scenario, job, 'start', job.startUs), record };
}

function endOf(scenario: Scenario, job: ScenarioJob): Dated {
  return {
    atUs: job.endUs,

    facts: factsOf(scenario, job, 'end', job.endUs),
    record: job.record,
  };
}

function factsOf(scenario: Scenario, job: ScenarioJob, kind: JobFact['kind'], atUs: number): JobFact[] {
  return job.devices.map(({ device, share }) => {
    const { node, uuid } = scenario.devices[device]!;
    return { kind, atUs, node, gpu: uuid, jobId: job.jobId, run: job.run, share, source: 'synthetic' };
  });
}
