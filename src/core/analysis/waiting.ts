import type { Moment } from './contexts.ts';

/** How much of the time in which its job worked a device waited for others: parts of that time. */
export interface Waiting {
  readonly least: number;
  readonly likely: number;
  readonly most: number;
}

/** Mean levels of a device in the time in which its job worked, 0 to 1. */
export interface WorkMeans {
  readonly sm: number;
  readonly engine: number;
}

/** SM activity of a kernel that waits: what it is found with, and how it is with different libraries. */
const WAIT_SM = { least: 0.05, likely: 0.12, most: 0.2 } as const;
/** Ranks that scatter within less than the time of a moment wait for each other unseen: part of the time. */
const UNSEEN_RATIO = 0.01;
const UNSEEN_RATIO_OF_MINUTES = 0.05;
const MINUTE_US = 60e6;
/** The highest moments show what a device does that waits for nobody. */
const WORK_SM_RANK = 0.9;
const DENOMINATOR_MIN = 0.1;

/**
 * A sample is a mean, so the time that a device waits, spinning with little of its SMs, lowers its activity against that of
 * the one that the others wait for, at any interval. In each moment that is the device with the highest activity. The truth lies
 * between what means of the whole time tell, with the most that SMs can do, and what the moments tell.
 * @param moments in which the job worked
 * @param devices two at least, those that work
 * @returns of each device, in their order
 */
export function waitingOf(moments: readonly Moment[], devices: readonly WorkMeans[]): Waiting[] {
  const known = moments.filter(({ smTop, engineTop }) => smTop >= 0 && engineTop > 0);
  const lengthUs = known.reduce((us, { fromUs, toUs }) => us + toUs - fromUs, 0);
  const mean = (read: (moment: Moment) => number): number =>
    known.reduce((sum, one) => sum + read(one) * (one.toUs - one.fromUs), 0) / lengthUs;
  const smTop = mean((moment) => moment.smTop);
  const smGap = smTop - mean((moment) => moment.smMean);
  const engineTop = mean((moment) => moment.engineTop);
  const engineGap = engineTop - mean((moment) => moment.engineMean);
  // While the engine runs: a moment may be made of work and rest.
  const workSm = rankOf(
    known.map(({ smMax, engineMax }) => smMax / engineMax),
    WORK_SM_RANK,
  );
  const middle = {
    sm: devices.reduce((sum, { sm }) => sum + sm, 0) / devices.length,
    engine: devices.reduce((sum, { engine }) => sum + engine, 0) / devices.length,
  };
  const highest = devices.reduce((top, device) => (device.sm > top.sm ? device : top));
  const part = (gap: number, spread: number): number =>
    Math.min(1, Math.max(0, gap) / Math.max(DENOMINATOR_MIN, spread)) || 0;
  const isByMinutes = lengthUs / known.length >= MINUTE_US;
  return devices.map(({ sm, engine }) => {
    // What it lacks since its engine ran less is no waiting.
    const seen = smGap + middle.sm - sm - (smTop / engineTop) * (engineGap + middle.engine - engine);
    const lasting = highest.sm - sm - (highest.sm / highest.engine) * (highest.engine - engine);
    const likely = part(seen, workSm - WAIT_SM.likely);
    return {
      least: Math.min(likely, part(lasting, 1 - WAIT_SM.least)),
      likely,
      most: Math.min(
        1,
        part(seen, workSm - WAIT_SM.most) + (isByMinutes ? UNSEEN_RATIO_OF_MINUTES : UNSEEN_RATIO),
      ),
    };
  });
}

function rankOf(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(rank * sorted.length))] ?? NaN;
}
