/** Who owned a device at the time of a sample, as the sample's own columns say it. */
export interface Label {
  /** The sole owner; null when nobody or more than one job owned the device (`owners` tells which). */
  readonly jobId: string | null;
  /** Number of jobs that owned the device at that time. */
  readonly owners: number;
  /**
   * Of several owners, or of one who has only a part of the device: the id of the set, by which `gpu_owner_sets` tells who has
   * which part. Decimal digits of a whole number in [0, 2^63).
   */
  readonly ownerSet: string | null;
}

export const UNOWNED: Label = { jobId: null, owners: 0, ownerSet: null };

/** The label of a job that has all of a device. */
export function soleLabel(jobId: string): Label {
  return { jobId, owners: 1, ownerSet: null };
}

/** Stands as job id where a fact says that somebody owned the device but not, beyond doubt, who. */
export const UNRESOLVED_JOB_ID = 'unresolved';
