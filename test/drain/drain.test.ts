import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatJournalRecord } from '../../schemas/journal-record.ts';
import type { DrainSummary } from '../../src/drain/drain.ts';
import { CHILD_VARIABLE } from '../../src/drain/frames.ts';
import type { DeadLetterLine } from '../../src/disk/dead-letter.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { createFakeEngines, type FakeEngines } from '../helpers/fake-engines.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { sendRows } from '../helpers/send-rows.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

const SECOND = 1_000_000;
let server: TestQuestdb;
let db: QuestDb;
let engines: FakeEngines;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 20_000 });
});
afterAll(async () => {
  await db.close();
  await server.stop();
});
let serial = 0;
beforeEach(() => {
  env = {};
  engines = createFakeEngines();
  serial += 1;
});
afterEach(() => {
  engines.close();
});

/** For one test: another environment. */
let env: Record<string, string> = {};

async function drain(...args: string[]): Promise<Ended> {
  // A deadline that no machine is too slow for.
  const patient = ['drain', '--config', 'test/fixtures/drain.yaml', '--deadline', '5m'];
  return await runCommand([...patient, ...args], {
    env: {
      ...engines.env,
      QDB_CLIENT_CONF: server.conf,
      GPULEDGER_JOBS_JOURNAL_DIR: `${engines.directory}/none`,
      ...env,
    },
  });
}

