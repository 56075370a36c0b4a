/** Rows of the small tables on a real QuestDB. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Notice } from '../../../src/core/base/notice.ts';
import type { Sink } from '../../../src/core/wire/sink.ts';
import { withBisect } from '../../../src/delivery/with-bisect.ts';
import { fateOf } from '../../helpers/send-rows.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { readOwnerSets } from '../../../src/questdb/reads/owner-sets.ts';
import { withKnownSets } from '../../../src/questdb/rows/known-sets.ts';
import { encodeOwnerSets, type OwnerSetRow } from '../../../src/questdb/rows/owner-set-rows.ts';
import { createRowBuffer } from '../../../src/questdb/rows/row-buffer.ts';
import { createSmallTables } from '../../../src/questdb/rows/small-tables.ts';
import { timestampUs } from '../../../schemas/questdb-reply.ts';

const START_US = 1_763_700_000_123_456;
/** The server is shared between test files: every row carries this. */
const NODE = `small-${randomUUID().slice(0, 8)}`;
const ODD = 'a "b" c,d=e\\f\nline\u{1f600}';

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [], { raw: '14 DAYS', rollup1m: '90 DAYS', rollup1h: '2 YEARS', rollup1d: '' });
});
afterAll(async () => {
  await db.close();
});

/** The rows of this file in `table`, as objects without their NULLs. */
async function rowsOf(table: string, where = `node = '${NODE}'`): Promise<Record<string, unknown>[]> {
  await waitForVisible(db, table);
  const { columns, rows } = await db.exec(`SELECT * FROM ${table} WHERE ${where} ORDER BY ts`);
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name }, i) => [name, row[i]] as const).filter(([, value]) => value !== null),
    ),
  );
}

/** Rows that the store does not take now are given again, as every caller does; what it said is printed. */
async function taken(write: () => Promise<boolean>): Promise<void> {
  await expect.poll(write).toBe(true);
}

