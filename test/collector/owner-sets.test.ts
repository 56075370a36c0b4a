/**
 * Goal: what rollups and `gpu_owner_sets` say of shared devices is what the stays say, also after late facts. Method: jobs at
 * random share four devices through the whole pipeline into a real QuestDB; a loop over samples and stays beside it.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { openCollector, type Collector } from '../../src/collector/collector.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFact, JobInput } from '../../src/core/jobs/job-fact.ts';
import { createRandom } from '../../src/core/synthetic/random.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';

const S = 1_000_000;
/** The last minutes of an hour and of a day, and the first of the next. */
const START_US = Date.UTC(2026, 2, 1, 23, 50) * 1000;
const SECONDS = 1_200;
const LANE: Lane = {
  ...{ name: 'owner_sets', table: 'gpu_owner_sets_lane', schedule: 'continuous', intervalMs: 1_000 },
  ...{ fields: [findField(1002)!], capacityTicks: 2 * SECONDS },
};

interface Stay {
  readonly gpu: string;
  readonly jobId: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly share: number;
}

let db: QuestDb;
let collector: Collector;
const facts: JobFact[] = [];
const notices: Notice[] = [];
const input: JobInput = { name: 'test', read: () => ({ facts: facts.splice(0), records: [] }) };

beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [LANE], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  collector = await openCollector({
    lanes: [LANE],
    source: {
      name: 'synthetic',
      scenario: {
        ...{ kind: 'steady', seed: 1403, nodes: 1, gpusPerNode: 4, startUs: START_US },
        nodeNames: ['owner-sets'],
      },
    },
    clock: { kind: 'virtual', startUs: START_US, endUs: START_US + SECONDS * S },
    jobInputs: () => [input],
    db,
    prepareStore: () => Promise.resolve(),
    batchRows: 10_000,
    tell: (notice) => notices.push(notice),
  });
  await collector.ended;
});
afterAll(async () => {
  collector.close();
  await db.close();
});

function told(device: Device, kind: JobFact['kind'], jobId: string, second: number, share = NaN): JobFact {
  const { node, uuid: gpu } = device;
  const atUs = START_US + Math.round(second * S);
  return { kind, atUs, node, gpu, jobId, run: 0, share, source: 'test' };
}

/** NaN where nobody tells. */
const SHARES = [NaN, NaN, NaN, 0.25, 1 / 3, 0.7, 1];

/** Ten jobs on each device, of which several are there at once. */
function drawn(): JobFact[] {
  const random = createRandom(14, 'owner sets');
  return collector.devices.flatMap((device, index) =>
    Array.from({ length: 10 }, (_, job) => {
      const start = random.between(10, SECONDS - 300);
      const jobId = `${index}-${job} "${job}"`;
      const end = start + random.between(20, 280);
      return [told(device, 'start', jobId, start, random.pick(SHARES)), told(device, 'end', jobId, end)];
    }).flat(),
  );
}

async function flushed(): Promise<void> {
  await expect.poll(() => collector.flush()).toBe(true);
  for (const table of ['gpu_ownership', 'gpu_owner_sets']) await waitForVisible(db, table);
  await waitForRollups(db, [LANE], START_US + 2 * 86_400 * S);
}

async function storedStays(): Promise<Stay[]> {
  const { rows } = await db.exec(
    "SELECT gpu, job_id, cast(ts AS LONG), cast(end_ts AS LONG), share FROM gpu_ownership WHERE node = 'owner-sets'",
  );
  return rows.map(([gpu, jobId, startUs, endUs, share]) => ({
    ...{ gpu: String(gpu), jobId: String(jobId), startUs: Number(startUs) },
    ...{ endUs: endUs === null ? Infinity : Number(endUs), share: share === null ? NaN : Number(share) },
  }));
}

/** Each owner's part: told shares, made smaller where they are more than all; the others have equal parts of the rest. */
function partsOf(owners: readonly Stay[]): Map<string, number> {
  const toldSum = owners.reduce((sum, { share }) => sum + (share || 0), 0);
  const untold = owners.filter(({ share }) => Number.isNaN(share)).length;
  return new Map(
    owners.map(({ jobId, share }) => [
      jobId,
      Number.isNaN(share) ? Math.max(0, 1 - toldSum) / untold : share / Math.max(1, toldSum),
    ]),
  );
}

interface Sums {
  /** By device and job. */
  readonly members: Map<string, number>;
  /** By device: time of samples whose device had an owner set, and that of the others. */
  readonly sets: Map<string, number>;
}

