/** Twenty restarts of eight GPUs at 100 ms, in order and by a kill, on a busy library, with a store that goes away: a minute of samples. */
import { expect, inject, test } from 'vitest';
import { buildFake } from '../helpers/fakes.ts';
import { expectAddedUp, playLives, sumsOf, type PlannedLife, type Restarts } from '../helpers/restarts.ts';

const LIVES = 21;
const PAUSED = [6, 13];

test('every microsecond is seen or told, and every joule is in one row', async () => {
  const lives = Array.from({ length: LIVES }, (_, life): PlannedLife => ({
    signal: life % 2 === 1 ? 'SIGKILL' : 'SIGTERM',
    isStoreAway: life % 5 === 3,
    pauseMs: PAUSED.includes(life) ? 3_000 : 0,
  }));
  const plan: Restarts = {
    ...{ conf: inject('questdbConf'), lane: 'restart_soak', intervalMs: 100, source: 'dcgm' },
    // Some fields come late in the pass of the engine: they are not due at every tick.
    env: { GPULEDGER_DCGM_LIBRARY: buildFake('dcgm'), GPULEDGER_FAKE: 'call_us=100,busy_us=60000' },
    ...{ ticksPerLife: 30, lives },
  };
  await playLives(plan);
  const sums = await sumsOf(plan);
  expectAddedUp(sums, 8);
  for (const { rows, gaps } of sums) {
    expect(gaps).toBeGreaterThanOrEqual(LIVES - 1);
    expect(rows).toBeGreaterThanOrEqual(LIVES * 30);
  }
});
