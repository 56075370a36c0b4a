import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadedConfig } from '../../config/config-file.ts';
import type { Config } from '../../config/config.ts';
import { EXIT_CODES, OperatingError, sentenceOf } from '../../core/base/errors.ts';
import { toEach, type Tell } from '../../core/base/notice.ts';
import type { FormerSampling } from '../../collector/intake.ts';
import { SAMPLER_PATIENCE_MS } from '../../collector/shut-down.ts';
import type { Metrics, MetricsOptions } from '../../exporter/metrics.ts';
import type { MetricsFeed } from '../../exporter/metrics-feed.ts';
import { createLog } from '../log.ts';
import type { ReloadSignals } from '../stop-signal.ts';

export interface RunSignals {
  /** Resolves with the name of the first signal to stop. */
  readonly stopped: Promise<string>;
  readonly reloads: ReloadSignals;
}

/** Something that goes on until it is stopped: a collector, or sampling for metrics alone. Either can take the other's place. */
interface Resident {
  readonly sampling: FormerSampling;
  /** How it has begun, for people. */
  readonly sentence: string;
  readonly data: Readonly<Record<string, string | number>>;
  /** What follows `stopping on SIGTERM`. */
  readonly lastWords: string;
  readonly feed: MetricsFeed;
  /** Settles when sampling has ended by itself or failed. */
  readonly ended: Promise<void>;
  /** Whether it can go on where its successor cannot begin. */
  readonly isAtWork: boolean;
  /** @returns whether all that was sampled is where it should be */
  close(): Promise<boolean>;
}

export interface ResidentWays {
  /** The configuration once more, after a signal to reload. */
  readonly load: () => Promise<LoadedConfig>;
  /** @param former whose place it takes */
  readonly begin: (config: Config, former: FormerSampling | undefined, tell: Tell) => Promise<Resident>;
  /** Undefined where nobody is served. */
  readonly metrics: (config: Config) => Promise<MetricsOptions | undefined>;
}

/**
 * Goes on until a signal to stop, and by another configuration after a signal to reload. Sets the exit code.
 */
export async function runUntilStopped(
  ways: ResidentWays,
  { config, warnings }: LoadedConfig,
  { stopped, reloads }: RunSignals,
): Promise<void> {
  let tell = logOf(config, warnings);
  const serving = createServing(ways, (notice) => {
    tell(notice);
  });
  await serving.prepare(config);
  const telling = toEach([
    (notice) => {
      tell(notice);
    },
    serving.hear,
  ]);
  let resident = await openedBefore(stopped, ways.begin(config, undefined, telling));
  if (resident === undefined) {
    tell({ level: 'info', code: 'run.stopping', sentence: 'stopping: the source had not opened yet' });
    await serving.close();
    return;
  }
  for (;;) {
    serving.show(resident.feed);
    tell({ level: 'info', code: 'run.started', sentence: resident.sentence, data: resident.data });
    const reloaded = nextConfig(ways, reloads, tell);
    const ended = resident.ended.then(() => undefined);
    const reason = await Promise.race([ended, stopped, reloaded]);
    if (typeof reason !== 'object') {
      const on = reason === undefined ? '' : ` on ${reason}`;
      tell({ level: 'info', code: 'run.stopping', sentence: `stopping${on}${resident.lastWords}` });
      await serving.close();
      if (!(await resident.close())) process.exitCode = EXIT_CODES.temporary;
      return;
    }
    const { why } = reason;
    ({ config, warnings } = reason.loaded);
    tell({ level: 'info', code: 'run.reloading', sentence: `${why}: changing to the new configuration` });
    tell = logOf(config, warnings);
    resident = await residentAfter(resident, ways, serving, { config, why, tell: telling });
  }
}

function logOf({ log: { format, level } }: Config, warnings: readonly string[]): Tell {
  const tell = createLog(format, level);
  for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
  return tell;
}

/** The resident by the new configuration; the former one when that cannot be begun. */
async function residentAfter(
  former: Resident,
  ways: ResidentWays,
  serving: Serving,
  { config, why, tell }: { readonly config: Config; readonly why: string; readonly tell: Tell },
): Promise<Resident> {
  try {
    await serving.prepare(config);
    return await ways.begin(config, former.sampling, tell);
  } catch (thrown) {
    serving.giveUp();
    if (!(thrown instanceof OperatingError) || !former.isAtWork) {
      await serving.close();
      await former.close();
      throw thrown;
    }
    tell({
      level: 'error',
      code: thrown.code,
      sentence: `${why}: nothing has changed: ${sentenceOf(thrown)}`,
    });
    return former;
  }
}

/** Metrics of a resident, whose code is loaded only where somebody wants to scrape it. */
interface Serving extends Pick<Metrics, 'show' | 'hear' | 'giveUp' | 'close'> {
  prepare(config: Config): Promise<void>;
}

function createServing({ metrics }: ResidentWays, tell: Tell): Serving {
  let open: Metrics | undefined;
  return {
    async prepare(config) {
      const options = await metrics(config);
      if (options === undefined) {
        await open?.close();
        open = undefined;
        return;
      }
      open ??= (await import('../../exporter/metrics.ts')).createMetrics(tell);
      await open.prepare(options);
    },
    show: (feed) => open?.show(feed),
    hear: (notice) => open?.hear(notice),
    giveUp: () => open?.giveUp(),
    close: async () => open?.close(),
  };
}

/** Undefined when the signal to stop came first and the source, which can hang, did not open soon after it. */
async function openedBefore<T>(stopped: Promise<unknown>, opening: Promise<T>): Promise<T | undefined> {
  const late = stopped.then(() => sleep(SAMPLER_PATIENCE_MS, undefined, { ref: false }));
  return await Promise.race([opening, late]);
}

/** A configuration to go on with, and what asked for it. */
interface Reload {
  readonly loaded: LoadedConfig;
  readonly why: string;
}

/** The configuration after the next wish that finds a sound one; until then the one at work stays. */
async function nextConfig({ load }: ResidentWays, reloads: ReloadSignals, tell: Tell): Promise<Reload> {
  for (;;) {
    const why = await reloads.next();
    try {
      return { loaded: await load(), why };
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const sentence = `${why}: the configuration stays as it was: ${sentenceOf(thrown)}`;
      tell({ level: 'error', code: thrown.code, sentence });
    }
  }
}
