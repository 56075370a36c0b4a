/** A day of ticks at virtual speed: nothing grows, and 20 deaths of the engine are survived. */
import { expect, it } from 'vitest';
import { buildFake } from '../../helpers/fakes.ts';
import { ROOT, runToEnd } from '../../helpers/run-process.ts';

interface LongRun {
  readonly rssByHour: readonly number[];
  readonly threads: readonly [number, number];
  readonly descriptors: readonly [number, number];
  readonly rows: number;
  readonly events: Readonly<Record<string, number>>;
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

it.each([
  ['embedded', 24 * 3600 * 8],
  ['engine', (24 * 3600 - 20 * 60) * 8],
])('holds no more after a day than in the morning (%s)', async (route, rows) => {
  buildFake('dcgm');
  const { exitCode, stdout, stderr } = await runToEnd(process.execPath, [
    `${ROOT}test/helpers/long-run.ts`,
    route,
  ]);
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  const run = JSON.parse(stdout) as LongRun;
  expect(Math.abs(run.rows - rows) / rows).toBeLessThan(0.01);
  const growthBytes = mean(run.rssByHour.slice(18)) - mean(run.rssByHour.slice(6, 12));
  expect(growthBytes).toBeLessThan(10e6);
  expect(run.threads[1]).toBe(run.threads[0]);
  expect(run.descriptors[1]).toBe(run.descriptors[0]);
  if (route === 'engine') {
    expect(run.events['engine_lost']).toBe(20);
    expect(run.events['engine_found']).toBe(20);
    expect(run.events['gap']).toBe(20 * 8);
  }
});
