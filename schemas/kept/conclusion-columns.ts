import { CAUSES, type Cause } from '../../src/core/analysis/causes.ts';

/** Columns of `job_figures` that say where the time of a run went on a device; NULL where that is not known. */
interface CauseColumns {
  /** Device time by the run's part, of MIG instances by slices; 0 where the cause took none. */
  readonly us: string;
  /** Undefined of a cause that cannot have energy: what was not seen. */
  readonly joules: string | undefined;
}

export function causeColumnsOf(cause: Cause): CauseColumns {
  const name = `cause_${cause.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
  return { us: `${name}_us`, joules: cause === 'notSeen' ? undefined : `${name}_joules` };
}

/** In the order of the table: what a report concludes from the samples, beside the sums. */
export const CONCLUSION_COLUMNS = [
  ...CAUSES.flatMap((cause) => {
    const { us, joules } = causeColumnsOf(cause);
    return [
      { name: us, type: 'LONG' as const },
      ...(joules === undefined ? [] : [{ name: joules, type: 'DOUBLE' as const }]),
    ];
  }),
  { name: 'waiting_least_us', type: 'LONG' },
  { name: 'waiting_most_us', type: 'LONG' },
  { name: 'causes_origin', type: 'SYMBOL' },
  { name: 'causes_cut', type: 'LONG' },
  { name: 'steps_none', type: 'SYMBOL' },
  { name: 'steps_interval_us', type: 'LONG' },
  { name: 'steps_period_us', type: 'DOUBLE' },
  { name: 'steps_period_min_us', type: 'DOUBLE' },
  { name: 'steps_period_max_us', type: 'DOUBLE' },
  { name: 'steps_drift_ratio', type: 'DOUBLE' },
  { name: 'steps_explained_ratio', type: 'DOUBLE' },
  { name: 'steps_windows_agreed', type: 'LONG' },
  { name: 'steps_windows', type: 'LONG' },
  { name: 'steps_active_us', type: 'DOUBLE' },
  { name: 'steps_joules', type: 'DOUBLE' },
  { name: 'steps_single_count', type: 'LONG' },
  { name: 'steps_single_p50_us', type: 'DOUBLE' },
  { name: 'steps_single_p95_us', type: 'DOUBLE' },
  { name: 'first_light_us', type: 'DOUBLE' },
  { name: 'drain_us', type: 'DOUBLE' },
  { name: 'findings', type: 'VARCHAR' },
] as const;
