import {
  accountOf,
  causeOf,
  clusterOf,
  CYCLE_HOURS,
  GPUS_PER_NODE,
  HOUR_US,
  hoursOf,
  isIdle,
  isSeen,
  jobOf,
  JOB_HOURS,
  joulesOf,
  modelOf,
  nodeName,
  stateOf,
  userOf,
  type Year,
} from './plan.ts';

export type YearName = 'account' | 'user' | 'cluster' | 'node' | 'model';

/** An hour of a device: in which part of a waterfall it is, and all by which it may be grouped. */
export interface TrueHour {
  readonly gpu: number;
  readonly kind: 'owned' | 'unowned' | 'unseen';
  readonly part: string;
  readonly us: number;
  readonly joules: number;
  readonly isIdle: boolean;
  readonly job: number | undefined;
  /** The job reaches from one month into the next: of which part it was idle at its beginning nobody knows. */
  readonly isOfTwoMonths: boolean;
  /** `YYYY-MM`. */
  readonly month: string;
  readonly names: Readonly<Partial<Record<YearName, string>>>;
}

const PART_OF = {
  ...{ idle_head: 'idleHead', idle_tail: 'idleTail', pause: 'idle', waiting: 'stalled' },
  ...{ low: 'low', effective: 'effective' },
} as const;

/** Tells each hour of each device, device by device, in the order of time. */
export function tellYear(year: Year, tell: (hour: TrueHour) => void): void {
  const months = Array.from({ length: hoursOf(year) }, (_, hour) =>
    new Date((year.startUs + hour * HOUR_US) / 1000).toISOString().slice(0, 7),
  );
  for (let gpu = 0; gpu < year.gpus; gpu += 1) {
    const node = Math.floor(gpu / GPUS_PER_NODE);
    const place = { cluster: clusterOf(node), node: nodeName(node), model: modelOf(node) };
    const joules = joulesOf(gpu);
    const lastSeen = lastSeenHour(gpu, year);
    for (const [hour, month] of months.entries()) {
      const [cycle, hourOfJob] = [Math.floor(hour / CYCLE_HOURS), hour % CYCLE_HOURS];
      const state = stateOf(node, cycle);
      const job = hourOfJob < JOB_HOURS ? jobOf(gpu, cycle, year) : undefined;
      const ofJob = { account: accountOf(gpu, cycle), user: userOf(gpu, cycle) };
      const from = cycle * CYCLE_HOURS;
      const isOfTwoMonths = months[from] !== months[Math.min(from + JOB_HOURS, months.length) - 1];
      const base = { gpu, month, us: HOUR_US, isOfTwoMonths };
      if (!isSeen(gpu, hour)) {
        // A job that nobody saw is one all the same.
        if (job !== undefined)
          tell({
            ...base,
            kind: 'owned',
            part: 'none',
            us: 0,
            joules: 0,
            isIdle: false,
            job,
            names: { ...place, ...ofJob },
          });
        const part = state === 'up' ? 'unseen' : state;
        // A device is known until its last sample.
        if (hour < lastSeen)
          tell({ ...base, kind: 'unseen', part, joules: 0, isIdle: false, job: undefined, names: place });
      } else if (job === undefined) {
        const part = state === 'drained' ? 'drained' : 'free';
        tell({ ...base, kind: 'unowned', part, joules, isIdle: false, job, names: place });
      } else {
        const part = PART_OF[causeOf(hourOfJob)];
        tell({
          ...base,
          kind: 'owned',
          part,
          joules,
          isIdle: isIdle(hourOfJob),
          job,
          names: { ...place, ...ofJob },
        });
      }
    }
  }
}

function lastSeenHour(gpu: number, year: Year): number {
  let hour = hoursOf(year) - 1;
  while (!isSeen(gpu, hour)) hour -= 1;
  return hour;
}
