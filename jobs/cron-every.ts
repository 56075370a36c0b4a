import { assert } from '../src/core/assert.ts';

/** The six cron fields of an interval that divides a minute or an hour evenly (the configuration allows no other). */
export function cronEvery(intervalMs: number): string {
  const seconds = intervalMs / 1000;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds < 60 && 60 % seconds === 0)
    return `*/${seconds} * * * * *`;
  const minutes = seconds / 60;
  assert(
    Number.isInteger(minutes) && minutes >= 1 && 60 % minutes === 0,
    `no cron schedule runs every ${intervalMs} ms`,
  );
  return minutes === 60 ? '0 0 * * * *' : `0 */${minutes} * * * *`;
}
