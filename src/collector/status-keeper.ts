import type { Status } from '../../schemas/status.ts';
import { OperatingError } from '../core/base/errors.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import { statusPath, writeStatus } from '../disk/status-file.ts';
import type { Collector } from './collector.ts';

/** What the collector was and cost when it was last asked. */
type OwnUse = Pick<Status, 'cpuRatio' | 'rssBytes'>;

/** Writes the status of a collector, for `gpuledger status` and `gpuledger profiling status`. */
export interface StatusKeeper {
  /** Hears whether the source refused a pause; whoever asked for it wants to know at once. */
  readonly hear: Tell;
  /** One that cannot be written is told once, and is no reason to stop. */
  write(collector: Collector, own: OwnUse): void;
}

/** @param of what stays the same for the life of the collector */
export function createStatusKeeper(
  stateDir: string,
  of: Pick<Status, 'startMs' | 'store'>,
  tell: Tell,
): StatusKeeper {
  let pauseRefusal: Status['pauseRefusal'];
  const fault = createFaultEpisode(tell, 'warn');
  let last: { readonly collector: Collector; readonly own: OwnUse } | undefined;

  const write = (collector: Collector, own: OwnUse): void => {
    const { description, devices, source } = collector;
    try {
      writeStatus(statusPath(stateDir), {
        ...of,
        ...own,
        pid: process.pid,
        atMs: Date.now(),
        node: devices[0]!.node,
        source,
        description,
        deviceCount: devices.length,
        lanes: [...collector.account()],
        ...(pauseRefusal === undefined ? {} : { pauseRefusal }),
      });
      fault.end();
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      fault.fail(thrown, thrown.message);
    }
  };

  return {
    hear: ({ events = [] }) => {
      for (const { kind, tsUs, text } of events) {
        if (kind !== 'pause_refused' && kind !== 'paused') continue;
        pauseRefusal = kind === 'paused' ? undefined : { atMs: tsUs / 1000, text };
        if (last !== undefined) write(last.collector, last.own);
      }
    },
    write(collector, own) {
      last = { collector, own };
      write(collector, own);
    },
  };
}
