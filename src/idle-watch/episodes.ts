import type { Episode } from '../disk/idle-episodes-file.ts';
import type { IdleJob, IdleWatchFigures, JobKey } from '../figures/idle/figures.ts';

export type Channel = Episode['pending'][number];

/** What becomes of the episodes after a look at the running jobs. */
export interface Progress {
  /** Episodes that go on, with their jobs where those still idle, the longest told of first. */
  readonly going: readonly { readonly episode: Episode; readonly job: IdleJob | undefined }[];
  /** To be told for the first time, or again. */
  readonly told: readonly { readonly episode: Episode; readonly job: IdleJob }[];
  readonly over: readonly { readonly episode: Episode; readonly why: 'works' | 'ended' }[];
}

export interface EpisodeRules {
  readonly remindEveryUs: number;
  readonly channels: readonly Channel[];
  readonly by: Episode['by'];
}

/** An episode of which nobody has seen the end for so long is forgotten. */
const FORGOTTEN_US = 30 * 86_400e6;

/**
 * Brings episodes on by what the jobs do now, by the times of their samples alone. What nobody sees goes on: neither told nor over.
 * A job that another one watches is not told of here, and over only where it is seen to work.
 */
export function advance(
  episodes: readonly Episode[],
  figures: Pick<IdleWatchFigures, 'nowUs' | 'idle' | 'working' | 'notSeen' | 'shared'>,
  { remindEveryUs, channels, by }: EpisodeRules,
): Progress {
  const open = new Map(episodes.map((episode) => [idOf(episode), episode]));
  const going: { episode: Episode; job: IdleJob | undefined }[] = [];
  const told: { episode: Episode; job: IdleJob }[] = [];
  const over: { episode: Episode; why: 'works' | 'ended' }[] = [];
  const take = (key: JobKey): Episode | undefined => {
    const found = open.get(idOf(key));
    open.delete(idOf(key));
    return found;
  };
  for (const job of figures.idle) {
    const before = take(job);
    const why = before === undefined ? undefined : endOf(before, job);
    if (before !== undefined && why !== undefined) over.push({ episode: before, why });
    const same = why === undefined ? before : undefined;
    const isDue = same === undefined || job.untilUs - same.toldUs >= remindEveryUs;
    const episode = isDue ? tellingOf(job, same, channels, by) : same;
    going.push({ episode, job });
    if (isDue) told.push({ episode, job });
  }
  for (const key of figures.working) {
    const episode = take(key);
    if (episode !== undefined) over.push({ episode, why: 'works' });
  }
  for (const key of [...figures.notSeen, ...figures.shared]) {
    const episode = take(key);
    if (episode !== undefined) going.push({ episode, job: undefined });
  }
  for (const episode of open.values()) {
    const isOurs = episode.by === by || episode.toldUs < figures.nowUs - FORGOTTEN_US;
    if (isOurs) over.push({ episode, why: 'ended' });
    else going.push({ episode, job: undefined });
  }
  return { going: going.sort((a, b) => a.episode.toldUs - b.episode.toldUs), told, over };
}

function idOf({
  cluster = '',
  jobId,
  run,
}: Partial<Pick<JobKey, 'cluster'>> & Omit<JobKey, 'cluster'>): string {
  return JSON.stringify([cluster, jobId, run]);
}

/** Whether what idles now is something else: nobody looked for a while, and meanwhile it worked, or another job got its id. */
function endOf(episode: Episode, { startUs, sinceUs, isAtLeast }: IdleJob): 'works' | 'ended' | undefined {
  if (startUs > episode.toldUs) return 'ended';
  return !isAtLeast && sinceUs > episode.toldUs ? 'works' : undefined;
}

function tellingOf(
  { cluster, jobId, run, sinceUs, untilUs }: IdleJob,
  before: Episode | undefined,
  channels: readonly Channel[],
  by: Episode['by'],
): Episode {
  return {
    ...(cluster === undefined ? {} : { cluster }),
    jobId,
    run,
    sinceUs: Math.min(sinceUs, before?.sinceUs ?? Infinity),
    toldUs: untilUs,
    reminders: before === undefined ? 0 : before.reminders + 1,
    pending: [...channels],
    by: before?.by ?? by,
  };
}
