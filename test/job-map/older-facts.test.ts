/**
 * Goal: a fact of any age gets into the samples that there are. Method: three weeks of samples lie in a real QuestDB without an
 * owner. Facts about them are told late, in odd orders and by one life after the other, some of which are killed. Every
 * label is held against a loop over what was told last; nothing else of any row may have changed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import type { JobFact } from '../../src/core/jobs/job-fact.ts';
import { ownerSetsOf } from '../../src/core/jobs/device-parts.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import type { RelabelWindow } from '../../src/core/jobs/relabel.ts';
import { createJobMap } from '../../src/job-map/job-map.ts';
import { createJobFiguresWriter } from '../../src/job-map/job-figures.ts';
import { createLateWork } from '../../src/job-map/late-work.ts';
import { readOlderStays } from '../../src/job-map/older-stays.ts';
import { openOwnership } from '../../src/job-map/session.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import type { OwnerSetRow } from '../../src/questdb/rows/owner-set-rows.ts';
import { relabelSamples } from '../../src/questdb/rows/relabel-samples.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { sendRows } from '../helpers/send-rows.ts';

const HOUR_US = 3_600e6;
const DAY_US = 24 * HOUR_US;
const STEP_US = 1_800e6;
const NOW_US = Math.floor((Date.now() * 1000) / DAY_US) * DAY_US;
const FIRST_US = NOW_US - 21 * DAY_US;
const GPUS = [
  'GPU-run',
  'GPU-again',
  'GPU-killed',
  'GPU-rows-last',
  'GPU-many',
  'GPU-gone',
  'GPU-figures',
  'GPU-seed-1',
];
const lane: Lane = {
  name: 'older',
  table: 'gpu_older',
  schedule: 'continuous',
  intervalMs: 10_000,
  fields: [155].map((id) => findField(id)!),
  capacityTicks: 10,
};
const aged: Lane = { ...lane, name: 'older_aged', table: 'gpu_older_aged' };
const lagging: Lane = { ...lane, name: 'older_lagging', table: 'gpu_older_lagging' };
const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  await applySchema(db, [lane, aged, lagging], RETENTION);
  for (const gpu of GPUS) expect((await sendRows(db, samplesOf(lane, gpu, FIRST_US))).unsent).toBeUndefined();
  await waitForRollups(db, [lane], NOW_US);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

/** A row each half hour, some of them on the border of an hour and of a day. */
function samplesOf({ table }: Lane, gpu: string, fromUs: number, toUs = NOW_US): string {
  let rows = '';
  for (let us = fromUs; us < toUs; us += STEP_US)
    rows += `${table},node=n1,gpu=${gpu} owners=0i,dt_us=${STEP_US}i,power_watts=${(us / STEP_US) % 700} ${us}t\n`;
  return rows;
}

const day = (days: number): number => FIRST_US + days * DAY_US;

interface Stay {
  readonly jobId: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly share?: number;
}

function tellings(gpu: string, { jobId, startUs, endUs, share = 1 }: Stay): JobFact[] {
  const rest = { node: 'n1', gpu, jobId, run: 0, share, source: 'journal' };
  const end = { ...rest, kind: 'end', atUs: endUs, ofStartUs: startUs } as const;
  return [{ ...rest, kind: 'start', atUs: startUs }, ...(endUs === Infinity ? [] : [end])];
}

