import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { EXIT_CODES, OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { LoadedConfig } from '../config/config-file.ts';
import { cronScheduling } from '../../jobs/scheduling.ts';
import { startCollection, type Collection, type CollectionOptions } from '../collector/collection.ts';
import { SAMPLER_PATIENCE_MS } from '../collector/shut-down.ts';
import { digestBeside } from '../digest/resident.ts';
import { watchIdleBeside } from '../idle-watch/resident.ts';
import { pollClusterBeside } from '../job-map/cluster-polling.ts';
import { configFrom } from './config-flags.ts';
import { createLog } from './log.ts';
import type { ReloadSignals } from './stop-signal.ts';

export interface RunSignals {
  /** Resolves with the name of the first signal to stop. */
  readonly stopped: Promise<string>;
  readonly reloads: ReloadSignals;
}

const RESIDENT = {
  clock: { kind: 'real' },
  scheduling: cronScheduling,
  watchIdle: watchIdleBeside,
  pollCluster: pollClusterBeside,
  writeDigests: digestBeside,
  isStoreNeeded: false,
} as const;

/**
 * Collects until a signal to stop, and goes on by another configuration after a signal to reload. Sets the exit code.
 * @param options of the command line, read again with the configuration
 */
export async function runUntilStopped(
  options: Readonly<Record<string, unknown>>,
  { config, warnings }: LoadedConfig,
  { stopped, reloads }: RunSignals,
): Promise<void> {
  let tell = logOf(config, warnings);
  const resident = { ...RESIDENT, isForced: options['force'] === true };
  let collection = await openedBefore(stopped, startCollection({ ...resident, config, tell }));
  if (collection === undefined) {
    tell({ level: 'info', code: 'run.stopping', sentence: 'stopping: the source had not opened yet' });
    return;
  }
  for (;;) {
    tellStart(collection, tell);
    const reloaded = nextConfig(options, reloads, tell);
    const ended = collection.collector.ended.then(() => undefined);
    const reason = await Promise.race([ended, stopped, reloaded]);
    if (typeof reason !== 'object') {
      const sentence = `stopping${reason === undefined ? '' : ` on ${reason}`}: writing what is held`;
      tell({ level: 'info', code: 'run.stopping', sentence });
      if (!(await collection.close())) process.exitCode = EXIT_CODES.temporary;
      return;
    }
    ({ config, warnings } = reason);
    tell({ level: 'info', code: 'run.reloading', sentence: 'SIGHUP: going on with the new configuration' });
    tell = logOf(config, warnings);
    collection = await collectionAfter(collection, { ...resident, config, tell });
  }
}

function logOf({ log: { format, level } }: Config, warnings: readonly string[]): Tell {
  const tell = createLog(format, level);
  for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
  return tell;
}

/** The collection by the new configuration; the former one when that cannot be begun. */
async function collectionAfter(former: Collection, options: CollectionOptions): Promise<Collection> {
  try {
    return await startCollection({ ...options, former });
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || !former.isAtWork) {
      await former.close();
      throw thrown;
    }
    options.tell({
      level: 'error',
      code: thrown.code,
      sentence: `SIGHUP: nothing has changed: ${thrown.message}`,
    });
    return former;
  }
}

/** Undefined when the signal to stop came first and the source, which can hang, did not open soon after it. */
async function openedBefore(
  stopped: Promise<unknown>,
  opening: Promise<Collection>,
): Promise<Collection | undefined> {
  const late = stopped.then(() => sleep(SAMPLER_PATIENCE_MS, undefined, { ref: false }));
  return await Promise.race([opening, late]);
}

function tellStart({ collector, db }: Collection, tell: Tell): void {
  const lanes = collector.lanes.map(
    (lane) => `${lane.name} ${lane.schedule === 'continuous' ? `${lane.intervalMs} ms` : lane.schedule}`,
  );
  tell({
    level: 'info',
    code: 'run.started',
    sentence: `${collector.description}: ${collector.devices.length} devices, lanes ${lanes.join(', ')}, to ${db.where} (${collector.lanes.map(({ table }) => table).join(', ')})`,
    data: { source: collector.source, devices: collector.devices.length },
  });
}

/** The configuration after the next SIGHUP that finds a sound one; until then the one at work stays. */
async function nextConfig(
  options: Readonly<Record<string, unknown>>,
  reloads: ReloadSignals,
  tell: Tell,
): Promise<LoadedConfig> {
  for (;;) {
    await reloads.next();
    try {
      return await configFrom(options);
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const sentence = `SIGHUP: the configuration stays as it was: ${thrown.message}`;
      tell({ level: 'error', code: thrown.code, sentence });
    }
  }
}
