import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import type { TestQuestdb } from '../helpers/questdb.ts';
import { ageMinutes, ageSamples, leftOf } from './age-out.ts';
import {
  checkCapacity,
  checkJobs,
  leftTexts,
  summaryOf,
  worldOf,
  type Found,
  type World,
} from './check-fleets.ts';
import { checkStore } from './check-store.ts';
import { drawFleet, type Naming } from './draw/draw-fleet.ts';
import { loadFleets } from './load-fleets.ts';

/**
 * Goal: every field of every report is the true one, on fleets as they are. Method: fleets are drawn at random, go the real way
 * into a real QuestDB (ring, ownership session, labels, encoder, re-labels of late facts, rollups), and each report is held
 * against a truth that is worked out by straight loops over samples and stays, and shares no code with the product.
 * What is not compared in a report is counted, and said why, in the output of the test.
 */
const TABLE = 'gpu_main';

/** Tests of these seeds, in a store in which so many clusters are known. */
export function describeFleets(
  naming: Naming,
  seeds: { readonly from: number; readonly count: number },
  startServer: () => Promise<TestQuestdb>,
): void {
  describe(`${seeds.count} fleets drawn at random from seed ${seeds.from} on, ${naming} cluster${naming === 'one' ? '' : 's'}`, () => {
    let server: TestQuestdb;
    let db: QuestDb;
    let world: World;
    beforeAll(async () => {
      server = await startServer();
      db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
      const fleets = Array.from({ length: seeds.count }, (_, at) => drawFleet(seeds.from + at, naming));
      await loadFleets(db, fleets);
      world = worldOf(fleets);
    });
    afterAll(async () => {
      await db.close();
      await server.stop();
    });

    test('samples, minutes, hours, days and histograms say whose every microsecond was', async ({
      annotate,
    }) => {
      await expectNone(await checkStore(db, world), annotate);
    });

    test('every field of every job report is the true one, in JSON, CSV and text', async ({ annotate }) => {
      const { found, reports } = await checkJobs(db, world);
      expect(reports).toBeGreaterThan(4 * seeds.count);
      await expectNone(found, annotate);
    });

    test('every field of every capacity report is the true one, in JSON, CSV and text', async ({
      annotate,
    }) => {
      const { found, reports } = await checkCapacity(db, world);
      expect(reports).toBe(4 * seeds.count);
      await expectNone(found, annotate);
    });

    test('reports stay true when samples have aged out', async ({ annotate }) => {
      await ageSamples(db, [TABLE]);
      await expectNone(await checkAged(), annotate);
    });

    test('reports stay true when minutes have aged out, too', async ({ annotate }) => {
      await ageMinutes(db, [TABLE]);
      await expectNone(await checkAged(), annotate);
    });

    async function checkAged(): Promise<Found[]> {
      const left = await leftOf(db, TABLE);
      const aged = worldOf(world.fleets, left);
      const jobs = await checkJobs(db, aged, left);
      return [...jobs.found, ...(await checkCapacity(db, aged, left)).found];
    }
  });
}

type Annotate = (message: string) => Promise<unknown>;

/** Differences there are none; what could not be compared is told. */
async function expectNone(found: readonly Found[], annotate: Annotate): Promise<void> {
  const differences = summaryOf(found);
  // Printed at once, where the message of a test waits for the others.
  for (const text of [...leftTexts(found), ...differences]) await annotate(text);
  expect(differences).toEqual([]);
}