/** The label of every sample of the device, by a loop; and that nothing else of it changed. */
async function expectLabels(gpu: string, stays: readonly Stay[]): Promise<void> {
  await waitForVisible(db, lane.table);
  const { rows } = await db.exec(
    `SELECT cast(ts AS LONG), job_id, owners, cast(owner_set AS STRING), node, dt_us, power_watts FROM ${lane.table} WHERE gpu = '${gpu}'`,
  );
  expect(rows).toHaveLength((NOW_US - FIRST_US) / STEP_US);
  /** By set, the members that own the device by the stays. */
  const members = new Map<string, string>();
  const wrong = rows.filter(([ts, jobId, owners, ownerSet, ...rest]) => {
    const us = Number(ts);
    const there = stays.filter(({ startUs, endUs }) => startUs < us && us <= endUs);
    const jobs = [...new Set(there.map((one) => one.jobId))].sort();
    const isDivided = jobs.length > 1 || there.some(({ share = 1 }) => share < 1);
    if (isDivided) members.set(String(ownerSet), jobs.join());
    const label = [jobs.length === 1 ? jobs[0] : null, jobs.length, isDivided];
    const values = ['n1', STEP_US, (us / STEP_US) % 700];
    return (
      JSON.stringify([jobId, owners, ownerSet !== null, ...rest]) !== JSON.stringify([...label, ...values])
    );
  });
  expect(wrong.slice(0, 3)).toEqual([]);
  await waitForVisible(db, 'gpu_owner_sets');
  const sets = await db.exec(
    `SELECT cast(owner_set AS STRING), job_id FROM gpu_owner_sets WHERE gpu = '${gpu}' ORDER BY job_id`,
  );
  const stored = Map.groupBy(sets.rows, ([set]) => String(set));
  for (const [set, jobs] of members)
    expect(
      stored
        .get(set)
        ?.map(([, job]) => job)
        .join(),
    ).toBe(jobs);
}

async function expectRows(gpu: string, stays: readonly Stay[]): Promise<void> {
  await waitForVisible(db, 'gpu_ownership');
  const { rows } = await db.exec(
    'SELECT job_id, cast(ts AS LONG), cast(end_ts AS LONG) FROM gpu_ownership' +
      ` WHERE gpu = '${gpu}' AND (end_ts IS NULL OR end_ts > ts) ORDER BY ts`,
  );
  const endOf = ({ endUs }: Stay): number | null => (endUs === Infinity ? null : endUs);
  expect(rows).toEqual(stays.map((stay) => [stay.jobId, stay.startUs, endOf(stay)]));
}

/** A store that counts what is labelled again, and is gone when it has done that so often. */
function watched(changesMax = Infinity): { readonly db: QuestDb; readonly changes: string[] } {
  const changes: string[] = [];
  return {
    changes,
    db: {
      ...db,
      exec: async (sql, options) => {
        if (sql.startsWith('INSERT')) {
          if (changes.length >= changesMax) throw new Killed();
          changes.push(sql);
        }
        return await db.exec(sql, options);
      },
    },
  };
}

class Killed extends Error {}

interface Life {
  /** Tells facts, and does what the collector does with each flush until nothing is left to do. */
  tell(...facts: readonly JobFact[]): Promise<void>;
  readonly notices: Notice[];
  readonly windows: RelabelWindow[];
  /** Whose the device is, as far as this life remembers. */
  readonly ownersAt: (us: number) => readonly string[];
  /** How often a job input was told that its facts are done with. */
  readonly acknowledged: number;
}

/** The job map of a collector's life that began now. */
function begin(gpu: string, store = db): Life {
  const waiting: JobFact[] = [];
  const notices: Notice[] = [];
  const windows: RelabelWindow[] = [];
  let acknowledged = 0;
  const small = createSmallTables(db);
  const rows: Interval[] = [];
  const sets: OwnerSetRow[] = [];
  const ownership = new Ownership();
  const device: Device = { uuid: gpu, node: 'n1', index: 0, model: 'X', memoryBytes: 1 };
  const jobMap = createJobMap({
    inputs: [
      {
        name: 'test',
        read: () => ({ facts: waiting.splice(0), records: [] }),
        acknowledge: () => (acknowledged += 1),
      },
    ],
    ...{ ownership, devices: [device], tables: [lane.table], hasFormerLife: true },
    ...{ nowUs: () => NOW_US, bootUs: -Infinity, startUs: NOW_US, db: store },
    outbox: {
      ownership: (some) => rows.push(...some),
      ownerSets: (some) => sets.push(...some),
      jobs: () => undefined,
    },
    onRelabelled: (some) => windows.push(...some),
    tell: (notice) => notices.push(notice),
  });
  return {
    notices,
    windows,
    ownersAt: (us) => ownership.ownersAt(gpu, us).map(({ jobId }) => jobId),
    get acknowledged() {
      return acknowledged;
    },
    async tell(...facts) {
      waiting.push(...facts);
      const before = acknowledged;
      for (let flushes = 0; acknowledged === before; flushes += 1) {
        expect(flushes).toBeLessThan(1_000);
        jobMap.refresh();
        await jobMap.recover();
        expect(await small.writeOwnerSets(sets.splice(0))).toBe(true);
        expect(await small.writeOwnership(rows.splice(0))).toBe(true);
        jobMap.acknowledge(NOW_US);
        expect(await jobMap.relabel()).toBe(true);
      }
      expect(await small.writeOwnership(rows.splice(0))).toBe(true);
    },
  };
}

