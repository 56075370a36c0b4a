import { expect, test } from 'vitest';
import type { Episode } from '../../src/disk/idle-episodes-file.ts';
import { advance, type EpisodeRules, type Progress } from '../../src/idle-watch/episodes.ts';
import type { IdleJob, JobKey } from '../../src/figures/idle/figures.ts';
import { messageOf, sentenceOf } from '../../src/idle-watch/message.ts';
import { idleJob, MIN, T0 } from './idle-job.ts';

const RULES: EpisodeRules = { remindEveryUs: 60 * MIN, channels: ['webhook', 'command'], by: 'run' };
const KEY: JobKey = { cluster: 'atlas', jobId: '4217', run: 0 };

interface Seen {
  readonly idle?: readonly IdleJob[];
  readonly working?: readonly JobKey[];
  readonly notSeen?: readonly JobKey[];
  readonly shared?: readonly JobKey[];
}

function look(episodes: readonly Episode[], seen: Seen, minutes: number, rules = RULES): Progress {
  const notSeen = (seen.notSeen ?? []).map((key) => ({ ...key, why: 'no_samples' as const }));
  const figures = { idle: [], working: [], shared: [], ...seen, notSeen, nowUs: T0 + minutes * MIN };
  return advance(episodes, figures, rules);
}
const kept = ({ going }: Progress): Episode[] => going.map(({ episode }) => episode);

test('a job is told of once, and again each hour that its samples show idle', () => {
  let episodes: Episode[] = [];
  const told: [minute: number, reminders: number][] = [];
  for (let minute = 15; minute <= 150; minute += 1) {
    const progress = look(episodes, { idle: [idleJob(minute)] }, minute);
    for (const { episode } of progress.told) told.push([minute, episode.reminders]);
    expect(progress.over).toEqual([]);
    // Everybody took it.
    episodes = kept(progress).map((episode) => ({ ...episode, pending: [] }));
  }
  expect(told).toEqual([
    [15, 0],
    [75, 1],
    [135, 2],
  ]);
});

test('time goes by the samples, however often somebody looks', () => {
  const first = look([], { idle: [idleJob(20)] }, 20);
  const later = look(kept(first), { idle: [idleJob(20)] }, 900);
  expect([later.told, later.over]).toEqual([[], []]);
});

test('what nobody sees is neither told nor over, and goes on as it was', () => {
  let episodes = kept(look([], { idle: [idleJob(15)] }, 15));
  const first = episodes;
  for (const seen of [{ notSeen: [KEY] }, { shared: [KEY] }, { notSeen: [KEY] }]) {
    const progress = look(episodes, seen, 200);
    expect([progress.told, progress.over]).toEqual([[], []]);
    episodes = kept(progress);
  }
  expect(episodes).toEqual(first);
  // After the hole less is known of since when; the episode knows it.
  const after = look(episodes, { idle: [idleJob(230, { sinceUs: T0 + 205 * MIN, isAtLeast: true })] }, 230);
  expect(after.told.map(({ episode }) => [episode.sinceUs, episode.reminders])).toEqual([[T0, 1]]);
});

test('it is over when the job works, or is not there any more', () => {
  const episodes = kept(look([], { idle: [idleJob(15)] }, 15));
  const works = look(episodes, { working: [KEY] }, 20);
  expect([works.going, works.over.map(({ why }) => why)]).toEqual([[], ['works']]);
  const ended = look(episodes, {}, 20);
  expect([ended.going, ended.over.map(({ why }) => why)]).toEqual([[], ['ended']]);
});

test('what idles again after nobody looked for hours is told of anew', () => {
  const episodes = kept(look([], { idle: [idleJob(15)] }, 15));
  const again = look(episodes, { idle: [idleJob(300, { sinceUs: T0 + 240 * MIN })] }, 300);
  expect(again.over.map(({ why }) => why)).toEqual(['works']);
  expect(again.told.map(({ episode }) => [episode.sinceUs, episode.reminders])).toEqual([
    [T0 + 240 * MIN, 0],
  ]);
});

test('an id that was given again is another job; so is one of another cluster, and another run', () => {
  const episodes = kept(look([], { idle: [idleJob(15)] }, 15));
  const next = idleJob(300, { startUs: T0 + 200 * MIN, sinceUs: T0 + 220 * MIN, isAtLeast: true });
  const given = look(episodes, { idle: [next] }, 300);
  expect(given.over.map(({ why }) => why)).toEqual(['ended']);
  expect(given.told.map(({ episode }) => [episode.sinceUs, episode.reminders])).toEqual([
    [T0 + 220 * MIN, 0],
  ]);
  for (const change of [{ cluster: 'b' }, { run: 1 }, { cluster: undefined }]) {
    const other = look(episodes, { idle: [idleJob(20), idleJob(20, change)] }, 20);
    expect(other.told.map(({ job }) => [job.cluster, job.run])).toEqual([
      ['cluster' in change ? change.cluster : 'atlas', 'run' in change ? change.run : 0],
    ]);
    expect(other.going).toHaveLength(2);
  }
});

