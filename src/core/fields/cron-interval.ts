/**
 * The six cron fields of an interval, or undefined where cron cannot repeat it evenly: only whole seconds that divide a
 * minute and whole minutes that divide an hour come back at even distances.
 */
export function cronOfInterval(intervalMs: number): string | undefined {
  const seconds = intervalMs / 1000;
  if (!Number.isInteger(seconds) || seconds < 1) return undefined;
  if (seconds < 60) return 60 % seconds === 0 ? `*/${seconds} * * * * *` : undefined;
  const minutes = seconds / 60;
  if (!Number.isInteger(minutes) || 60 % minutes !== 0) return undefined;
  return minutes === 60 ? '0 0 * * * *' : `0 */${minutes} * * * *`;
}
