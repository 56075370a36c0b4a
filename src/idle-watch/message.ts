import type { Episode } from '../disk/idle-episodes-file.ts';
import type { IdleJob } from '../figures/idle/figures.ts';
import { idleJobJson } from '../report/idle-watch-json.ts';
import { formatCount, formatGpuHours, formatMoment, formatSpan } from '../report/text/format-quantity.ts';
import { clip, harmless } from '../report/text/table-text.ts';

/** One message about one job, as webhook and command get it. */
export interface Message {
  /** Some lines for people; names in it are marks of no chat, and no control characters. */
  readonly text: string;
  /** One line: `docs/idle-watch.md`. */
  readonly json: string;
}

/** Devices that a message lists; of more there is the number. */
const DEVICES_MAX = 64;
/** Characters of a name. */
const NAME_LENGTH_MAX = 256;

export function messageOf(job: IdleJob, episode: Episode): Message {
  const text = `${sentenceOf(job, episode)}\nMore of it: ${inert(job.command)}\n`;
  const listed = {
    ...job,
    idle: job.idle.slice(0, DEVICES_MAX),
    sinceUs: Math.min(job.sinceUs, episode.sinceUs),
  };
  const json = JSON.stringify(
    {
      event: episode.reminders === 0 ? 'idle' : 'still_idle',
      text,
      reminders: episode.reminders,
      idleGpus: job.idle.length,
      job: idleJobJson(listed),
    },
    (_, value: unknown) =>
      typeof value === 'string' && value !== text ? value.slice(0, NAME_LENGTH_MAX) : value,
  );
  return { text, json };
}

/** `Job 4217 (train-llm) of ada: all 4 GPUs idle since 2026-11-21 09:02:11 UTC, for 2 h 12 min (8.8 GPU-hours).` */
export function sentenceOf(job: IdleJob, { sinceUs, reminders }: Episode): string {
  const fromUs = Math.min(job.sinceUs, sinceUs);
  const name = job.name === undefined ? '' : ` (${inert(job.name)})`;
  const user = job.user === undefined ? '' : ` of ${inert(job.user)}`;
  const which = job.gpus === 1 ? 'its GPU has been' : `all ${formatCount(job.gpus, 'GPU')} have been`;
  // Whoever watched has seen since when it idles, if samples before a hole did not tell it any more.
  const least = job.isAtLeast && fromUs === job.sinceUs ? 'at least ' : '';
  const lost =
    job.lostGpuUs === undefined
      ? ''
      : ` (${job.isAtLeast ? 'at least ' : ''}${formatGpuHours(job.lostGpuUs)})`;
  return (
    `Job ${inert(job.typedId)}${name}${user}: ${which} ${reminders === 0 ? 'idle' : 'idle still'}` +
    ` since ${formatMoment(fromUs)}, for ${least}${formatSpan(job.untilUs - fromUs)}${lost}.`
  );
}

/** What a chat would take for a mention or a link, in its wide form. */
const MARKS: Readonly<Record<string, string>> = {
  '<': '＜',
  '>': '＞',
  '@': '＠',
  '[': '［',
  ']': '］',
  '`': '｀',
};

/** A name that obeys nobody, neither a terminal nor a chat. */
export function inert(name: string): string {
  return harmless(clip(name, NAME_LENGTH_MAX)).replaceAll(/[<>@[\]`]/g, (mark) => MARKS[mark]!);
}
