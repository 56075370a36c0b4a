/** Who owned a device at the time of a sample, as the sample's own columns say it. */
export interface Label {
  /** The sole owner; null when nobody or more than one job owned the device (`owners` tells which). */
  readonly jobId: string | null;
  /** Number of jobs that owned the device at that time. */
  readonly owners: number;
}

export const UNOWNED: Label = { jobId: null, owners: 0 };

/** Stands as job id where a fact says that somebody owned the device but not, beyond doubt, who. */
export const UNRESOLVED_JOB_ID = 'unresolved';
