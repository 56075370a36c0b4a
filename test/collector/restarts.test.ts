/** A collector that ends and begins again goes on where it was: no time and no energy is lost or counted twice. */
import { expect, inject, onTestFinished, test } from 'vitest';
import { createFakeEngines } from '../helpers/fake-engines.ts';
import { buildFake } from '../helpers/fakes.ts';
import { expectAddedUp, playLives, sumsOf, type Restarts } from '../helpers/restarts.ts';

const LIVES = [
  { signal: 'SIGTERM' },
  { signal: 'SIGKILL' },
  { signal: 'SIGKILL', isStoreAway: true },
  { signal: 'SIGTERM' },
] as const;

test.each([
  { source: 'dcgm', intervalMs: 100 },
  { source: 'nvml', intervalMs: 100 },
  // Slow enough that a restart leaves no gap.
  { source: 'dcgm', intervalMs: 5_000 },
] as const)('$source every $intervalMs ms', async ({ source, intervalMs }) => {
  const library = source === 'dcgm' ? 'GPULEDGER_DCGM_LIBRARY' : 'GPULEDGER_NVML_LIBRARY';
  const plan: Restarts = {
    ...{ conf: inject('questdbConf'), lane: `restart_${source}_${intervalMs}`, intervalMs, source },
    env: { [library]: buildFake(source), GPULEDGER_FAKE: 'gpus=2' },
    ticksPerLife: intervalMs < 1_000 ? 8 : 1,
    lives: LIVES,
  };
  await playLives(plan);
  const sums = await sumsOf(plan);
  expectAddedUp(sums, 2);
  const gaps = intervalMs < 1_000 ? LIVES.length - 1 : 0;
  for (const each of sums) expect(each.gaps).toBeGreaterThanOrEqual(gaps);
});

test.each([
  ['localhost:5555', 'tcp', 100],
  ['unix:///run/engine', 'unix', 100],
  ['unix:///run/engine', 'unix', 1_000],
  ['localhost:5555', 'tcp', 1_000],
] as const)('an engine that goes on meanwhile (%s, %s, every %i ms)', async (engine, route, intervalMs) => {
  const engines = createFakeEngines();
  onTestFinished(() => {
    engines.close();
  });
  engines.start(engine, { gpus: 2 });
  const plan: Restarts = {
    ...{
      conf: inject('questdbConf'),
      lane: `restart_${route}_${intervalMs}`,
      intervalMs,
      source: 'dcgm',
      engine,
    },
    env: engines.env,
    ticksPerLife: intervalMs < 1_000 ? 8 : 2,
    lives: LIVES,
  };
  await playLives(plan);
  const sums = await sumsOf(plan);
  expectAddedUp(sums, 2);
  // It kept what nobody fetched while nobody ran.
  for (const each of sums) expect(each.gaps).toBe(0);
});
