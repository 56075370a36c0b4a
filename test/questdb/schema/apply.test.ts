/** Creating and upgrading the tables and rollups on a real QuestDB. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { defaultLanes, type Lane } from '../../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForRollups, waitForVisible } from '../../../src/questdb/visible.ts';
import { keptLanes, segmentsOf, withinSql } from '../../../src/figures/levels.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { allTables } from '../../../schemas/tables.ts';
import { seenRiseSql, viewsOf } from '../../../schemas/views.ts';
import { startTestQuestdb, type TestQuestdb } from '../../helpers/questdb.ts';
import { sendRows } from '../../helpers/send-rows.ts';

const RETENTION = { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '2 YEARS', rollup1d: '' };
const HOUR_US = 3_600e6;
const DAY_US = 24 * HOUR_US;
/** A full hour that is long over, and within the retention of the samples. */
const START_US = Math.floor((Date.now() * 1000 - 48 * HOUR_US) / HOUR_US) * HOUR_US;

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

let laneCount = 0;
/** A lane with a table of its own, so that tests do not meet. */
let lane: Lane;
beforeEach(() => {
  laneCount += 1;
  lane = laneWith([155, 156]);
});

function laneWith(ids: readonly number[]): Lane {
  const fields = defaultLanes.flatMap((each) => each.fields).filter(({ id }) => ids.includes(id));
  return { ...defaultLanes[0]!, name: `l${laneCount}`, table: `gpu_l${laneCount}`, fields };
}

async function failureOf(promise: Promise<unknown>): Promise<OperatingError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof OperatingError))
    throw new Error(`expected an OperatingError, came ${String(thrown)}`);
  return thrown;
}

async function columnsOf(table: string): Promise<string[]> {
  const { rows } = await db.exec(`SELECT "column" || ' ' || type FROM table_columns('${table}')`);
  return rows.map(([column]) => String(column));
}

/** A row a second: power 100, 101, …, with the energy rising by as much. */
async function writeSamples(table: string, seconds: number, startUs = START_US): Promise<void> {
  const rows = Array.from({ length: seconds }, (_, i) => {
    const values = `power_watts=${100 + i},energy_joules=${1e6 + 100 * i},energy_rise_joules=${i === 0 ? 'NaN' : '100'}`;
    return `${table},node=n1,gpu=g1 job_id="7",owners=1i,dt_us=${i === 0 ? 0 : 1e6}i,${values} ${startUs + i * 1e6}t\n`;
  });
  expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
}

/** As a retention does: whole days. */
async function dropDaysBefore(us: number): Promise<void> {
  const midnightUs = Math.floor(us / DAY_US) * DAY_US;
  await db.exec(`ALTER TABLE ${lane.table} DROP PARTITION WHERE ts < ${midnightUs}`);
  await waitForVisible(db, lane.table);
}

