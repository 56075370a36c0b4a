import type { IdleJob, IdleWatchFigures } from '../figures/idle/figures.ts';
import { idleLimitsOf } from './json.ts';
import { rollupText } from './text/wording.ts';

/** Which running jobs idle, as JSON: times and durations in µs, what is not known left out. */
export function idleWatchJson(figures: IdleWatchFigures): string {
  const { idle, partlyIdle, working, idleLimits, invalidRollups, ...rest } = figures;
  return `${JSON.stringify(
    {
      ...rest,
      idleLimits: idleLimitsOf(idleLimits),
      working: working.length,
      idle: idle.map(idleJobJson),
      partlyIdle: partlyIdle.map(idleJobJson),
      invalidRollups: invalidRollups.length === 0 ? undefined : invalidRollups.map(rollupText),
    },
    undefined,
    2,
  )}\n`;
}

/** One job with the devices that idle. */
export function idleJobJson(job: IdleJob): object {
  const { sinceUs, untilUs, isAtLeast, idle, ...rest } = job;
  return {
    ...rest,
    sinceUs,
    untilUs,
    idleUs: untilUs - sinceUs,
    isAtLeast: isAtLeast ? true : undefined,
    idle: idle.map((device) => ({ ...device, isAtLeast: device.isAtLeast ? true : undefined })),
  };
}