describe('rows arrive as they are', () => {
  const tables = (): ReturnType<typeof createSmallTables> =>
    createSmallTables(db, ({ sentence }) => process.stderr.write(`${sentence}\n`));

  test('shared use: sums that grow replace those of before, also of users without a job', async () => {
    const sums = { smUseSeconds: 0.5, memoryByteSeconds: NaN, seenUs: 9e6, processes: 2 };
    const user = { node: NODE, gpu: 'GPU-1', fromUs: START_US, toUs: START_US + 10e6, ...sums };
    const seen = { ...user, kind: 'job', jobId: ODD } as const;
    const nobody = { ...user, kind: 'no_job' } as const;
    await taken(() => tables().writeSharedUse([seen, nobody, { ...nobody, kind: 'mps_server' }]));
    await taken(() => tables().writeSharedUse([{ ...nobody, smUseSeconds: 0.75, toUs: START_US + 20e6 }]));
    const rows = await rowsOf('gpu_shared_use');
    const byKind = rows.sort((a, b) => String(a['kind']).localeCompare(String(b['kind'])));
    expect(byKind).toMatchObject([
      { kind: 'job', job_id: ODD, sm_use_seconds: 0.5, seen_us: 9e6, processes: 2 },
      { kind: 'mps_server', sm_use_seconds: 0.5 },
      { kind: 'no_job', sm_use_seconds: 0.75 },
    ]);
    expect(timestampUs(byKind[2]!['end_ts'])).toBe(START_US + 20e6);
    expect(byKind[0]).not.toHaveProperty('memory_byte_seconds');
  });

  test('owner sets: all digits of the id, a share that is not known, and what is told anew in place', async () => {
    const shares = [1 / 3, NaN, 0.1 + 0.2];
    const set = { ownerSet: '9223372036854775807', startUs: START_US, gpu: 'GPU a,b', cluster: 'c d' };
    const rows = shares.map((share, index): OwnerSetRow => ({
      ...{ ...set, jobId: index === 1 ? ODD : `${index}`, share, part: share || 0.25 },
      ...{ sharing: index === 1 ? 'equal' : 'stated', isScaled: index === 2 },
    }));
    await taken(() => tables().writeOwnerSets(rows));
    const measured = { ...rows[1]!, part: 0.75, sharing: 'measured' } as const;
    await taken(() => tables().writeOwnerSets([measured]));
    const other = { ...rows[0]!, ownerSet: '9223372036854775806', startUs: START_US + 1 };
    const { ownerSet, startUs, gpu, jobId, share, part, sharing, isScaled } = other;
    const without: OwnerSetRow = { ownerSet, startUs, gpu, jobId, share, part, sharing, isScaled };
    await taken(() => tables().writeOwnerSets([without]));
    await waitForVisible(db, 'gpu_owner_sets');
    const byJob = (a: OwnerSetRow, b: OwnerSetRow): number => (a.jobId < b.jobId ? -1 : 1);
    expect((await readOwnerSets(db, [set])).sort(byJob)).toEqual([rows[0]!, measured, rows[2]!].sort(byJob));
    expect(await readOwnerSets(db, [other])).toEqual([without]);
    expect(await readOwnerSets(db, [{ ...other, ownerSet: '7' }])).toEqual([]);
  });

  test('owner sets: those that are stored whole are left as they are', async () => {
    const known = withKnownSets(db, tables());
    const setOf = (id: string, part: number): OwnerSetRow[] =>
      ['a', 'b'].map((jobId) => ({
        ...{ ownerSet: id, startUs: START_US + Number(id), gpu: NODE, jobId, share: NaN, part },
        ...{ sharing: 'equal', isScaled: false },
      }));
    const partsOf = async (...ids: readonly string[]): Promise<unknown[]> => {
      await waitForVisible(db, 'gpu_owner_sets');
      const sets = ids.flatMap((id) => setOf(id, 0));
      return (await readOwnerSets(db, sets)).map(({ ownerSet, part }) => [ownerSet, part]).sort();
    };
    await taken(() => known.writeOwnerSets([...setOf('1', 0.1), setOf('2', 0.1)[0]!]));
    await waitForVisible(db, 'gpu_owner_sets');
    await taken(() => known.writeOwnerSets(['1', '2', '3'].flatMap((id) => setOf(id, 0.9))));
    expect(await partsOf('1', '2', '3')).toEqual([
      ...[
        ['1', 0.1],
        ['1', 0.1],
        ['2', 0.9],
        ['2', 0.9],
      ],
      ...[
        ['3', 0.9],
        ['3', 0.9],
      ],
    ]);
    await taken(() => known.writeOwnerSets([]));
  });

  test('owner sets: are the bytes of the official client, as far as its numbers go', () => {
    const [ownerSet, cluster] = ['4611686018427387', 'a b'];
    const row = { ownerSet, cluster, startUs: START_US, gpu: 'GPU,1', jobId: ODD, part: 0.7 } as const;
    const rows = [0.3, NaN].map((share): OwnerSetRow => ({
      ...{ ...row, share },
      ...{ sharing: 'measured', isScaled: true },
    }));
    const buffer = createRowBuffer('gpu_owner_sets');
    for (const { share } of rows) {
      buffer.row().symbol('cluster', cluster).symbol('gpu', row.gpu).symbol('sharing', 'measured');
      buffer.long('owner_set', Number(ownerSet)).text('job_id', ODD).double('share', share);
      buffer.double('part', 0.7).long('scaled', 1).at(START_US);
    }
    expect(Buffer.compare(encodeOwnerSets(rows), buffer.bytes())).toBe(0);
  });

  test('ownership: an open interval of unknown share has neither end nor share', async () => {
    const closed = {
      node: NODE,
      gpu: 'GPU-1',
      jobId: ODD,
      run: 2,
      share: 0.25,
      source: 'journal',
      startUs: START_US,
      endUs: START_US + 1,
    };
    const open = { ...closed, gpu: 'GPU-2', run: 0, share: NaN, startUs: START_US + 5, endUs: Infinity };
    await taken(() => tables().writeOwnership([closed, open]));
    const [first, second] = await rowsOf('gpu_ownership');
    expect(first).toMatchObject({ gpu: 'GPU-1', job_id: ODD, run: 2, share: 0.25, source: 'journal' });
    expect([timestampUs(first!['ts']), timestampUs(first!['end_ts'])]).toEqual([START_US, START_US + 1]);
    expect(second).toEqual({
      ts: expect.any(String) as string,
      node: NODE,
      gpu: 'GPU-2',
      job_id: ODD,
      run: 0,
      source: 'journal',
    });
  });

  test('ownership: the end of an interval replaces its open row', async () => {
    const open = {
      node: `${NODE}-b`,
      gpu: 'GPU-9',
      jobId: '7',
      run: 0,
      share: 1,
      source: 'journal',
      startUs: START_US,
      endUs: Infinity,
    };
    await taken(() => tables().writeOwnership([open]));
    await taken(() => tables().writeOwnership([{ ...open, endUs: START_US + 60e6 }]));
    const rows = await rowsOf('gpu_ownership', `node = '${NODE}-b'`);
    expect(rows.map((row) => timestampUs(row['end_ts']))).toEqual([START_US + 60e6]);
  });

  test('jobs: what is not known is NULL, an exit code of 0 is 0', async () => {
    const jobId = `${NODE}-job`;
    await taken(() =>
      tables().writeJobs([
        {
          jobId,
          run: 1,
          startUs: START_US,
          endUs: START_US + 9e6,
          name: '',
          user: 'ada',
          account: 'physics',
          arrayTaskId: '3',
          state: 'COMPLETED',
          exitCode: 0,
          gpus: 16,
        },
      ]),
    );
    const [row] = await rowsOf('jobs', `job_id = '${jobId}'`);
    expect(row).toEqual({
      ts: expect.any(String) as string,
      end_ts: expect.any(String) as string,
      job_id: jobId,
      run: 1,
      user: 'ada',
      account: 'physics',
      array_task_id: '3',
      state: 'COMPLETED',
      exit_code: 0,
      gpus: 16,
    });
  });

  test('inventory: a GPU and a MIG instance of it', async () => {
    const gpu = {
      uuid: 'GPU-1',
      node: NODE,
      index: 0,
      model: 'H200',
      memoryBytes: 150_754_820_096,
      driver: '570.1',
      pciBusId: '0:1',
      facts: {
        ...{ brand: 'NVIDIA', serial: '165', vbiosVersion: '96.0', inforomImageVersion: 'G520' },
        ...{ inforomOemVersion: '2.1', inforomEccVersion: '7.16', inforomPowerVersion: '3.0' },
        ...{ nvmlVersion: '13.5', processName: 'nv-hostengine' },
      },
    };
    const mig = {
      uuid: 'MIG-1',
      node: NODE,
      index: 0,
      model: 'H200',
      memoryBytes: 18e9,
      parentUuid: 'GPU-1',
      migProfile: '1g.18gb',
    };
    await taken(() =>
      tables().writeInventory(
        [gpu, mig].map((device) => ({ tsUs: START_US, device, source: 'synthetic' as const })),
      ),
    );
    const rows = await rowsOf('gpu_inventory');
    expect(rows.find((row) => row['gpu'] === 'GPU-1')).toMatchObject({
      gpu_index: 0,
      memory_bytes: 150_754_820_096,
      source: 'synthetic',
      ...{ brand: 'NVIDIA', serial: '165', vbios_version: '96.0', inforom_image_version: 'G520' },
      ...{ inforom_oem_version: '2.1', inforom_ecc_version: '7.16', inforom_power_version: '3.0' },
      ...{ nvml_version: '13.5', process_name: 'nv-hostengine' },
    });
    expect(rows.find((row) => row['gpu'] === 'MIG-1')).toMatchObject({
      parent: 'GPU-1',
      mig_profile: '1g.18gb',
    });
  });

  test('events: those of a whole node have no gpu, and two nodes do not replace each other', async () => {
    const event = {
      tsUs: START_US,
      node: NODE,
      kind: 'engine_lost',
      subject: 'nv-hostengine',
      text: 'gone',
      jobId: null,
    } as const;
    await taken(() =>
      tables().writeEvents([
        event,
        { ...event, node: `${NODE}-c` },
        { ...event, gpu: 'GPU-1', kind: 'xid', code: 79, jobId: '7' },
      ]),
    );
    const rows = await rowsOf('gpu_events', `node LIKE '${NODE}%'`);
    expect(rows).toHaveLength(3);
    expect(rows.find((row) => row['gpu'] === 'GPU-1')).toMatchObject({
      kind: 'xid',
      code: 79,
      job_id: '7',
      text: 'gone',
    });
    expect(rows.filter((row) => row['gpu'] === undefined)).toHaveLength(2);
    await taken(() => tables().writeEvents([event]));
    expect(await rowsOf('gpu_events', `node LIKE '${NODE}%'`)).toHaveLength(3);
  });

  test('collector_stats: what was not measured is NULL, not 0', async () => {
    // Of today: this table is not kept for ever, and what other tests write there today ages older rows out.
    const tsUs = Date.now() * 1000;
    await taken(() =>
      tables().writeCollectorStats([
        {
          tsUs,
          node: NODE,
          lane: 'profiling',
          source: 'dcgm',
          sampledRows: 10,
          acknowledgedRows: 8,
          heldRows: 2,
          refusedRows: 0,
          droppedRows: 0,
          cpuRatio: 0.01,
        },
      ]),
    );
    const [row] = await rowsOf('collector_stats');
    expect(row).toMatchObject({
      sampled_rows: 10,
      acknowledged_rows: 8,
      held_rows: 2,
      refused_rows: 0,
      cpu_ratio: 0.01,
    });
    expect(row).not.toHaveProperty('spooled_rows');
    expect(row).not.toHaveProperty('rss_bytes');
  });
});

