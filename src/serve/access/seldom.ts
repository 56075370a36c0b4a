import type { Tell } from '../../core/base/notice.ts';

/** No more often than that the log tells of those who try. */
const TELL_MS = 10_000;

/** What strangers cause must not fill the log. @param nowMs monotonic */
export function seldom(tell: Tell, nowMs: () => number): Tell {
  const toldMs = new Map<string, number>();
  return (notice) => {
    if (nowMs() - (toldMs.get(notice.code) ?? -Infinity) < TELL_MS) return;
    toldMs.set(notice.code, nowMs());
    tell(notice);
  };
}
