import type { Device } from '../core/devices/device.ts';
import type { NoticeEvent, Tell } from '../core/base/notice.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { Outbox } from '../delivery/outbox.ts';

/** Where an event happened that does not say it itself. */
type Home = Pick<Device, 'cluster' | 'node'>;

/** Hears notices and keeps their rows for `gpu_events`, each with the job that owned the device at the row's own time. */
export interface EventRows {
  readonly hear: Tell;
  /** Whose the devices were is known from now on: what was heard before is written too. Further calls change nothing. */
  open(home: Home): void;
}

export function createEventRows(ownership: Pick<Ownership, 'labelAt'>, write: Outbox['events']): EventRows {
  /** Losses of former lives are found before the source is open, and its first events come before the job map. */
  const early: NoticeEvent[] = [];
  let home: Home | undefined;

  const put = (events: readonly NoticeEvent[], { cluster, node }: Home): void => {
    if (events.length === 0) return;
    write(
      events.map((event) => ({
        ...event,
        // The end is by a clock that was set back since.
        ...(event.endUs !== undefined && event.endUs < event.tsUs ? { endUs: event.tsUs } : {}),
        ...(cluster === undefined ? {} : { cluster }),
        node: event.node ?? node,
        jobId: event.gpu === undefined ? null : ownership.labelAt(event.gpu, event.tsUs).jobId,
      })),
    );
  };

  return {
    hear: ({ events = [] }) => {
      if (home === undefined) early.push(...events);
      else put(events, home);
    },
    open(of) {
      home ??= of;
      put(early.splice(0), home);
    },
  };
}