describe('what the store does not take', () => {
  const interval = {
    node: `${NODE}-d`,
    gpu: 'GPU-1',
    jobId: '1',
    run: 0,
    share: 1,
    source: 'journal',
    startUs: START_US,
    endUs: Infinity,
  };

  test('false means: the same rows again; nothing is lost and nothing doubles', async () => {
    let isDown = true;
    const told: Notice[] = [];
    const sink: Sink = {
      send: (batch) => (isDown ? Promise.resolve(fateOf(batch, 'store')) : db.send(batch)),
    };
    const tables = createSmallTables(sink, (notice) => told.push(notice));
    expect(await tables.writeOwnership([interval])).toBe(false);
    expect(told.map(({ code }) => code)).toEqual(['small_table.held']);
    isDown = false;
    expect(await tables.writeOwnership([interval])).toBe(true);
    expect(await tables.writeOwnership([interval])).toBe(true);
    expect(await rowsOf('gpu_ownership', `node = '${NODE}-d'`)).toHaveLength(1);
  });

  test('a refused row is a dead letter, the others are written', async () => {
    const refused: string[] = [];
    // In this table an end is a number, so that rows with an end are refused and open ones are taken.
    const table = `small_${randomUUID().slice(0, 8)}`;
    await db.exec(
      `CREATE TABLE ${table} (ts TIMESTAMP, node SYMBOL, gpu SYMBOL, source SYMBOL, end_ts DOUBLE, job_id VARCHAR,
        run LONG, share DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL`,
    );
    const renamed: Sink = {
      send({ body, rows }) {
        const text = Buffer.from(body).toString('latin1').replaceAll('gpu_ownership', table);
        return db.send({ table, body: new Uint8Array(Buffer.from(text, 'latin1')), rows });
      },
    };
    const letters = {
      add: (_table: string, _rows: number, body: Uint8Array) => refused.push(Buffer.from(body).toString()),
    };
    const tables = createSmallTables(withBisect(renamed, letters, () => undefined));
    const rows = Array.from({ length: 9 }, (_, i) => ({
      ...interval,
      jobId: `job${i}`,
      startUs: START_US + i,
    }));
    rows[4] = { ...rows[4]!, jobId: 'bad', endUs: START_US + 60e6 };
    const taken = await tables.writeOwnership(rows);
    expect(taken).toBe(true);

    expect(refused).toHaveLength(1);
    expect(refused[0]).toContain('"bad"');
    expect(await rowsOf(table, `job_id LIKE 'job%'`)).toHaveLength(8);
    await db.exec(`DROP TABLE ${table}`);
  });
});