async function drained(...args: string[]): Promise<DrainSummary> {
  const { exitCode, stdout, stderr } = await drain('--json', ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as DrainSummary;
}

async function query(sql: string): Promise<readonly (readonly unknown[])[]> {
  for (const table of ['gpu_profiling', 'gpu_events', 'gpu_ownership']) await waitForVisible(db, table);
  return (await db.exec(sql)).rows;
}

/** Stamps of the profiling rows of one GPU, epoch µs. */
async function stampsOf(gpu: number): Promise<number[]> {
  const uuid = uuidOf(gpu);
  const rows = await query(`SELECT cast(ts AS long) FROM gpu_profiling WHERE gpu = '${uuid}' ORDER BY ts`);
  return rows.map(([us]) => Number(us));
}

function uuidOf(gpu: number): string {
  return `GPU-${String(serial).padStart(8, '0')}-fade-4000-8000-${String(gpu).padStart(12, '0')}`;
}

const ENGINE = 'localhost:5555';

/** An engine that has sampled for a minute, and whose watches stand. */
async function startWatched(gpus = 2): Promise<void> {
  engines.start(ENGINE, { serial, gpus });
  await drained();
  engines.backdate(ENGINE, 60 * SECOND);
}

/** Stamp k of a series of 1 Hz: the fake's clock runs 0.04 % slow. */
function stampAt(sinceUs: number, k: number): number {
  return k === 0 ? sinceUs : sinceUs + SECOND - 1 + (k - 1) * 1_000_400;
}

function expectEveryStamp(stamps: readonly number[], sinceUs: number): void {
  expect(stamps).toEqual(stamps.map((_, k) => stampAt(sinceUs, k)));
}

describe('gpuledger drain, one engine', () => {
  it('places the watches at first, and then fetches everything that was kept, once', async () => {
    engines.start(ENGINE, { serial, gpus: 2 });
    const first = await drained();
    expect(first).toMatchObject({ engines: { asked: 1, drained: 1, failed: 0 }, rows: 0, lagSeconds: null });
    engines.backdate(ENGINE, 60 * SECOND);
    const second = await drained();
    const stamps = await stampsOf(0);
    expect(stamps.length).toBeGreaterThanOrEqual(58);
    expectEveryStamp(stamps, engines.sampledSinceUs(ENGINE, 0, 1001)!);
    expect(second.gaps.count).toBe(0);
    expect(second.reports[0]).toMatchObject({ node: 'n1', version: '4.6.0', devices: 2, areJobsTold: false });
    // A row of another second.
    await sleep(1_100);
    const third = await drained();
    expectEveryStamp(await stampsOf(1), engines.sampledSinceUs(ENGINE, 1, 1001)!);
    const whole = await query(
      `SELECT count(), count(CASE WHEN dt_us = 0 THEN 1 END), count(CASE WHEN energy_rise_joules IS NULL THEN 1 END),
       min(CASE WHEN dt_us > 0 THEN energy_rise_joules * 1e6 / dt_us END), max(CASE WHEN dt_us > 0 THEN energy_rise_joules * 1e6 / dt_us END)
       FROM gpu_profiling WHERE gpu = '${uuidOf(0)}'`,
    );
    const [count, withoutDt, withoutRise, wattsMin, wattsMax] = whole[0]!.map(Number);
    // Only the first row of all has none before it: dt and energy go on over the border of two drains.
    expect({ withoutDt, withoutRise }).toEqual({ withoutDt: 1, withoutRise: 1 });
    expect(count).toBe(stamps.length + third.reports[0]!.lanes[0]!.rows / 2);
    expect(wattsMin).toBeGreaterThan(495);
    expect(wattsMax).toBeLessThan(505);
    expect(third.nextWatermark! > second.nextWatermark!).toBe(true);
  });

  it('counts the values that cannot be, in its answer and in collector_stats', async () => {
    // An int32 blank as used memory, in every row.
    engines.start(ENGINE, { serial, gpus: 2, step_field: 252, step_value: 0x7fff_fff2 });
    await drained();
    engines.backdate(ENGINE, 60 * SECOND);
    const summary = await drained();
    const [profiling, device] = summary.reports[0]!.lanes;
    expect(profiling!.rows).toBeGreaterThan(100);
    expect(profiling!.implausibleValues).toBe(profiling!.rows);
    expect([device!.implausibleValues, summary.implausibleValues]).toEqual([0, profiling!.rows]);
    await waitForVisible(db, 'collector_stats');
    const stats = await db.exec(
      'SELECT lane, implausible_values FROM collector_stats WHERE lane IS NOT NULL LATEST ON ts PARTITION BY lane ORDER BY lane',
    );
    expect(stats.rows).toEqual([
      ['device', 0],
      ['profiling', profiling!.rows],
    ]);
    const told = await query(
      `SELECT gpu, subject FROM gpu_events WHERE kind = 'implausible' AND gpu IN ('${uuidOf(0)}', '${uuidOf(1)}') ORDER BY gpu`,
    );
    expect(told).toEqual([0, 1].map((gpu) => [uuidOf(gpu), 'fb_used_bytes']));
    await sleep(1_100);
    expect((await drain()).stdout).toMatch(
      /\n\d+ values could not be true and are NULL: gpu_events tells which/,
    );
  });

  it('records what the engine no longer has as a gap with its length', async () => {
    await startWatched();
    await drained();
    const before = await stampsOf(0);
    engines.start(ENGINE, { serial, gpus: 2 });
    await drained();
    // Rows are final 2.5 s after their stamp.
    await sleep(4_000);
    const { gaps } = await drained();
    const sinceUs = engines.sampledSinceUs(ENGINE, 0, 1001)!;
    const told = await query(
      `SELECT cast(ts AS long), cast(end_ts AS long), text FROM gpu_events WHERE kind = 'gap' AND gpu = '${uuidOf(0)}' AND subject = 'profiling'`,
    );
    const after = (await stampsOf(0)).filter((us) => us > before.at(-1)!);
    expect(told.map(([from, to]) => [Number(from), Number(to)])).toEqual([[before.at(-1), after[0]]]);
    expect(after[0]).toBeGreaterThanOrEqual(sinceUs);
    expect(gaps.count).toBeGreaterThanOrEqual(2);
  });

  it('fetches a long past of MIG instances over TCP, where no large reply may wait for its acknowledgement', async () => {
    // Longer than a drain waits for an engine.
    engines.start(ENGINE, { serial, gpus: 1, mig: 1, instances: 2, stall_ms: 600_000 });
    await drained('--keep', '30m');
    engines.backdate(ENGINE, 20 * 60 * SECOND);
    const { reports, rows } = await drained('--keep', '30m');
    // Two instances, and their GPU beside them.
    expect(reports[0]!.devices).toBe(3);
    expect(rows).toBeGreaterThan(3 * 1_000);
  });

  it('fetches and writes nothing in a dry run', async () => {
    await startWatched();
    const dry = await drained('--dry-run');
    expect(dry).toMatchObject({ isDryRun: true });
    expect(dry.rows).toBeGreaterThan(116);
    expect(await stampsOf(0)).toEqual([]);
    const { stdout } = await drain('--dry-run');
    expect(stdout).toMatch(/^1 of 1 engines in \S+ s: would fetch 1\d\d rows, no gaps/);
  });

  it('looks back no further than the window, and begins at --since', async () => {
    await startWatched();
    expect((await drained('--since', '20s', '--dry-run')).reports[0]!.lanes[0]!.rows).toBeLessThan(2 * 21);
    await drained('--window', '10s');
    const stamps = await stampsOf(0);
    expect(stamps.length).toBeLessThanOrEqual(11);
    expect(stamps.length).toBeGreaterThanOrEqual(5);
  });

  /** A record of the journal of n1, written at that time. */
  function put(event: 'start' | 'end', job: string, gpu: number, atUs: number): void {
    const journal = join(engines.directory, 'journals/n1');
    mkdirSync(journal, { recursive: true });
    const path = join(journal, `${job}.${event}.1.job`);
    const boot = {
      boot_id: '11111111-1111-4111-8111-111111111111',
      uptime: String((atUs - engines.sampledSinceUs(ENGINE, 0, 1001)!) / SECOND + 1000),
    };
    const record = { event, manager: 'shell', job, node: 'n1', devices: uuidOf(gpu), share: '1', ...boot };
    writeFileSync(path, formatJournalRecord(record));
    utimesSync(path, atUs / SECOND, atUs / SECOND);
  }

  it('keeps the figures of jobs that have settled, once', async () => {
    engines.start(ENGINE, { serial, gpus: 2 });
    await drained('--keep', '30m');
    engines.backdate(ENGINE, 20 * 60 * SECOND);
    const sinceUs = engines.sampledSinceUs(ENGINE, 0, 1001)!;
    const job = `figures-${serial}`;
    put('start', job, 0, sinceUs + 20.5 * SECOND);
    put('end', job, 0, sinceUs + 60.5 * SECOND);
    put('start', `${job}-late`, 1, sinceUs + 20.5 * SECOND);
    put('end', `${job}-late`, 1, sinceUs + 19 * 60 * SECOND);
    const args = ['--keep', '30m', '--journal', join(engines.directory, 'journals')];
    await drained(...args);
    await waitForVisible(db, 'job_figures');
    const kept = async (): Promise<readonly (readonly unknown[])[]> =>
      await query(
        `SELECT job_id, samples, dt_us, power_joules, written_ts FROM job_figures WHERE job_id LIKE '${job}%'`,
      );
    const [[count, dtUs, joules]] = (await query(
      `SELECT count(), sum(dt_us), sum(power_watts * dt_us) / 1e6 FROM gpu_profiling WHERE job_id = '${job}'`,
    )) as [[number, number, number]];
    const rows = await kept();
    expect(rows.map((row) => row.slice(0, 3))).toEqual([[job, count, dtUs]]);
    expect(Number(rows[0]![3]) / joules).toBeCloseTo(1, 9);
    expect(count).toBe(40);
    await drained(...args);
    expect(await kept()).toEqual(rows);
  });

  it('labels by the journal of the node, and labels again what is told late, all in its cluster', async () => {
    env = { GPULEDGER_CLUSTER: 'alpha' };
    await startWatched();
    const sinceUs = engines.sampledSinceUs(ENGINE, 0, 1001)!;
    const startUs = sinceUs + 20.5 * SECOND;
    put('start', '77', 0, startUs);
    const args = ['--journal', join(engines.directory, 'journals')];
    expect((await drained(...args)).reports[0]!.areJobsTold).toBe(true);
    const labels = async (gpu: number): Promise<string[]> => {
      const rows = await query(
        `SELECT job_id, owners FROM gpu_profiling WHERE gpu = '${uuidOf(gpu)}' ORDER BY ts`,
      );
      return rows.map(([job, owners]) => `${typeof job === 'string' ? job : '-'}/${String(owners)}`);
    };
    const stamps = await stampsOf(0);
    expect(await labels(0)).toEqual(stamps.map((us) => (us > startUs ? '77/1' : '-/0')));
    expect(new Set(await labels(1))).toEqual(new Set(['-/0']));
    // The end comes after its samples were stored; another job is told altogether late.
    const endUs = sinceUs + 40.5 * SECOND;
    put('end', '77', 0, endUs);
    put('start', '78', 1, sinceUs + 10.5 * SECOND);
    await drained(...args);
    expect((await labels(0)).slice(0, stamps.length)).toEqual(
      stamps.map((us) => (us > startUs && us <= endUs ? '77/1' : '-/0')),
    );
    expect((await labels(1)).filter((label) => label === '-/0')).toHaveLength(11);
    const owned = await query(
      `SELECT job_id, cast(end_ts AS long) FROM gpu_ownership WHERE gpu = '${uuidOf(0)}'`,
    );
    expect(owned.map(([job, end]) => [job, Math.abs(Number(end) - endUs) < 10])).toEqual([['77', true]]);
    for (const table of ['gpu_profiling', 'gpu_inventory', 'gpu_ownership']) {
      const clusters = await query(`SELECT DISTINCT cluster FROM ${table} WHERE gpu = '${uuidOf(0)}'`);
      expect({ table, clusters }).toEqual({ table, clusters: [['alpha']] });
    }
    const facts = 'driver, serial, brand, vbios_version, nvml_version, process_name, inforom_power_version';
    expect(await query(`SELECT DISTINCT ${facts} FROM gpu_inventory WHERE gpu = '${uuidOf(0)}'`)).toEqual([
      ['595.45.04', '1650423001234', 'NVIDIA', '96.00.A5.00.01', '13.595.45.04', 'nv-hostengine', null],
    ]);
    expect(await query("SELECT count() > 0 FROM collector_stats WHERE cluster = 'alpha'")).toEqual([[true]]);
  });

  it('labels by gpu_ownership where there is no journal', async () => {
    await startWatched();
    const sinceUs = engines.sampledSinceUs(ENGINE, 0, 1001)!;
    const at = (us: number): string => `cast(${us} AS timestamp)`;
    await db.exec(
      `INSERT INTO gpu_ownership (ts, end_ts, node, gpu, job_id, run, share, source) VALUES (${at(sinceUs + 30_500_000)}, NULL, 'n1', '${uuidOf(0)}', '91', 0, 1.0, 'push')`,
    );
    await waitForVisible(db, 'gpu_ownership');
    await drained();
    const rows = await query(
      `SELECT job_id, cast(ts AS long) FROM gpu_profiling WHERE gpu = '${uuidOf(0)}' ORDER BY ts`,
    );
    for (const [job, us] of rows) expect(job).toBe(Number(us) > sinceUs + 30_500_000 ? '91' : null);
    expect(rows.filter(([job]) => job === '91').length).toBeGreaterThan(20);
  });

  it('follows a spell of throttling over the border of drains, as one event', async () => {
    await startWatched(1);
    await drained();
    const spells = async (): Promise<(string | null)[]> => {
      const rows = await query(
        `SELECT end_ts, subject FROM gpu_events WHERE kind = 'throttle' AND gpu = '${uuidOf(0)}' ORDER BY ts`,
      );
      return rows.map(([end, subject]) => (end === null ? `${String(subject)} open` : String(subject)));
    };
    expect(await spells()).toEqual([]);
    engines.set(ENGINE, 'throttle', 0x40);
    engines.set(ENGINE, 'throttle_from_us', Date.now() * 1000 - SECOND);
    await sleep(2_000);
    await drained();
    expect(await spells()).toEqual(['hw_thermal_slowdown open']);
    await sleep(2_000);
    await drained();
    expect(await spells()).toEqual(['hw_thermal_slowdown open']);
    engines.set(ENGINE, 'throttle_to_us', Date.now() * 1000);
    await sleep(2_000);
    // Also when the cluster becomes known meanwhile: the row keeps the key that it has.
    env = { GPULEDGER_CLUSTER: 'alpha' };
    await drained();
    expect(await spells()).toEqual(['hw_thermal_slowdown']);
  });

  it('does no harm when two come at once', async () => {
    await startWatched();
    const both = await Promise.all([drained(), drained()]);
    // Each may find what the other has stored already.
    expect(both[0].rows + both[1].rows).toBeGreaterThan(116);
    expectEveryStamp(await stampsOf(0), engines.sampledSinceUs(ENGINE, 0, 1001)!);
    expectEveryStamp(await stampsOf(1), engines.sampledSinceUs(ENGINE, 1, 1001)!);
  });

  it('takes a stored row of the future for a clock that was set back', async () => {
    await startWatched();
    const futureUs = Date.now() * 1000 + 3600 * SECOND;
    await db.exec(
      `INSERT INTO gpu_profiling (ts, node, gpu, owners, dt_us) VALUES (cast(${futureUs} AS timestamp), 'n1', '${uuidOf(0)}', 0, 0)`,
    );
    await waitForVisible(db, 'gpu_profiling');
    await drained();
    const stamps = (await stampsOf(0)).filter((us) => us < futureUs);
    // From its own now less 2 s the engine is followed again.
    expect(stamps.length).toBeLessThanOrEqual(2);
    expect((await stampsOf(1)).length).toBeGreaterThan(55);
  });
});

describe('gpuledger drain refuses and explains', () => {
  const failing = async (args: string[]): Promise<{ exitCode: number | null; text: string }> => {
    const { exitCode, stdout, stderr } = await drain(...args);
    return { exitCode, text: stdout + stderr };
  };

  it('an engine that is not there', async () => {
    const { exitCode, text } = await failing(['-r', '127.0.0.1:1']);
    expect(text).toContain('failed: n1 (127.0.0.1:1): no host engine: nothing listens there');
    expect(exitCode).toBe(75);
  });

  it('a host and a socket that are not there', async () => {
    const { exitCode, text } = await failing(['-r', 'nowhere.invalid:5555', '-r', 'unix:///nowhere/engine']);
    expect(text).toContain(
      'failed: nowhere (nowhere.invalid:5555): no host engine: there is no host of that name',
    );
    expect(text).toContain('failed: n1 (unix:///nowhere/engine): no host engine: there is no such socket');
    expect(exitCode).toBe(75);
  });

  it('rows of a table with a column of a wrong type: they are dead letters, all others are written', async () => {
    await startWatched();
    const stateDir = join(engines.directory, 'state');
    env = { GPULEDGER_STATE_DIR: stateDir };
    const become = (type: string) =>
      db.exec(`ALTER TABLE gpu_device ALTER COLUMN gpu_temp_celsius TYPE ${type}`);
    await become('BOOLEAN');
    let isMended = false;
    try {
      const { exitCode, stdout, stderr } = await drain('--json');
      expect(exitCode).toBe(65);
      const summary = JSON.parse(stdout) as DrainSummary;
      expect(summary).toMatchObject({ engines: { drained: 1, failed: 0 }, exit: 'data' });
      const [profiling, device] = summary.reports[0]!.lanes;
      expect(profiling!.refusedRows).toBe(0);
      expect(await stampsOf(0)).toHaveLength(profiling!.rows / 2);
      expect(device!.rows).toBe(0);
      expect(device!.refusedRows).toBeGreaterThanOrEqual(10);
      expect(summary.refusedRows).toBe(device!.refusedRows);

      const letters = readFileSync(join(stateDir, 'dead-letter/gpu_device.jsonl'), 'utf8').trimEnd();
      const lines = letters.split('\n').map((line) => JSON.parse(line) as DeadLetterLine);
      expect(lines.reduce((sum, { rows }) => sum + rows, 0)).toBe(device!.refusedRows);
      expect(lines[0]!.reason).toContain('column: gpu_temp_celsius; cast error');
      expect(stderr).toContain('ALTER TABLE "gpu_device" ALTER COLUMN "gpu_temp_celsius" TYPE DOUBLE');
      await waitForVisible(db, 'collector_stats');
      const stats = await db.exec(
        `SELECT lane, sampled_rows, acknowledged_rows, refused_rows FROM collector_stats WHERE refused_rows > 0`,
      );
      expect(stats.rows).toEqual([['device', device!.refusedRows, 0, device!.refusedRows]]);

      // What is mended can be posted again, as the dead letters say.
      await become('DOUBLE');
      isMended = true;
      for (const { body } of lines)
        expect((await sendRows(db, Buffer.from(body, 'base64'))).unsent).toBeUndefined();
      await waitForVisible(db, 'gpu_device');
      const [[count]] = (
        await db.exec(`SELECT count() FROM gpu_device WHERE gpu IN ('${uuidOf(0)}', '${uuidOf(1)}')`)
      ).rows as [[number]];
      expect(count).toBe(device!.refusedRows);
    } finally {
      if (!isMended) await become('DOUBLE');
    }
  });

  it('a port that speaks something else', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => undefined); // whoever asked may hang up first
      socket.end('SSH-2.0-other\r\n');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const { exitCode, text } = await failing(['-r', `127.0.0.1:${port}`]);
    other.close();
    expect(text).toContain(
      'no host engine: something listens there, but it does not answer as a host engine',
    );
    expect(exitCode).toBe(75);
  });

  it('an engine of another major version, and one without a GPU', async () => {
    engines.start('old:5555', { serial, engine_major: 3, engine_minor: 3 });
    engines.start('empty:5555', { serial, gpus: 0 });
    const { exitCode, text } = await failing(['-r', 'old:5555', '-r', 'empty:5555']);
    expect(text).toContain('failed: old (old:5555): the engine is DCGM 3.3.0 and the library here is 4.6.0');
    expect(text).toContain('failed: empty (empty:5555): the engine has no GPU that is selected');
    expect(exitCode).toBe(69);
  });

  it.each([
    [
      ['--keep', '10s'],
      '--keep 10s is too short for lane "device", which samples every 10 s',
      'write at least --keep 30s',
    ],
    [['--deadline', '200ms'], 'a deadline of 200 ms is shorter than one round trip may take', 'at least 1s'],
    [['-r', 'a b'], 'engine "a b" is neither host, host:port nor unix:///path', 'port 5555'],
    [['-r', 'a=h:1', '-r', 'b=h:1'], 'engine h:1 is given for two nodes: a and b', ''],
    [['--engines', '/nowhere/engines.txt'], 'the list of engines cannot be read', ''],
  ])('%j', async (args, message, hint) => {
    const { exitCode, text } = await failing(args);
    expect(text).toContain(message);
    expect(text).toContain(hint);
    expect(exitCode).toBe(78);
  });

  it('says that profiling is paused, by the columns that are blank', async () => {
    await startWatched(1);
    engines.set(ENGINE, 'paused', 1);
    const { warnings } = await drained();
    expect(warnings.join('\n')).toContain('sm_active_ratio: blank');
  });

  it('says until when nothing is lost while QuestDB is down, and has placed the watches all the same', async () => {
    engines.start(ENGINE, { serial, gpus: 1 });
    env = { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' };
    const { exitCode, text } = await failing([]);
    expect(exitCode).toBe(75);
    expect(text).toMatch(
      /nothing is lost yet: what the engines sample now they keep until \d{4}-\S+ \S+ UTC \(--keep 600s\)/,
    );
    expect(engines.sampledSinceUs(ENGINE, 0, 1001)).toBeDefined();
  });
});