test('facts of three weeks ago get into the samples, and so do corrections of what is stored of those days', async () => {
  const gpu = 'GPU-run';
  const life = begin(gpu);
  const first: Stay = { jobId: '7', startUs: day(1) + 1, endUs: day(6) };
  const second: Stay = { jobId: '8', startUs: day(8), endUs: day(10) + 30e6 };
  await life.tell(...tellings(gpu, first), ...tellings(gpu, second));
  await expectLabels(gpu, [first, second]);
  expect(life.notices.map(({ code }) => code)).toEqual(['relabel.done']);
  expect(life.windows.every((window) => window.gpu === gpu)).toBe(true);
  expect(Math.min(...life.windows.map(({ fromUs }) => fromUs))).toBe(day(1) + 1);

  // Nobody remembers the two: a later life hears that one ended earlier, and that the other never was.
  const later = begin(gpu);
  const end = { ...tellings(gpu, first)[1]! };
  delete end.ofStartUs;
  await later.tell({ ...end, atUs: day(5) + 1e6 });
  await expectLabels(gpu, [{ ...first, endUs: day(5) + 1e6 }, second]);
  await later.tell({ ...tellings(gpu, second)[0]!, kind: 'void' });
  await expectLabels(gpu, [{ ...first, endUs: day(5) + 1e6 }]);
  await expectRows(gpu, [{ ...first, endUs: day(5) + 1e6 }]);

  // The same id again, and one that took the whole device from the first one.
  const again: Stay = { jobId: '7', startUs: day(12), endUs: day(13) };
  const taker: Stay = { jobId: '9', startUs: day(3), endUs: day(4) };
  await begin(gpu).tell(...tellings(gpu, taker), ...tellings(gpu, again));
  const now = [{ ...first, endUs: day(3) }, taker, again];
  await expectLabels(gpu, now);
  await expectRows(gpu, now);
  await waitForRollups(db, [lane], NOW_US);
  const { rows } = await db.exec(
    `SELECT job_id, sum(dt_us) FROM ${lane.table}_1h WHERE gpu = '${gpu}' AND job_id IS NOT NULL ORDER BY job_id`,
  );
  expect(rows).toEqual([
    ['7', 3 * DAY_US],
    ['9', DAY_US],
  ]);
});

test('a start that is told again alone does not open a stay that is stored with its end', async () => {
  const gpu = 'GPU-again';
  const stay: Stay = { jobId: '7', startUs: day(2), endUs: day(4), share: 0.5 };
  const other: Stay = { jobId: '8', startUs: day(6), endUs: day(7) };
  await begin(gpu).tell(...tellings(gpu, stay), ...tellings(gpu, other));
  await expectRows(gpu, [stay, other]);
  // By a life that forgot it, or by one that never knew it, and with a share that nobody had told.
  const again = { ...tellings(gpu, stay)[0]!, share: 0.25 };
  const life = begin(gpu);
  await life.tell(again);
  await expectRows(gpu, [stay, other]);
  await expectLabels(gpu, [stay, other]);
  // What it learnt holds: its own next samples are nobody's, and a later end changes nothing.
  expect(life.ownersAt(NOW_US)).toEqual([]);
  await life.tell({ ...again, kind: 'end', atUs: day(5) });
  await expectRows(gpu, [stay, other]);
  await expectLabels(gpu, [stay, other]);
  const { rows } = await db.exec(
    `SELECT share FROM gpu_ownership WHERE gpu = '${gpu}' AND job_id = '7' AND end_ts > ts`,
  );
  expect(rows).toEqual([[0.25]]);
});

