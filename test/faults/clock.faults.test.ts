/** A clock that is set, a machine that sleeps, a process that is stopped for a while: samples go on to the store all the while. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { buildFake } from '../helpers/fakes.ts';
import { writeJournalStart } from '../helpers/journal-start.ts';
import {
  countRows,
  createPlace,
  expectEachRowOnce,
  startResident,
  withStore,
  type Place,
  type Resident,
} from '../helpers/resident.ts';
import { createSettableClock, type SettableClock } from '../helpers/set-clock.ts';

const HOUR_S = 3_600;
const DAY_S = 86_400;
/** Of four GPUs at 100 ms, with a flush a second: several flushes. */
const ROWS_OF_FLUSHES = 160;
/** Times longer than any flush on any machine; a collector that waits for its clock takes longer, or for ever. */
const PATIENCE_MS = 120_000;
const STOPPED_MS = 3_000;

interface Upset {
  readonly name: string;
  /** Does it, and what there is to undo. */
  readonly act: (clock: SettableClock, resident: Resident) => Promise<void> | void;
  /** How often the clock was set, as the collector has to tell. */
  readonly steps: number;
}

const set = (name: string, offsetS: number): Upset => ({
  name: `the clock is set ${name}, and right again`,
  act: (clock) => {
    clock.set(offsetS);
  },
  steps: 2,
});

/** The monotonic clock stands still in a suspend, and the wall clock has gone on at its end. */
const suspend: Upset = {
  name: 'the machine sleeps for ten minutes',
  act: async (clock, { child }) => {
    child.kill('SIGSTOP');
    await sleep(200);
    clock.set(600);
    child.kill('SIGCONT');
  },
  steps: 2,
};
const stop: Upset = {
  name: `the process is stopped for ${STOPPED_MS / 1000} s`,
  act: async (_, { child }) => {
    child.kill('SIGSTOP');
    await sleep(STOPPED_MS);
    child.kill('SIGCONT');
  },
  steps: 0,
};

/** @returns the longest time between two looks that saw more rows, ms */
async function seeRowsCome(conf: string, { table }: Place, rows: number): Promise<number> {
  return await withStore(conf, async (db) => {
    const untilRows = (await countRows(db, table)) + rows;
    let [seen, seenMs, pauseMs] = [-1, performance.now(), 0];
    const startMs = performance.now();
    while (seen < untilRows) {
      const count = await countRows(db, table);
      const nowMs = performance.now();
      if (count > seen) {
        if (seen >= 0) pauseMs = Math.max(pauseMs, nowMs - seenMs);
        [seen, seenMs] = [count, nowMs];
      }
      expect(nowMs - startMs, `${count} of ${untilRows} rows came`).toBeLessThan(PATIENCE_MS);
      await sleep(50);
    }
    return pauseMs;
  });
}

/** A job has two of the GPUs all the time. */
function placeWithJob(yaml: string): Place {
  const journal = join(createPlace('').directory, 'jobs');
  mkdirSync(journal);
  writeJournalStart(journal, { job: 'resident', devices: '0,1' }, 60);
  return createPlace(`${yaml}\njobs: { journal_dir: ${journal} }`);
}

async function play(
  place: Place,
  { name, act, steps }: Upset,
  env: Record<string, string> = {},
): Promise<void> {
  const conf = inject('questdbConf');
  const clock = createSettableClock(place.directory);
  const resident = startResident(place, conf, { ...clock.env, ...env });
  await seeRowsCome(conf, place, ROWS_OF_FLUSHES);
  await act(clock, resident);
  const pauseMs = await seeRowsCome(conf, place, ROWS_OF_FLUSHES);
  clock.set(0);
  const backPauseMs = await seeRowsCome(conf, place, ROWS_OF_FLUSHES);
  const askedMs = performance.now();
  resident.child.kill('SIGTERM');
  await resident.logged('run.stopping');
  const heardMs = performance.now() - askedMs;
  expect(await resident.ended).toEqual([0, null]);
  await expectEachRowOnce(conf, place);
  await withStore(conf, async (db) => {
    const { rows } = await db.exec(
      `SELECT count() FROM gpu_events WHERE node = '${place.node}' AND kind = 'clock_step'`,
    );
    expect(rows).toEqual([[steps]]);
  });
  process.stdout.write(
    `${name}: rows paused for ${pauseMs.toFixed(0)} and ${backPauseMs.toFixed(0)} ms at most (a flush each 1000 ms), SIGTERM was heard after ${heardMs.toFixed(0)} ms\n`,
  );
}

test.each([
  set('an hour back', -HOUR_S),
  set('an hour ahead', HOUR_S),
  set('20 days ahead', 20 * DAY_S),
  set('a year ahead', 365 * DAY_S),
  suspend,
  stop,
])('$name: nothing waits for it, nothing is lost, doubled or mislabelled', async (upset) => {
  await play(placeWithJob('source: synthetic\nsynthetic: { gpus: 4 }'), upset);
});

test.each(['dcgm', 'nvml'] as const)('on %s, too', async (source) => {
  const place = placeWithJob(`source: ${source}`);
  const library = source === 'dcgm' ? 'GPULEDGER_DCGM_LIBRARY' : 'GPULEDGER_NVML_LIBRARY';
  const env = { [library]: buildFake(source), GPULEDGER_FAKE: 'gpus=4' };
  await play(place, set('an hour back', -HOUR_S), env);
});
