import type { IdleLimit } from '../src/core/fields/idle-limits.ts';
import { IDLE_SM_RATIO } from '../src/core/fields/well-known.ts';

/** Columns of rollups and of `job_figures` that tell idleness by one limit. */
export interface IdleColumns {
  /** Time in which the device was idle. */
  readonly idleDt: string;
  /** The last sample that was not. */
  readonly lastActive: string;
  /**
   * Every version has had it, and NULL is no idle time. Others are 0 then, and NULL where nothing is known: in rows of before
   * there was the column.
   */
  readonly isOfAllVersions: boolean;
}

export function idleColumnsOf(limit: IdleLimit): IdleColumns {
  if (limit === IDLE_SM_RATIO)
    return { idleDt: 'idle_dt_us', lastActive: 'last_active_ts', isOfAllVersions: true };
  const percents = `${Math.round(limit * 100)}pct`;
  return {
    idleDt: `idle_${percents}_dt_us`,
    lastActive: `last_active_${percents}_ts`,
    isOfAllVersions: false,
  };
}