describe('applySchema', () => {
  test('creates what is missing, column for column, and does nothing the second time', async () => {
    const first = await applySchema(db, [lane], RETENTION);
    expect(first.map(({ action, object }) => `${action} ${object}`)).toEqual(
      expect.arrayContaining([
        `created ${lane.table}`,
        `created ${lane.table}_1m`,
        `created ${lane.table}_1h`,
        `created ${lane.table}_1d`,
        `created ${lane.table}_power_watts_hist_1h`,
        `created ${lane.table}_power_watts_hist_1d`,
      ]),
    );
    for (const table of allTables([lane], RETENTION)) {
      expect(await columnsOf(table.name)).toEqual(table.columns.map(({ name, type }) => `${name} ${type}`));
    }
    expect(await applySchema(db, [lane], RETENTION)).toEqual([]);
  });

  test('runs side by side with another collector', async () => {
    await Promise.all([applySchema(db, [lane], RETENTION), applySchema(db, [lane], RETENTION)]);
    expect(await applySchema(db, [lane], RETENTION)).toEqual([]);
  });

  test('looks again when somebody else makes the base of a rollup meanwhile', async () => {
    let refusals = 0;
    const beside: QuestDb = {
      ...db,
      exec: async (sql, options) => {
        // As the server said it to one of two that began together; whose statement it meets cannot be arranged.
        if (refusals === 0 && sql.startsWith('CREATE') && sql.includes(`"${lane.table}_1d"`)) {
          refusals += 1;
          throw new OperatingError(
            `QuestDB refuses a query: base table is not referenced in materialized view query: ${lane.table}_1h`,
            { code: 'questdb.query', exit: 'software' },
          );
        }
        return await db.exec(sql, options);
      },
    };
    const changes = await applySchema(beside, [lane], RETENTION);
    expect(refusals).toBe(1);
    expect(changes.map(({ action, object }) => `${action} ${object}`)).toContain(`created ${lane.table}_1d`);
    expect(await applySchema(db, [lane], RETENTION)).toEqual([]);
  });

  test('looks again when somebody else builds a rollup again meanwhile', async () => {
    await applySchema(db, [laneWith([155])], RETENTION);
    let isDropped = false;
    const beside: QuestDb = {
      ...db,
      exec: async (sql, options) => {
        // As the other one does it, between our look at the rollups and our questions to them.
        if (!isDropped && sql.includes(`FROM "${lane.table}_1h"`)) {
          isDropped = true;
          await db.exec(`DROP MATERIALIZED VIEW "${lane.table}_1h"`);
        }
        return await db.exec(sql, options);
      },
    };
    const changes = await applySchema(beside, [laneWith([155, 150])], RETENTION);
    expect(isDropped).toBe(true);
    expect(changes.map(({ action, object }) => `${action} ${object}`)).toEqual([
      `added_column ${lane.table}`,
      `rebuilt ${lane.table}_1m`,
      `rebuilt ${lane.table}_1h`,
      `rebuilt ${lane.table}_1d`,
    ]);
    expect(await applySchema(db, [laneWith([155, 150])], RETENTION)).toEqual([]);
  });

  test('adds a new field to the table and to the rollups, with what the samples hold of old ones', async () => {
    await applySchema(db, [laneWith([155])], RETENTION);
    await sendRows(db, `${lane.table},node=n1,gpu=g1 owners=0i,dt_us=1000000i,power_watts=5 ${START_US}t\n`);
    await waitForVisible(db, lane.table);
    const changes = await applySchema(db, [laneWith([155, 150])], RETENTION);
    expect(changes.map(({ action, object }) => `${action} ${object}`)).toEqual([
      `added_column ${lane.table}`,
      `rebuilt ${lane.table}_1m`,
      `rebuilt ${lane.table}_1h`,
      `rebuilt ${lane.table}_1d`,
    ]);
    await waitForRollups(db, [lane], START_US + HOUR_US);
    const { rows } = await db.exec(`SELECT power_watts_dtsum, gpu_temp_celsius_dt FROM ${lane.table}_1h`);
    expect(rows).toEqual([[5e6, null]]);
  });

  test('keeps the columns of another configuration: two collectors with different fields do not take turns', async () => {
    await applySchema(db, [laneWith([155, 156])], RETENTION);
    await applySchema(db, [laneWith([155, 150])], RETENTION);
    expect(await applySchema(db, [laneWith([155, 156])], RETENTION)).toEqual([]);
    expect(await applySchema(db, [laneWith([155, 150])], RETENTION)).toEqual([]);
  });

  test('leaves rollups alone whose samples are gone, says so, and keeps their buckets for one who waits', async () => {
    await applySchema(db, [laneWith([155, 156])], RETENTION);
    await writeSamples(lane.table, 10);
    await writeSamples(lane.table, 10, START_US + 24 * HOUR_US);
    await waitForRollups(db, [lane], START_US + 25 * HOUR_US);
    await dropDaysBefore(START_US + 24 * HOUR_US);
    const wider = laneWith([155, 156, 150]);
    const kept = await applySchema(db, [wider], RETENTION);
    expect(kept.map(({ action }) => action)).toEqual(['added_column', ...Array<string>(5).fill('kept')]);
    expect(kept.at(-1)!.detail).toContain('gpuledger schema apply');
    expect((await db.exec(`SELECT count() FROM ${lane.table}_1h`)).rows).toEqual([[2]]);
    const told: string[] = [];
    const moving = { movesAged: true, onProgress: (words: string) => told.push(words) };
    const rebuilt = await applySchema(db, [wider], RETENTION, moving);
    expect(rebuilt.map(({ action, object }) => `${action} ${object}`)).toEqual([
      ...['1m', '1h', '1d'].map((level) => `moved ${lane.table}_${level}_aged`),
      ...['1m', '1h', '1d'].map((level) => `rebuilt ${lane.table}_${level}`),
      ...['1m', '1h', '1d'].flatMap((level) =>
        Array<string>(4).fill(`added_column ${lane.table}_${level}_aged`),
      ),
      ...['1h', '1d'].map((level) => `moved ${lane.table}_power_watts_hist_${level}_aged`),
      ...['1h', '1d'].map((level) => `rebuilt ${lane.table}_power_watts_hist_${level}`),
    ]);
    expect(told.length).toBeGreaterThan(1);
    expect(await applySchema(db, [wider], RETENTION, moving)).toEqual([]);
    await waitForRollups(db, [wider], START_US + 25 * HOUR_US);
    const sums = (table: string): string => `SELECT sum(row_count), max(power_watts_max) FROM ${table}`;
    for (const view of [`${lane.table}_1m`, `${lane.table}_1h`, `${lane.table}_1d`]) {
      expect((await db.exec(sums(view))).rows).toEqual([[10, 109]]);
      expect((await db.exec(sums(`${view}_aged`))).rows).toEqual([[10, 109]]);
    }
  });

  test('keeps old buckets again when a rollup is built again once more, and drops them when they are overdue', async () => {
    const totals = async (): Promise<number> => {
      let rows = 0;
      const [kept] = await keptLanes(db, [lane.table]);
      for (const part of segmentsOf(kept!, { fromUs: START_US - 2 * DAY_US, toUs: START_US + DAY_US })) {
        const sum = part.level === 'raw' ? 'count()' : 'sum(row_count)';
        const sql = `SELECT ${sum} FROM ${part.table} s WHERE ${withinSql(part)}`;
        rows += Number((await db.exec(sql)).rows[0]![0]);
      }
      return rows;
    };
    await applySchema(db, [laneWith([155, 156])], RETENTION);
    for (const day of [0, 1, 2]) await writeSamples(lane.table, 10, START_US - day * DAY_US);
    for (const [gone, ids] of [
      [1, [155, 156, 150]],
      [0, [155, 156, 150, 203]],
    ] as const) {
      await waitForRollups(db, [lane], START_US + HOUR_US);
      await dropDaysBefore(START_US - gone * DAY_US);
      lane = laneWith(ids);
      await applySchema(db, [lane], RETENTION, { movesAged: true });
      expect(await totals()).toBe(30);
    }
    await waitForRollups(db, [lane], START_US + HOUR_US);
    expect(await totals()).toBe(30);
    const short = { ...RETENTION, rollup1m: '1 DAYS' };
    const dropped = await applySchema(db, [lane], short, { movesAged: true });
    expect(dropped.map(({ action, object }) => `${action} ${object}`)).toContain(
      `dropped ${lane.table}_1m_aged`,
    );
  });

  test('follows a changed retention and takes the server’s spelling of it for the same', async () => {
    await applySchema(db, [lane], RETENTION);
    const changes = await applySchema(db, [lane], { ...RETENTION, raw: '30 DAYS' });
    expect(changes).toContainEqual({ action: 'changed_ttl', object: lane.table, detail: '30 DAYS' });
    expect(await applySchema(db, [lane], { ...RETENTION, raw: '30 DAYS' })).toEqual([]);
    await applySchema(db, [lane], RETENTION);
  });

  test('follows a changed retention of a rollup where the server can', async () => {
    await applySchema(db, [lane], RETENTION);
    const changed = await applySchema(db, [lane], {
      ...RETENTION,
      rollup1m: '60 DAYS',
      rollup1h: '5 YEARS',
      rollup1d: '',
    });
    expect(changed.map(({ action, object }) => `${action} ${object}`)).toEqual([
      'changed_ttl queue_1m',
      `changed_ttl ${lane.table}_1m`,
      `changed_ttl ${lane.table}_1h`,
      `changed_ttl ${lane.table}_power_watts_hist_1h`,
    ]);
    await waitForVisible(db, `${lane.table}_1h`);
    const odd = await applySchema(db, [lane], {
      ...RETENTION,
      rollup1m: '60 DAYS',
      rollup1h: '400 DAYS',
      rollup1d: '',
    });
    expect(odd.map(({ action, object }) => `${action} ${object}`)).toEqual([
      `kept ${lane.table}_1h`,
      `kept ${lane.table}_power_watts_hist_1h`,
    ]);
  });

  test('turns deduplication on where a table was made without it', async () => {
    await db.exec(`CREATE TABLE ${lane.table} (ts TIMESTAMP, gpu SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL`);
    const changes = await applySchema(db, [lane], RETENTION);
    expect(changes.map(({ action }) => action)).toContain('enabled_dedup');
  });

  test('a column of another type is one error with the way out, before anything is changed', async () => {
    await db.exec(
      `CREATE TABLE ${lane.table} (ts TIMESTAMP, gpu SYMBOL, power_watts FLOAT) TIMESTAMP(ts) PARTITION BY DAY WAL`,
    );
    const error = await failureOf(applySchema(db, [lane], RETENTION));
    expect([error.code, error.exit]).toEqual(['schema.column_type', 'config']);
    expect(error.message).toBe(`column power_watts of table ${lane.table} should be DOUBLE and is FLOAT`);
    expect(error.hints[0]).toContain(`ALTER TABLE "${lane.table}" ALTER COLUMN "power_watts" TYPE DOUBLE;`);
    expect(await columnsOf(lane.table)).toHaveLength(3);
    await db.exec(`ALTER TABLE "${lane.table}" ALTER COLUMN "power_watts" TYPE DOUBLE`);
    await waitForVisible(db, lane.table);
    await applySchema(db, [lane], RETENTION);
  });

  test('a table that is no WAL table is an error', async () => {
    await db.exec(`CREATE TABLE ${lane.table} (ts TIMESTAMP) TIMESTAMP(ts) PARTITION BY DAY BYPASS WAL`);
    expect((await failureOf(applySchema(db, [lane], RETENTION))).code).toBe('schema.not_wal');
  });

  test('tables of a newer gpuledger are left alone', async () => {
    await applySchema(db, [lane], RETENTION);
    await db.exec(`INSERT INTO gpuledger_schema (ts, version) VALUES (now(), 99)`);
    await waitForVisible(db, 'gpuledger_schema');
    expect((await failureOf(applySchema(db, [lane], RETENTION))).code).toBe('schema.newer');
    await db.exec('TRUNCATE TABLE gpuledger_schema');
    await waitForVisible(db, 'gpuledger_schema');
  });
});