test('a life that is killed over it leaves the rest to the next one, which does nothing twice', async () => {
  const gpu = 'GPU-killed';
  const stays = [2, 5, 9].map((days): Stay => ({
    jobId: `k${days}`,
    startUs: day(days),
    endUs: day(days + 2),
  }));
  const running: Stay = { jobId: 'k12', startUs: day(12), endUs: Infinity };
  const facts = [...stays, running].flatMap((stay) => tellings(gpu, stay));
  let lives = 0;
  for (; ; lives += 1) {
    const life = begin(gpu, watched(4).db);
    try {
      await life.tell(...facts);
      break;
    } catch (thrown) {
      if (!(thrown instanceof Killed)) throw thrown;
      // An input that was told that all is done with would not tell it again.
      expect(life.acknowledged).toBe(0);
    }
    // Rows of the rollup that say what was so before the kill only cost a look.
    await waitForRollups(db, [lane], NOW_US);
  }
  expect(lives).toBeGreaterThan(3);
  await expectLabels(gpu, [...stays, running]);
  await waitForRollups(db, [lane], NOW_US);
  const { db: looked, changes } = watched();
  const questions: string[] = [];
  const counted: QuestDb = {
    ...looked,
    exec: async (sql, options) => {
      if (sql.includes(`FROM "${lane.table}" `) && sql.includes('count()')) questions.push(sql);
      return await looked.exec(sql, options);
    },
  };
  await begin(gpu, counted).tell(...facts);
  expect(changes).toEqual([]);
  // Two months of a job that runs are not looked through at each start: the hours of its borders alone are.
  expect(questions.length).toBeLessThan(12);
});

test('whoever writes the rows last looks at nothing that is stored as it was told', async () => {
  const gpu = 'GPU-rows-last';
  const stay: Stay = { jobId: '7', startUs: day(3), endUs: day(5), share: 0.5 };
  const other: Stay = { jobId: '8', startUs: day(4), endUs: day(6), share: 0.5 };
  const push = async (facts: readonly JobFact[]): Promise<readonly Interval[]> => {
    const input = { name: 'test', read: () => ({ facts, records: [] }) };
    const session = openOwnership({
      ...{ inputs: [input], ownership: new Ownership(), labelledUntilUs: NOW_US },
    });
    session.read(NOW_US);
    const { db: store, changes } = watched();
    const corrected: Interval[] = [];
    const late = createLateWork({
      ...{ db: store, tables: [lane.table], session, areRowsLast: true, tell: () => undefined },
      storeSets: (sets) => createSmallTables(db).writeOwnerSets(sets),
      onDone: (done) => corrected.push(...done.corrected),
    });
    const words: string[] = [];
    expect(await late.finish((some) => words.push(some))).toBe(true);
    expect(words.length > 0).toBe(changes.length > 0);
    expect(await createSmallTables(db).writeOwnership(corrected)).toBe(true);
    return corrected;
  };
  expect(await push(tellings(gpu, stay))).toMatchObject([{ jobId: '7', endUs: day(5) }]);
  expect(await push(tellings(gpu, stay))).toEqual([]);
  await push(tellings(gpu, other));
  await expectLabels(gpu, [stay, other]);
  await expectRows(gpu, [stay, other]);
});

