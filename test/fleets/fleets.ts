import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import type { TestQuestdb } from '../helpers/questdb.ts';
import { ageMinutes, ageSamples, leftOf } from './age-out.ts';
import { checkCapacity, checkJobs, summaryOf, worldOf, type Found, type World } from './check-fleets.ts';
import { checkStore } from './check-store.ts';
import { drawFleet, type FleetLimits, type Naming } from './draw-fleet.ts';
import { loadFleets } from './load-fleets.ts';

/**
 * Goal: every field of every report is the true one, on fleets as they are. Method: fleets are drawn at random, go the real way
 * into a real QuestDB (ring, ownership session, labels, encoder, re-labels of late facts, rollups), and each report is held
 * against a truth that is worked out by straight loops over samples and stays, and shares no code with the product.
 *
 * Not yet drawn, or not yet compared, and nothing else:
 */
const LIMITS: FleetLimits = {
  lateUsMax: Infinity,
  // Activity in another lane since some day, or in two.
  isOneLane: true,
  // MIG instances by their slices, and their part of the energy of their GPUs.
  isUncut: true,
};
const NOT_YET: readonly { readonly why: string; readonly is: (found: Found) => boolean }[] = [
  {
    why: 'half a bar of 5 W, in words',
    is: ({ path }) => path === 'text: bars',
  },
  // Besides, in `expect-job.ts`: `dips`; a tail of which a part was not seen may be told of or not; gaps of an aged job of which buckets
  // are left out.
];

/** The little plot of a job of which only a part of the samples is left: the truth and the product cut its borders differently. */
const NOT_YET_AGED = [
  ...NOT_YET,
  { why: 'borders of the parts of a plot', is: ({ path }: Found) => /\.series\.\d+$/.test(path) },
];

const TABLE = 'gpu_main';

/** Tests of these seeds, in a store in which so many clusters are known. */
export function describeFleets(
  naming: Naming,
  seeds: { readonly from: number; readonly count: number },
  startServer: () => Promise<TestQuestdb>,
): void {
  describe(`${seeds.count} fleets drawn at random, ${naming} cluster${naming === 'one' ? '' : 's'}`, () => {
    let server: TestQuestdb;
    let db: QuestDb;
    let world: World;
    beforeAll(async () => {
      server = await startServer();
      db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
      const fleets = Array.from({ length: seeds.count }, (_, at) =>
        drawFleet(seeds.from + at, naming, LIMITS),
      );
      await loadFleets(db, fleets);
      world = worldOf(fleets);
    });
    afterAll(async () => {
      await db.close();
      await server.stop();
    });

    test('samples, minutes, hours, days and histograms say whose every microsecond was', async () => {
      expectNone(await checkStore(db, world));
    });

    test('every field of every job report is the true one, in JSON, CSV and text', async () => {
      const { found, reports } = await checkJobs(db, world);
      expect(reports).toBeGreaterThan(4 * seeds.count);
      expectNone(found);
    });

    test('every field of every capacity report is the true one, in JSON, CSV and text', async () => {
      const { found, reports } = await checkCapacity(db, world);
      expect(reports).toBe(4 * seeds.count);
      expectNone(found);
    });

    test('reports stay true when samples have aged out', async () => {
      await ageSamples(db, [TABLE]);
      expectNone((await checkJobs(db, world, await leftOf(db, TABLE))).found, NOT_YET_AGED);
      expectNone((await checkCapacity(db, world)).found);
    });

    test('reports stay true when minutes have aged out, too', async () => {
      await ageMinutes(db, [TABLE]);
      expectNone((await checkJobs(db, world, await leftOf(db, TABLE))).found, NOT_YET_AGED);
      expectNone((await checkCapacity(db, world)).found);
    });
  });
}

function expectNone(found: readonly Found[], notYet = NOT_YET): void {
  expect(summaryOf(found.filter((one) => !notYet.some(({ is }) => is(one))))).toEqual([]);
}