describe('waiting', () => {
  test('the rollups hold what the samples hold', async () => {
    await applySchema(db, [lane], RETENTION);
    await writeSamples(lane.table, 4_000);
    await waitForRollups(db, [lane], START_US + DAY_US);
    const sums =
      'sum(row_count), sum(dt_us), sum(power_watts_dtsum), sum(power_watts_dt), max(power_watts_max), sum(energy_rise_joules)';
    const raw = await db.exec(
      `SELECT count(), sum(dt_us), sum(power_watts * dt_us), sum(dt_us), max(power_watts), sum(energy_rise_joules) FROM ${lane.table}`,
    );
    expect(raw.rows[0]!.slice(0, 2)).toEqual([4_000, 3_999e6]);
    expect((await db.exec(`SELECT ${sums} FROM ${lane.table}_1m`)).rows).toEqual(raw.rows);
    expect((await db.exec(`SELECT ${sums} FROM ${lane.table}_1h`)).rows).toEqual(raw.rows);
    expect((await db.exec(`SELECT ${sums} FROM ${lane.table}_1d`)).rows).toEqual(raw.rows);
    expect((await db.exec(`SELECT count() FROM ${lane.table}_1m`)).rows).toEqual([[67]]);
  });

  test('tables without rows are not waited for', async () => {
    await applySchema(db, [lane], RETENTION);
    await expect(waitForRollups(db, [lane], START_US + HOUR_US)).resolves.toBeUndefined();
  });

  test('a period that is still open is not waited for', async () => {
    await applySchema(db, [lane], RETENTION);
    const nowUs = Date.now() * 1000;
    await writeSamples(lane.table, 1, nowUs);
    await expect(waitForRollups(db, [lane], nowUs)).resolves.toBeUndefined();
  });

  test('says what is behind when it takes too long', async () => {
    await applySchema(db, [lane], RETENTION);
    await writeSamples(lane.table, 1);
    await waitForVisible(db, lane.table);
    // Nothing can hold a period that ends in a hundred hours.
    const error = await failureOf(
      waitForRollups(db, [lane], Date.now() * 1000 + 100 * HOUR_US, { timeoutMs: 300 }),
    );
    expect([error.code, error.exit]).toEqual(['questdb.rollups_late', 'temporary']);
    expect(error.message).toContain(`${lane.table}_1m`);
  });

  test('a missing table and an invalid rollup are told at once', async () => {
    expect((await failureOf(waitForVisible(db, lane.table))).code).toBe('questdb.no_table');
    await applySchema(db, [lane], RETENTION);
    await writeSamples(lane.table, 1);
    await db.exec(`ALTER TABLE ${lane.table} RENAME COLUMN power_watts TO watts`);
    await expect
      .poll(
        async () =>
          (await failureOf(waitForRollups(db, [lane], START_US + HOUR_US, { timeoutMs: 100 }))).code,
      )
      .toBe('questdb.view_invalid');
  });
});