test('figures of runs of that time are written again, and those of runs whose samples are gone are kept', async () => {
  const gpu = 'GPU-figures';
  const notices: Notice[] = [];
  const writer = createJobFiguresWriter({
    ...{ db, lanes: [lane], gpus: [], nowUs: () => NOW_US },
    tell: (notice) => notices.push(notice),
  });
  const ownership = new Ownership();
  /** As late work does it: stays and sets are stored, samples bear them, and then figures are renewed. */
  const told = async (stays: readonly Stay[], windows: readonly RelabelWindow[]): Promise<unknown> => {
    const small = createSmallTables(db);
    for (const stay of stays)
      for (const fact of tellings(gpu, { ...stay, share: NaN })) ownership.apply(fact);
    expect(await small.writeOwnerSets(ownerSetsOf(ownership.intervalsOn(gpu)))).toBe(true);
    const stretches = ownership.labelsBetween(gpu, FIRST_US - 1, NOW_US);
    await relabelSamples(db, lane.table, [{ gpu, stretches }]);
    await waitForRollups(db, [lane], NOW_US);
    const intervals = stays.map((stay) => ({ ...tellings(gpu, stay)[0]!, ...stay, share: NaN }));
    expect(await small.writeOwnership(intervals)).toBe(true);
    writer.renew(windows, 5);
    await writer.settle(4);
    await writer.settle(5);
    await waitForVisible(db, 'job_figures');
    const { rows } = await db.exec(
      `SELECT job_id, samples, share, owned_us FROM job_figures WHERE gpu = '${gpu}' ORDER BY job_id`,
    );
    return rows;
  };
  // One began before the samples that there are, and was written when it ended.
  const [gone, first]: readonly Stay[] = [
    { jobId: '5', startUs: day(-2), endUs: day(1) },
    { jobId: '7', startUs: day(3), endUs: day(5) },
  ];
  const kept = `job_figures,node=n1,gpu=${gpu} job_id="5",run=0i,samples=144i,end_ts=${day(1)}t ${day(-2)}t\n`;
  expect((await sendRows(db, kept)).unsent).toBeUndefined();
  const window = { gpu, fromUs: day(-3), toUs: day(6) };
  expect(await told([gone!, first!], [window])).toEqual([
    ['5', 144, null, null],
    ['7', 96, 1, 2 * DAY_US],
  ]);
  const other: Stay = { jobId: '8', startUs: day(4), endUs: day(9) };
  expect(await told([other], [{ gpu, fromUs: other.startUs, toUs: day(6) }])).toEqual([
    ['5', 144, null, null],
    ['7', 96, 0.75, 2 * DAY_US],
    ['8', 240, 0.9, 5 * DAY_US],
  ]);
  expect(notices).toEqual([]);
});

test('more stays than are read at once are worked off one part after the other', async () => {
  const gpu = 'GPU-many';
  const stays = Array.from({ length: 30 }, (_, index): Stay => {
    const startUs = day(2) + index * 6 * HOUR_US;
    return { jobId: `m${index}`, startUs, endUs: startUs + 5 * HOUR_US };
  });
  await createSmallTables(db).writeOwnership(
    stays.map((stay) => ({ ...tellings(gpu, stay)[0]!, startUs: stay.startUs, endUs: stay.endUs })),
  );
  const window = { gpu, fromUs: day(1), toUs: day(20), isFirstTold: false };
  let news = { windows: [window], facts: [], intervals: [], unread: [], untilUs: NOW_US };
  const parts: (readonly [number, number])[] = [];
  for (let isRest = true; isRest;) {
    const { windows, rest, corrected } = await readOlderStays(db, news, { areRowsLast: false, staysMax: 8 });
    expect(corrected).toEqual([]);
    parts.push(...windows.map(({ fromUs, toUs }) => [fromUs, toUs] as const));
    isRest = rest !== undefined;
    if (rest !== undefined) news = { ...news, windows: [...rest.windows] as (typeof window)[] };
  }
  expect(parts.length).toBeGreaterThan(3);
  expect([parts[0]![0], parts.at(-1)![1]]).toEqual([day(1), day(20)]);
  for (const [index, [fromUs]] of parts.slice(1).entries()) expect(fromUs).toBe(parts[index]![1]);
});

test('how many GPU-hours keep their label, since their samples are gone, is told', async () => {
  const gpu = 'GPU-gone';
  const goneUs = NOW_US - 9 * DAY_US;
  for (const fromUs of [goneUs, NOW_US - DAY_US])
    expect((await sendRows(db, samplesOf(aged, gpu, fromUs, fromUs + DAY_US / 2))).unsent).toBeUndefined();
  await waitForRollups(db, [aged], NOW_US);
  // The server's own TTL takes the old day away, with the next rows that come.
  await db.exec(`ALTER TABLE ${aged.table} SET TTL 3 DAYS`);
  await sendRows(db, samplesOf(aged, gpu, NOW_US - DAY_US, NOW_US - DAY_US + HOUR_US));
  await waitForVisible(db, aged.table);
  const notices: Notice[] = [];
  const stay: Stay = { jobId: '7', startUs: goneUs + 2 * HOUR_US - 1, endUs: goneUs + 6 * HOUR_US - 1 };
  const input = { name: 'test', read: () => ({ facts: tellings(gpu, stay), records: [] }) };
  const session = openOwnership({
    ...{ inputs: [input], ownership: new Ownership(), labelledUntilUs: NOW_US },
  });
  session.read(NOW_US);
  const late = createLateWork({
    ...{ db, tables: [aged.table], session, areRowsLast: false },
    storeSets: () => Promise.resolve(true),
    onDone: () => undefined,
    tell: (notice) => notices.push(notice),
  });
  expect(await late.finish()).toBe(true);
  expect(notices).toMatchObject([{ code: 'relabel.too_late', data: { deviceHours: 4 } }]);
});

