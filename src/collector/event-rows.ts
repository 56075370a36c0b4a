import type { NoticeEvent, Tell } from '../core/base/notice.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { Outbox } from '../delivery/outbox.ts';

/** Hears notices and keeps their rows for `gpu_events`, each with the job that owned the device at the row's own time. */
export interface EventRows {
  readonly hear: Tell;
  /** Whose the devices were is known from now on: what was heard before is written too. Further calls change nothing. */
  open(node: string): void;
}

export function createEventRows(ownership: Pick<Ownership, 'labelAt'>, write: Outbox['events']): EventRows {
  /** Losses of former lives are found before the source is open, and its first events come before the job map. */
  const early: NoticeEvent[] = [];
  let ownNode: string | undefined;

  const put = (events: readonly NoticeEvent[], node: string): void => {
    if (events.length === 0) return;
    write(
      events.map((event) => ({
        ...event,
        node: event.node ?? node,
        jobId: event.gpu === undefined ? null : ownership.labelAt(event.gpu, event.tsUs).jobId,
      })),
    );
  };

  return {
    hear: ({ events = [] }) => {
      if (ownNode === undefined) early.push(...events);
      else put(events, ownNode);
    },
    open(node) {
      ownNode ??= node;
      put(early.splice(0), ownNode);
    },
  };
}
