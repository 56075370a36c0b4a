/** A day of ticks at virtual speed: nothing grows, and 20 reloads of the driver are survived. */
import { expect, it } from 'vitest';
import { buildFake } from '../../helpers/fakes.ts';
import { ROOT, runToEnd } from '../../helpers/run-process.ts';

interface LongRun {
  readonly rssByHour: readonly number[];
  readonly atFirst: object;
  readonly atLast: object;
  readonly left: readonly number[];
  readonly rows: number;
  readonly events: Readonly<Record<string, number>>;
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

it('NVML holds no more after a day than in the morning', async () => {
  buildFake('nvml');
  const { exitCode, stdout, stderr } = await runToEnd(process.execPath, [
    `${ROOT}test/helpers/nvml-long-run.ts`,
  ]);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  const run = JSON.parse(stdout) as LongRun;
  const growthBytes = mean(run.rssByHour.slice(18)) - mean(run.rssByHour.slice(6, 12));
  expect(growthBytes).toBeLessThan(10e6);
  expect(run.atLast).toEqual(run.atFirst);
  expect(run.left).toEqual([0, 0, 0, 0]);
  // Searches come after 0, 5, 15, 35 and 75 s: of each minute without a driver, 75 or 76 s are missing.
  const missing = 24 * 3600 * 8 - run.rows;
  expect(missing).toBe(20 * 8 * 76);
  expect(run.events).toEqual({ engine_lost: 160, engine_found: 160, gap: 160 });
});
