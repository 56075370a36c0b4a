import { setTimeout as sleep } from 'node:timers/promises';
import type { Digesting } from '../collector/collection.ts';
import type { Config } from '../config/config.ts';
import { configuredCosts } from '../config/cost-rates.ts';
import { backoffMs, type Backoff } from '../core/base/backoff.ts';
import { OperatingError } from '../core/base/errors.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import { lastEndedMonth, monthName, type Month } from '../core/calendar/month.ts';
import type { Asked } from '../figures/query-cells.ts';

/** Nobody waits for it by the minute: four hours in all, at most. */
const BACKOFF: Backoff = { firstMs: 60_000, delayMsMax: 3_600_000 };
export const DIGEST_TRIES_MAX = 10;

type DigestConfig = Pick<Config, 'digest' | 'lanes' | 'idle' | 'timeZone' | 'costs'>;

/**
 * Writes and mails the digest of the last ended month, beside a collector.
 * @param wait for tests: by a clock that nobody sets
 * @returns undefined where nobody wants it
 */
export function digestBeside(
  db: Asked,
  config: DigestConfig,
  tell: Tell,
  wait: Attempts['wait'] = (ms, signal) => sleep(ms, undefined, { signal }),
): Digesting | undefined {
  const { schedule, directory } = config.digest;
  if (schedule === undefined || directory === undefined) return undefined;
  const closing = new AbortController();
  const { signal } = closing;
  const asked = untilAborted(db, signal);
  return {
    schedule,
    async digest() {
      try {
        await untilWritten(asked, { ...config, directory }, { signal, tell, wait });
      } catch (thrown) {
        // What is broken off at the end is no fault.
        if (!signal.aborted) throw thrown;
      }
    },
    close() {
      closing.abort();
    },
  };
}

interface Attempts {
  readonly signal: AbortSignal;
  readonly tell: Tell;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

async function untilWritten(
  db: Asked,
  config: DigestConfig & { readonly directory: string },
  { signal, tell, wait }: Attempts,
): Promise<void> {
  const faults = createFaultEpisode(tell, 'warn');
  const month = lastEndedMonth(Date.now() * 1000, config.timeZone);
  for (let tries = 1; ; tries += 1) {
    try {
      await digestOnce(db, config, month, { signal, tell });
      return;
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof OperatingError)) throw thrown;
      const what = `${thrown.message}: the digest of ${monthName(month)}`;
      if (tries === DIGEST_TRIES_MAX) {
        tell({ level: 'error', code: thrown.code, sentence: `${what} is given up after ${tries} tries` });
        return;
      }
      faults.fail(thrown, `${what} is tried again`);
    }
    await wait(backoffMs(tries, Math.random(), BACKOFF), signal);
  }
}

async function digestOnce(
  db: Asked,
  config: DigestConfig & { readonly directory: string },
  month: Month,
  { signal, tell }: Pick<Attempts, 'signal' | 'tell'>,
): Promise<void> {
  const { directory, digest } = config;
  // Reports and pages: a collector that writes no digest need not load them.
  const [{ writeDigest }, { mailDigest }] = await Promise.all([import('./digest.ts'), import('./mail.ts')]);
  const costs = configuredCosts(config)?.rates;
  const written = await writeDigest(db, config, { month, directory, nowUs: Date.now() * 1000, costs });
  if (digest.mailCommand !== undefined) await mailDigest(digest.mailCommand, written, { closing: signal });
  tell({
    level: 'info',
    code: 'digest.written',
    sentence: `the digest of ${written.month} is in ${directory}${digest.mailCommand === undefined ? '' : ', and mailed'}`,
  });
}

/** Asks nothing more once it is aborted, and waits for no answer: a collector that ends is not held up by a slow question. */
function untilAborted(db: Asked, signal: AbortSignal): Asked {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
  // Whoever asks hears of it; nobody may be asking.
  aborted.catch(() => undefined);
  return {
    where: db.where,
    exec: async (sql) => {
      signal.throwIfAborted();
      return await Promise.race([db.exec(sql), aborted]);
    },
  };
}
