import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../schemas/config/config.ts';
import { EXIT_CODES, OperatingError } from '../core/base/errors.ts';
import type { Log } from '../core/base/log-entry.ts';
import type { LoadedConfig } from '../config/config-file.ts';
import { SAMPLER_PATIENCE_MS, startCollection, type Collection } from './collection.ts';
import { configFrom } from './config-flags.ts';
import { createLog } from './log.ts';
import type { ReloadSignals } from './stop-signal.ts';

export interface RunSignals {
  /** Resolves with the name of the first signal to stop. */
  readonly stopped: Promise<string>;
  readonly reloads: ReloadSignals;
}

/**
 * Collects until a signal to stop, and goes on by another configuration after a signal to reload. Sets the exit code.
 * @param options of the command line, read again with the configuration
 */
export async function runUntilStopped(
  options: Readonly<Record<string, unknown>>,
  { config, warnings }: LoadedConfig,
  { stopped, reloads }: RunSignals,
): Promise<void> {
  let log = logOf(config, warnings);
  let collection = await openedBefore(stopped, startCollection(config, { kind: 'real' }, false, log));
  if (collection === undefined) {
    log({ level: 'info', event: 'run.stopping', text: 'stopping: the source had not opened yet' });
    return;
  }
  for (;;) {
    tellStart(collection, log);
    const reloaded = nextConfig(options, reloads, log);
    const ended = collection.collector.ended.then(() => undefined);
    const reason = await Promise.race([ended, stopped, reloaded]);
    if (typeof reason !== 'object') {
      const text = `stopping${reason === undefined ? '' : ` on ${reason}`}: writing what is held`;
      log({ level: 'info', event: 'run.stopping', text });
      if (!(await collection.close())) process.exitCode = EXIT_CODES.temporary;
      return;
    }
    ({ config, warnings } = reason);
    log({ level: 'info', event: 'run.reloading', text: 'SIGHUP: going on with the new configuration' });
    log = logOf(config, warnings);
    collection = await collectionAfter(collection, config, log);
  }
}

function logOf({ log: { format, level } }: Config, warnings: readonly string[]): Log {
  const log = createLog(format, level);
  for (const text of warnings) log({ level: 'warn', event: 'config.warning', text });
  return log;
}

/** The collection by the new configuration; the former one when that cannot be begun. */
async function collectionAfter(former: Collection, config: Config, log: Log): Promise<Collection> {
  try {
    return await startCollection(config, { kind: 'real' }, false, log, former);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || !former.isAtWork) {
      await former.close();
      throw thrown;
    }
    log({ level: 'error', event: thrown.code, text: `SIGHUP: nothing has changed: ${thrown.message}` });
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

function tellStart({ collector, db }: Collection, log: Log): void {
  const lanes = collector.lanes.map(
    (lane) => `${lane.name} ${lane.schedule === 'continuous' ? `${lane.intervalMs} ms` : lane.schedule}`,
  );
  log({
    level: 'info',
    event: 'run.started',
    text: `${collector.description}: ${collector.devices.length} devices, lanes ${lanes.join(', ')}, to ${db.where}`,
    data: { source: collector.source, devices: collector.devices.length },
  });
}

/** The configuration after the next SIGHUP that finds a sound one; until then the one at work stays. */
async function nextConfig(
  options: Readonly<Record<string, unknown>>,
  reloads: ReloadSignals,
  log: Log,
): Promise<LoadedConfig> {
  for (;;) {
    await reloads.next();
    try {
      return await configFrom(options);
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const text = `SIGHUP: the configuration stays as it was: ${thrown.message}`;
      log({ level: 'error', event: thrown.code, text });
    }
  }
}
