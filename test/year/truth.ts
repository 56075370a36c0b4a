import {
  accountOf,
  causeOf,
  clusterOf,
  CYCLE_HOURS,
  HOUR_US,
  hoursOf,
  INSTANCES,
  isCut,
  isIdle,
  isSeen,
  jobOf,
  JOB_HOURS,
  joulesOf,
  LEFT_PART,
  modelOf,
  nodeName,
  nodeOf,
  stateOf,
  userOf,
  type Year,
} from './plan.ts';

export type YearName = 'account' | 'user' | 'cluster' | 'node' | 'model';

/** An hour of a device, or of a part of it where it is cut: in which part of a waterfall it is, and all by which it may be grouped. */
export interface TrueHour {
  readonly gpu: number;
  readonly kind: 'owned' | 'unowned' | 'unallocated' | 'unseen';
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
    const node = nodeOf(gpu);
    const place = { cluster: clusterOf(node), node: nodeName(node), model: modelOf(node) };
    // What has jobs; of a GPU that is cut also what has none, and what is left of it.
    const [own, idle, left] = isCut(gpu) ? [INSTANCES[0].part, INSTANCES[1].part, LEFT_PART] : [1, 0, 0];
    const lastSeen = lastSeenHour(gpu, year);
    for (const [hour, month] of months.entries()) {
      const [cycle, hourOfJob] = [Math.floor(hour / CYCLE_HOURS), hour % CYCLE_HOURS];
      const state = stateOf(node, cycle);
      const job = hourOfJob < JOB_HOURS ? jobOf(gpu, cycle, year) : undefined;
      const ofJob = { account: accountOf(gpu, cycle), user: userOf(gpu, cycle) };
      const from = cycle * CYCLE_HOURS;
      const isOfTwoMonths = months[from] !== months[Math.min(from + JOB_HOURS, months.length) - 1];
      const of = (part: number): Pick<TrueHour, 'us' | 'joules'> => ({
        us: HOUR_US * part,
        joules: joulesOf(gpu) * part,
      });
      const base = { gpu, month, isOfTwoMonths, isIdle: false, job: undefined, names: place };
      const owned = { kind: 'owned', job, names: { ...place, ...ofJob } } as const;
      if (!isSeen(gpu, hour)) {
        // A job that nobody saw is one all the same.
        if (job !== undefined) tell({ ...base, ...owned, ...of(0), part: 'none' });
        const part = state === 'up' ? 'unseen' : state;
        // A device is known until its last sample.
        if (hour < lastSeen) tell({ ...base, ...of(1), kind: 'unseen', part, joules: 0 });
        continue;
      }
      const free = { ...base, kind: 'unowned', part: state === 'drained' ? 'drained' : 'free' } as const;
      if (job === undefined) tell({ ...free, ...of(own) });
      else
        tell({
          ...{ ...base, ...owned, ...of(own) },
          part: PART_OF[causeOf(hourOfJob)],
          isIdle: isIdle(hourOfJob),
        });
      if (idle > 0) tell({ ...free, ...of(idle) });
      if (left > 0) tell({ ...base, ...of(left), kind: 'unallocated', part: 'partlyFree' });
    }
  }
}

function lastSeenHour(gpu: number, year: Year): number {
  let hour = hoursOf(year) - 1;
  while (!isSeen(gpu, hour)) hour -= 1;
  return hour;
}
