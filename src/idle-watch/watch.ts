import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { VERSION } from '../config/package-version.ts';
import { IDLE_AFTER_MS_DEFAULT } from '../core/fields/limits.ts';
import type { Tell } from '../core/base/notice.ts';
import { realDisk } from '../disk/disk.ts';
import { episodesPath, readEpisodes, writeEpisodes, type Episode } from '../disk/idle-episodes-file.ts';
import { lockDirectory } from '../disk/state-lock.ts';
import type { IdleWatchFigures } from '../figures/idle/figures.ts';
import { idleWatch } from '../figures/idle/idle-watch.ts';
import type { Asked } from '../figures/query-cells.ts';
import type { Channel } from './channel.ts';
import { openCommand } from './command.ts';
import { createDelivery } from './deliver.ts';
import { advance, type Channel as ChannelName, type Progress } from './episodes.ts';
import { inert, messageOf, sentenceOf } from './message.ts';
import { openWebhook } from './webhook.ts';

export interface IdleWatchSettings extends Pick<Config, 'lanes' | 'idle' | 'idleWatch' | 'stateDir'> {
  /** For how long devices must have been idle; that of the configuration when absent. */
  readonly afterMs?: number;
  /** Only jobs whose first device is one of these. */
  readonly gpus?: readonly string[];
  readonly by: Episode['by'];
}

/** Looks again and again for jobs that idle, and tells of each once, and again now and then. Never cancels anything. */
export interface IdleWatch {
  /**
   * Reads what the jobs do, tells by the log and the configured ways, and remembers in the state directory whom it told.
   * @returns what it saw, and how many messages have not reached every receiver yet
   * @throws OperatingError `state.locked` while another process looks, `state.disk`, and what `idleWatch` throws
   */
  look(): Promise<{ readonly figures: IdleWatchFigures; readonly pending: number }>;
  /** Ends what is under way: what was not told is told by the next life. */
  close(): Promise<void>;
}

/** Whether somebody wants to be told by `run`. */
export function isIdleWatched({
  idleWatch: { warnAfterMs, webhook, command },
}: Pick<Config, 'idleWatch'>): boolean {
  return warnAfterMs !== undefined || webhook !== undefined || command !== undefined;
}

/** For how long devices must be idle, unless the command line says otherwise. */
export function idleAfterMs({
  idleWatch: { warnAfterMs = IDLE_AFTER_MS_DEFAULT },
}: Pick<Config, 'idleWatch'>): number {
  return warnAfterMs;
}

export function createIdleWatch(db: Asked, settings: IdleWatchSettings, tell: Tell): IdleWatch {
  const { lanes, idle: idleLimits, stateDir, by, gpus, afterMs = idleAfterMs(settings) } = settings;
  const directory = join(stateDir, 'idle-watch');
  const path = episodesPath(directory);
  const channels = channelsOf(settings);
  const deliveries = [...channels].map(
    ([name, channel]) => [name, createDelivery(channel, tell, () => performance.now())] as const,
  );
  const rules = {
    remindEveryUs: settings.idleWatch.remindEveryMs * 1000,
    channels: [...channels.keys()],
    by,
  };
  const closing = new AbortController();

  const look = async (): Promise<{ figures: IdleWatchFigures; pending: number }> => {
    const { episodes, damage } = readEpisodes(realDisk, path);
    if (damage !== undefined) {
      const sentence = `${path} cannot be used (${damage}): the watch of idle jobs begins anew, and jobs that it told of are told of once more`;
      tell({ level: 'warn', code: 'idle_watch.state', sentence });
    }
    const figures = await idleWatch(db, lanes, {
      nowUs: Date.now() * 1000,
      afterUs: afterMs * 1000,
      idleLimits,
      ...(gpus === undefined ? {} : { gpus }),
    });
    // A way to tell that is not configured any more waits for nothing.
    const before = episodes.map((one) => ({
      ...one,
      pending: one.pending.filter((name) => channels.has(name)),
    }));
    const progress = advance(before, figures, rules);
    // Before anybody is told: a kill costs one message that comes twice at most.
    const kept = progress.going.map(({ episode }) => episode);
    const save = (): void => {
      writeEpisodes(realDisk, path, kept);
    };
    if (progress.told.length > 0 || progress.over.length > 0) save();
    tellProgress(progress, tell);
    for (const [name, delivery] of deliveries) {
      const due = progress.going.flatMap(({ job }, index) => {
        const episode = kept[index]!;
        if (job === undefined || !episode.pending.includes(name)) return [];
        const onTaken = (): void => {
          const now = kept[index]!;
          kept[index] = { ...now, pending: now.pending.filter((one) => one !== name) };
          save();
        };
        return [{ message: messageOf(job, episode), onTaken }];
      });
      await delivery.deliver(due, closing.signal);
    }
    const waiting = progress.going.filter(
      ({ job }, index) => job !== undefined && kept[index]!.pending.length > 0,
    );
    return { figures, pending: waiting.length };
  };

  return {
    async look() {
      const release = await lockDirectory(directory);
      try {
        return await look();
      } finally {
        release();
      }
    },
    async close() {
      closing.abort();
      for (const channel of channels.values()) await channel.close();
    },
  };
}

function channelsOf({
  idleWatch: { webhook, webhookTokenFile, command },
}: IdleWatchSettings): Map<ChannelName, Channel> {
  const channels = new Map<ChannelName, Channel>();
  if (webhook !== undefined)
    channels.set(
      'webhook',
      openWebhook({
        url: webhook,
        version: VERSION,
        ...(webhookTokenFile === undefined ? {} : { tokenFile: webhookTokenFile }),
      }),
    );
  if (command !== undefined) channels.set('command', openCommand(command));
  return channels;
}

function tellProgress({ told, over }: Progress, tell: Tell): void {
  for (const { job, episode } of told) {
    const { jobId, user = null, sinceUs, gpus } = job;
    const data = { job: jobId, user, gpus, sinceUs, reminders: episode.reminders };
    tell({ level: 'warn', code: 'idle_watch.idle', sentence: sentenceOf(job, episode), data });
  }
  for (const { episode, why } of over) {
    const sentence = `Job ${inert(episode.jobId)} does not idle any more: ${why === 'works' ? 'its GPUs work again' : 'it has ended'}.`;
    tell({ level: 'info', code: 'idle_watch.over', sentence, data: { job: episode.jobId } });
  }
}