describe('gpuledger drain, many engines', () => {
  it('waits for processes that are slow to start, as on a busy machine', async () => {
    const names = [1, 2, 3, 4, 5].map((k) => `gpu${k}:5555`);
    for (const [k, name] of names.entries()) engines.start(name, { serial: serial * 1000 + k, gpus: 1 });
    const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)';
    const slow = `data:text/javascript,if (process.env.${CHILD_VARIABLE}) ${wait}`;
    env = { NODE_OPTIONS: `--import "${slow}"` };
    const summary = await drained(...names.flatMap((name) => ['-r', name]), '--concurrency', '5');
    expect(summary.engines).toEqual({ asked: 5, drained: 5, failed: 0 });
  });

  it('drains the others when some refuse and some hang, and names those', async () => {
    const list = join(engines.directory, 'engines.txt');
    const names = [1, 2, 3, 4, 5, 6].map((k) => `gpu${k}:5555`);
    for (const [k, name] of names.entries()) engines.start(name, { serial: serial * 1000 + k, gpus: 1 });
    writeFileSync(list, `# the fleet\n${names.join('\n')}\nnode-seven=127.0.0.1:1 # refuses\n`);
    await drain('--engines', list);
    for (const name of names) engines.backdate(name, 60 * SECOND);
    // Its calls take an hour; the drain does not.
    for (const name of ['gpu2:5555', 'gpu3:5555']) engines.set(name, 'hang_ms', 3_600_000);
    for (const name of ['gpu2:5555', 'gpu3:5555']) engines.set(name, 'hung', 1);
    const { exitCode, stdout } = await drain('--engines', list, '--json', '--concurrency', '2');
    const summary = JSON.parse(stdout) as DrainSummary;
    expect(summary.engines).toEqual({ asked: 7, drained: 4, failed: 3 });
    expect(summary.reports.map(({ node }) => node)).toEqual(['gpu1', 'gpu4', 'gpu5', 'gpu6']);
    for (const { lanes } of summary.reports) expect(lanes[0]!.rows).toBeGreaterThan(55);
    expect(summary.failures.map(({ node, code }) => [node, code])).toEqual([
      ['gpu2', 'drain.hanging'],
      ['gpu3', 'drain.hanging'],
      ['node-seven', 'dcgm.connection_not_valid'],
    ]);
    expect(summary.failures[0]!.message).toMatch(/^hangs: no answer for \S+ s at: connect$/);
    expect(exitCode).toBe(75);
  });
});