test('who watches all and who watches its own do not both tell, and none takes the other for over', () => {
  const byRun = kept(look([], { idle: [idleJob(15)] }, 15));
  const all = { ...RULES, by: 'command' as const };
  expect(look(byRun, { idle: [idleJob(16)] }, 16, all).told).toEqual([]);
  const absent = look(byRun, {}, 16, all);
  expect([absent.over, kept(absent)]).toEqual([[], byRun]);
  expect(look(byRun, { working: [KEY] }, 16, all).over).toHaveLength(1);
  // Nobody comes back for it.
  expect(look(byRun, {}, 31 * 1440, all).over).toHaveLength(1);
});

test('a message waits for those who have not taken it, and a reminder is for all', () => {
  const first = kept(look([], { idle: [idleJob(15)] }, 15));
  expect(first[0]!.pending).toEqual(['webhook', 'command']);
  const one = first.map((episode) => ({ ...episode, pending: ['webhook' as const] }));
  expect(kept(look(one, { idle: [idleJob(16)] }, 16))[0]!.pending).toEqual(['webhook']);
  expect(kept(look(one, { idle: [idleJob(75)] }, 75))[0]!.pending).toEqual(['webhook', 'command']);
});

const EPISODE: Episode = {
  ...{
    cluster: 'atlas',
    jobId: '4217',
    run: 0,
    sinceUs: T0,
    toldUs: T0 + 132 * MIN,
    reminders: 0,
    pending: [],
  },
  by: 'run',
};

test('a message says who, which GPUs, since when, for how long and what it costs', () => {
  expect(sentenceOf(idleJob(132), EPISODE)).toBe(
    'Job 4217 (train) of ada: all 4 GPUs have been idle since 2026-05-12 06:00:00 UTC, for 2 h 12 min (8.8 GPU-hours).',
  );
  const bare = idleJob(15, {
    gpus: 1,
    name: undefined,
    user: undefined,
    lostGpuUs: undefined,
    isAtLeast: true,
  });
  expect(sentenceOf(bare, { ...EPISODE, reminders: 2 })).toBe(
    'Job 4217: its GPU has been idle still since 2026-05-12 06:00:00 UTC, for at least 15 min.',
  );
});

test('a message as JSON is one line with the job as --json has it', () => {
  const { json, text } = messageOf(idleJob(132), EPISODE);
  expect(json).not.toContain('\n');
  expect(JSON.parse(json)).toMatchObject({
    ...{ event: 'idle', text, reminders: 0, idleGpus: 4 },
    job: {
      cluster: 'atlas',
      jobId: '4217',
      user: 'ada',
      sinceUs: T0,
      idleUs: 132 * MIN,
      lostGpuUs: 4 * 132 * MIN,
    },
  });
  expect(JSON.parse(messageOf(idleJob(132), { ...EPISODE, reminders: 1 }).json)).toMatchObject({
    event: 'still_idle',
  });
});

test('names obey nobody, and are no longer than a line', () => {
  const name = '<!channel> @here [x](https://evil.example) `rm`\u001b[2J\u202e\n\u0000';
  const { text, json } = messageOf(
    idleJob(20, { name, user: 'x'.repeat(9999), command: `gpuledger report job '${name}'` }),
    EPISODE,
  );
  expect(text).toContain('＜!channel＞ ＠here ［x］(https://evil.example) ｀rm｀␛［2J＜U+202E＞␊␀');
  expect(text.trimEnd().split('\n')).toHaveLength(2);
  expect(text).not.toMatch(/[<>@[\]`\u0000-\u0009\u000b-\u001f\u202e]/);
  expect(text.length).toBeLessThan(1000);
  expect(JSON.parse(json)).toMatchObject({ job: { name, user: 'x'.repeat(256) } });
});

test('of a large job some devices are listed and all are counted', () => {
  const many = Array.from({ length: 4096 }, (_, n) => ({ ...idleJob(20).idle[0]!, gpu: `GPU-${n}` }));
  const message = JSON.parse(messageOf(idleJob(20, { idle: many, gpus: 4096 }), EPISODE).json) as {
    idleGpus: number;
    job: { idle: unknown[] };
  };
  expect([message.idleGpus, message.job.idle.length]).toEqual([4096, 64]);
});
