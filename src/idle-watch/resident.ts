import type { Device } from '../core/devices/device.ts';
import { OperatingError } from '../core/base/errors.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import type { IdleWatching } from '../collector/collection.ts';
import type { Asked } from '../figures/query-cells.ts';
import { createIdleWatch, isIdleWatched, type IdleWatchSettings } from './watch.ts';

/**
 * Each node tells of the jobs whose first device it has.
 * @param devices of the node
 * @returns undefined where nobody wants to be told
 */
export function watchIdleBeside(
  db: Asked,
  config: Omit<IdleWatchSettings, 'by' | 'gpus'>,
  devices: readonly Pick<Device, 'uuid'>[],
  tell: Tell,
): IdleWatching | undefined {
  if (!isIdleWatched(config)) return undefined;
  return createIdleWatching(db, { ...config, gpus: devices.map(({ uuid }) => uuid), by: 'run' }, tell);
}

function createIdleWatching(db: Asked, settings: IdleWatchSettings, tell: Tell): IdleWatching {
  const watch = createIdleWatch(db, settings, tell);
  const faults = createFaultEpisode(tell, 'warn');
  let isClosed = false;
  return {
    async look() {
      try {
        await watch.look();
        faults.end();
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        // A store that is left is no fault.
        if (!isClosed) faults.fail(thrown, `${thrown.message}: nobody can tell which jobs idle`);
      }
    },
    async close() {
      isClosed = true;
      await watch.close();
    },
  };
}