test('samples and rollups count a rise as energy of seen time exactly where its row saw all of its time', async () => {
  await applySchema(db, [lane], RETENTION);
  const row = (second: number, dtUs: number, rise: string): string =>
    `${lane.table},node=n1,gpu=g1 job_id="7",owners=1i,dt_us=${dtUs}i,${rise} ${START_US + second * 1e6}t\n`;
  const rows = [
    row(0, 0, 'energy_rise_joules=NaN,energy_rise_dt_us=0i'),
    row(1, 1e6, 'energy_rise_joules=100,energy_rise_dt_us=1000000i'),
    row(2, 1e6, 'energy_rise_joules=NaN,energy_rise_dt_us=0i'),
    // Of two seconds, since the row before had no reading.
    row(3, 1e6, 'energy_rise_joules=210,energy_rise_dt_us=2000000i'),
    // Over a gap; and over a gap on the second row after it.
    row(9, 0, 'energy_rise_joules=4000,energy_rise_dt_us=6000000i'),
    row(20, 0, 'energy_rise_joules=NaN,energy_rise_dt_us=0i'),
    row(21, 1e6, 'energy_rise_joules=8000,energy_rise_dt_us=0i'),
    // Of a collector of 0.2.0.
    row(22, 1e6, 'energy_rise_joules=30'),
  ];
  expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], START_US + HOUR_US);
  const { rise, riseDtUs } = seenRiseSql('s.');
  const raw = await db.exec(`SELECT sum(${rise}), sum(${riseDtUs}) FROM ${lane.table} s`);
  const [minutes, hours] = viewsOf(lane, RETENTION);
  const kept = await db.exec(
    `SELECT sum(energy_rise_joules), sum(energy_rise_dt_us) FROM ${minutes.name} UNION ALL` +
      ` SELECT sum(energy_rise_joules), sum(energy_rise_dt_us) FROM ${hours.name}`,
  );
  expect([...raw.rows, ...kept.rows].map((sums) => sums.map(Number))).toEqual(Array(3).fill([340, 4e6]));
});