/** Sample after sample. */
async function truth(): Promise<Sums> {
  const stays = await storedStays();
  const { rows } = await db.exec(`SELECT gpu, cast(ts AS LONG), dt_us FROM ${LANE.table}`);
  expect(rows).toHaveLength(SECONDS * 4);
  const members = new Map<string, number>();
  const sets = new Map<string, number>();
  const add = (sums: Map<string, number>, key: string, us: number): void => {
    sums.set(key, (sums.get(key) ?? 0) + us);
  };
  for (const [gpu, ts, dt] of rows as [string, number, number][]) {
    const owners = stays.filter((stay) => stay.gpu === gpu && stay.startUs < ts && ts <= stay.endUs);
    for (const [jobId, part] of partsOf(owners)) add(members, `${gpu} ${jobId}`, dt * part);
    const isDivided = owners.length > 1 || owners.some(({ share }) => share < 1);
    add(sets, `${gpu} ${isDivided ? 'divided' : owners.length}`, dt);
  }
  return { members, sets };
}

/** The same by rollup and table of sets, as the documentation says to ask. */
async function stored(view: string): Promise<Sums> {
  const members = await db.exec(
    `SELECT gpu, member, sum(us) FROM (
       SELECT gpu, job_id AS member, dt_us * 1.0 AS us FROM ${view} WHERE owner_set IS NULL AND job_id IS NOT NULL
       UNION ALL SELECT r.gpu AS gpu, s.job_id AS member, r.dt_us * s.part AS us FROM ${view} r
         JOIN gpu_owner_sets s ON s.owner_set = r.owner_set WHERE r.owner_set IS NOT NULL
     ) GROUP BY gpu, member`,
  );
  const sets = await db.exec(
    `SELECT gpu, CASE WHEN owner_set IS NULL THEN cast(owners AS STRING) ELSE 'divided' END, sum(dt_us) FROM ${view}`,
  );
  const asMap = ({ rows }: Awaited<ReturnType<QuestDb['exec']>>): Map<string, number> =>
    new Map(rows.map(([gpu, key, us]) => [`${String(gpu)} ${String(key)}`, Number(us)]));
  return { members: asMap(members), sets: asMap(sets) };
}

async function compare(): Promise<void> {
  const expected = await truth();
  for (const view of ['1m', '1h', '1d'].map((level) => `${LANE.table}_${level}`)) {
    const { members, sets } = await stored(view);
    expect(sets).toEqual(expected.sets);
    expect([...members.keys()].sort()).toEqual([...expected.members.keys()].sort());
    for (const [key, us] of expected.members) expect(Math.abs(members.get(key)! - us)).toBeLessThan(1);
  }
  const { rows } = await db.exec(
    `SELECT count() FROM ${LANE.table} WHERE owner_set IS NULL AND (owners > 1 OR owners IS NULL)`,
  );
  expect(rows).toEqual([[0]]);
}

test('of jobs that come and go with shares told, not told, and more than the device', async () => {
  facts.push(...drawn());
  await flushed();
  await compare();
  // The draw has all there is: told and equal parts, more shares than the device, three owners, and one with only a part.
  const { rows } = await db.exec(
    "SELECT DISTINCT sharing, scaled FROM gpu_owner_sets WHERE gpu IN (SELECT gpu FROM gpu_ownership WHERE node = 'owner-sets') ORDER BY sharing, scaled",
  );
  expect(rows).toEqual([
    ['equal', 0],
    ['stated', 0],
    ['stated', 1],
  ]);
  const owners = await db.exec(
    `SELECT DISTINCT owners FROM ${LANE.table} WHERE owner_set IS NOT NULL ORDER BY owners`,
  );
  expect(owners.rows.flat()).toEqual(expect.arrayContaining([1, 2, 3]));
});

test('after late facts: a share, an owner, an end, and one that was never there', async () => {
  const before = await storedStays();
  const relabelled = notices.filter(({ code }) => code === 'relabel.done').length;
  for (const device of collector.devices) {
    const own = before.filter(({ gpu, endUs, startUs }) => gpu === device.uuid && endUs > startUs);
    const second = (us: number): number => (us - START_US) / S;
    const untold = own.filter(({ share }) => Number.isNaN(share));
    const [one, two, three] = untold.length > 2 ? untold : own;
    facts.push(
      told(device, 'start', one!.jobId, second(one!.startUs), 0.2),
      told(device, 'void', two!.jobId, second(two!.startUs)),
      told(device, 'end', three!.jobId, second((three!.startUs + three!.endUs) / 2)),
      told(device, 'start', 'late', 300.5),
      told(device, 'end', 'late', 900.25),
    );
  }
  await flushed();
  expect(notices.filter(({ code }) => code === 'relabel.done')).toHaveLength(relabelled + 1);
  expect(await storedStays()).not.toEqual(before);
  await compare();
});