test('hours that the rollup does not tell, or tells as they were, are looked at in the samples', async () => {
  const gpu = 'GPU-lagging';
  const { table } = lagging;
  const [earlierUs, laterUs] = [NOW_US - 9 * DAY_US, NOW_US - 7 * DAY_US];
  const unowned = samplesOf(lagging, gpu, earlierUs, earlierUs + DAY_US / 2);
  await sendRows(db, unowned.replaceAll(' owners=0i', ' job_id="7",owners=1i'));
  await waitForRollups(db, [lagging], NOW_US);
  // From now on the rollup lags: it takes the earlier time for labelled, and knows nothing of the later one.
  await db.exec(`ALTER MATERIALIZED VIEW "${table}_1m" SET REFRESH MANUAL`);
  await sendRows(db, unowned);
  await sendRows(db, samplesOf(lagging, gpu, laterUs, laterUs + DAY_US / 2));
  await waitForVisible(db, table);
  const stays = [earlierUs, laterUs].map((us): Stay => ({
    jobId: '7',
    startUs: us - 1,
    endUs: us + 6 * HOUR_US - 1,
  }));
  // Whoever was killed before it labelled them had stored the stays.
  const stored = stays.map((stay) => ({ ...tellings(gpu, stay)[0]!, ...stay }));
  expect(await createSmallTables(db).writeOwnership(stored)).toBe(true);
  await waitForVisible(db, 'gpu_ownership');
  const facts = stays.flatMap((stay) => tellings(gpu, stay));
  const session = openOwnership({
    inputs: [{ name: 'test', read: () => ({ facts, records: [] }) }],
    ...{ ownership: new Ownership(), labelledUntilUs: NOW_US },
  });
  session.read(NOW_US);
  const late = createLateWork({
    ...{ db, tables: [table], session, areRowsLast: false, tell: () => undefined },
    storeSets: () => Promise.resolve(true),
    onDone: () => undefined,
  });
  expect(await late.finish()).toBe(true);
  await waitForVisible(db, table);
  const { rows } = await db.exec(`SELECT count() FROM ${table} WHERE job_id = '7' AND ts < ${laterUs}`);
  const all = await db.exec(`SELECT count() FROM ${table} WHERE job_id = '7'`);
  expect([rows, all.rows]).toEqual([[[12]], [[24]]]);
});

test.each([1])(
  'seed %i: facts in any order, by any life, end in the labels of what was told last',
  async (seed) => {
    const gpu = `GPU-seed-${seed}`;
    let state = seed;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    const stays: Stay[] = [];
    const known: JobFact[][] = [];
    for (let index = 0; index < 8; index += 1) {
      const startUs = FIRST_US + random(18 * 48) * STEP_US + random(3) * 1e6;
      const endUs = startUs + (1 + random(60)) * STEP_US;
      // Ids come again, but a job is not twice on a device at a time.
      const isFree = stays.every(
        (other) => other.jobId !== 's' || other.endUs < startUs || endUs < other.startUs,
      );
      const stay = { jobId: isFree ? 's' : `s${index}`, startUs, endUs, share: 0.25 };
      stays.push(stay);
      known.push(tellings(gpu, stay));
    }
    let life = begin(gpu);
    const told: JobFact[] = [];
    for (const [index, facts] of known.entries()) {
      if (random(3) === 0) life = begin(gpu);
      const taken = told.filter(({ kind }) => kind === 'start')[random(index + 4)];
      const isTakenBack = taken !== undefined && stays.some(({ startUs }) => startUs === taken.atUs);
      if (isTakenBack) {
        stays.splice(
          stays.findIndex(({ startUs }) => startUs === taken.atUs),
          1,
        );
        await life.tell({ ...taken, kind: 'void' });
      }
      told.push(...facts);
      await life.tell(...(random(2) === 0 ? facts : facts.toReversed()));
    }
    await expectLabels(gpu, stays);
  },
);