test('rollups keep the least value, when samples came, and where a bucket has a hole', async () => {
  await applySchema(db, [lane], RETENTION);
  const row = (second: number, dtUs: number, watts: number): string =>
    `${lane.table},node=n1,gpu=g1 job_id="7",owners=1i,dt_us=${dtUs}i,power_watts=${watts} ${START_US + second * 1e6}t\n`;
  // One that speaks for no time, a hole of 30 s in the first minute, and none in the second.
  await sendRows(db, [row(0, 0, 50), row(40, 10e6, 90), row(60, 20e6, 70), row(119, 59e6, 60)].join(''));
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], START_US + DAY_US);
  const read = async (view: string): Promise<unknown> =>
    (
      await db.exec(
        'SELECT cast(first_ts AS LONG), cast(last_ts AS LONG), first_dt_us, dt_us, step_count, power_watts_min' +
          ` FROM ${lane.table}_${view} ORDER BY ts`,
      )
    ).rows;
  const [first, last] = [START_US, START_US + 119e6];
  expect(await read('1m')).toEqual([
    [first, START_US + 40e6, 0, 10e6, 1, 50],
    [START_US + 60e6, last, 20e6, 79e6, 2, 60],
  ]);
  for (const view of ['1h', '1d']) expect(await read(view)).toEqual([[first, last, 0, 89e6, 3, 50]]);
});

test('a histogram holds how long owned devices were in each bar, by hour and by day, and follows a re-label', async () => {
  await applySchema(db, [lane], RETENTION);
  const row = (second: number, job: string, watts: string): string =>
    `${lane.table},node=n1,gpu=g1 ${job},dt_us=1000000i,power_watts=${watts} ${START_US + second * 1e6}t\n`;
  const owned = 'job_id="7",owners=1i';
  await sendRows(
    db,
    [
      row(1, owned, '4.9'),
      row(2, owned, '5'),
      row(3, owned, '9.99'),
      row(4, owned, 'NaN'),
      row(5, 'owners=0i', '5'),
      row(6, 'owners=2i,owner_set=4611686018427387905i', '700'),
    ].join(''),
  );
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], START_US + DAY_US);
  const read = async (view: string): Promise<unknown> =>
    (
      await db.exec(
        `SELECT job_id, cast(owner_set AS STRING), bar, row_count, dt_us FROM ${lane.table}_power_watts_hist_${view} ORDER BY bar, job_id`,
      )
    ).rows;
  const bars = [
    ['7', null, 0, 1, 1e6],
    ['7', null, 1, 2, 2e6],
    [null, '4611686018427387905', 140, 1, 1e6],
  ];
  for (const view of ['1h', '1d']) expect(await read(view)).toEqual(bars);
  await sendRows(db, row(2, 'owners=0i', '5'));
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], START_US + DAY_US);
  const fewer = [bars[0], ['7', null, 1, 1, 1e6], bars[2]];
  for (const view of ['1h', '1d']) expect(await read(view)).toEqual(fewer);
});
