import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseJournalRecord } from '../../schemas/journal-record.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { createSmallTables } from '../../src/questdb/rows/small-tables.ts';
import { writeJournalRecord } from '../../src/ownership/journal/write.ts';
import { createFakeSlurm } from '../helpers/fake-slurm.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand } from '../helpers/run-process.ts';
import { sendRows } from '../helpers/send-rows.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-job-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('gpuledger job', () => {
  test('leaves one record and says nothing', async () => {
    const told = await runCommand([
      'job',
      'start',
      '--job',
      "odd 'id' [4]",
      '--devices',
      '0',
      '--journal',
      join(directory, 'new'),
    ]);
    expect(told).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(readdirSync(join(directory, 'new'))).toEqual([
      expect.stringMatching(/^odd__id___4_\.start\..*\.job$/),
    ]);
  });

  test('goes where the collector of this node looks for it, and names the node as it does', async () => {
    const config = join(directory, 'gpuledger.yaml');
    const journal = join(directory, 'of-config');
    mkdirSync(journal);
    writeFileSync(config, `node: n17\njobs:\n  journal_dir: ${journal}\n`);
    const words = ['job', 'start', '--job', '7', '--devices', '0'];
    expect(await runCommand([...words, '--config', config])).toMatchObject({ exitCode: 0, stderr: '' });
    const variables = { GPULEDGER_JOBS_JOURNAL_DIR: journal, GPULEDGER_NODE: 'n18' };
    expect(await runCommand(words, { env: variables })).toMatchObject({ exitCode: 0, stderr: '' });
    const told = readdirSync(journal).map((name) => parseJournalRecord(readFileSync(join(journal, name))));
    expect(told).toMatchObject(['n17', 'n18'].map((node) => ({ record: { node } })));
  });

  test.each([
    { what: 'no job', args: ['start', '--devices', '0'], says: /--job <id>' not specified/ },
    {
      what: 'an empty job id',
      args: ['start', '--job', ' ', '--devices', '0'],
      says: /expected a job id, found nothing/,
    },
    {
      what: 'a job id of 500 characters',
      args: ['end', '--job', 'x'.repeat(500)],
      says: /at most 256 characters, found 500/,
    },
    { what: 'a job id of two lines', args: ['end', '--job', '7\n8'], says: /control characters/ },
    { what: 'no devices', args: ['start', '--job', '7'], says: /--devices <list>' not specified/ },
    {
      what: 'a share of nothing',
      args: ['start', '--job', '7', '--devices', '0', '--share', '0'],
      says: /above 0/,
    },
    {
      what: 'an exit code that is none',
      args: ['end', '--job', '7', '--exit-code', '256'],
      says: /0 to 255/,
    },
    {
      what: 'a time that there is not',
      args: ['end', '--job', '7', '--at', '2026-02-30'],
      says: /--at: expected an ISO date or time in UTC that there is/,
    },
    {
      what: 'an end before the boot',
      args: ['end', '--job', '7', '--at', '2001-01-01'],
      says: /expected a time since this node was booted/,
    },
    {
      what: 'an end that is still to come',
      args: ['end', '--job', '7', '--at', '2101-01-01'],
      says: /not one that is still to come/,
    },
  ])('$what is a usage error', async ({ args, says }) => {
    const told = await runCommand(['job', ...args, '--journal', directory]);
    expect(told.exitCode).toBe(64);
    expect(told.stderr).toMatch(says);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('a journal that cannot be written is worth another try', async () => {
    const told = await runCommand(['job', 'end', '--job', '7', '--journal', '/proc/gpuledger']);
    expect(told.exitCode).toBe(75);
    expect(told.stderr).toContain('/proc/gpuledger');
    expect(told.stderr).toContain('--journal DIR');
  });

  test('says whom to be where one may not write, with an exit code of its own', async () => {
    // Nobody makes files there, root neither.
    const told = await runCommand([
      'job',
      'start',
      '--job',
      '7',
      '--devices',
      '0',
      '--journal',
      '/sys/kernel',
    ]);
    expect(told.exitCode).toBe(77);
    expect(told.stderr).toMatch(
      /^error: expected to write into the job journal, but: no permission \(EACCES\)/,
    );
    expect(told.stderr).toContain('run it as root');
  });
});

describe('gpuledger jobs push', () => {
  const NODE = 'push-node';
  let server: TestQuestdb;
  let db: QuestDb;
  beforeAll(async () => {
    server = await startTestQuestdb();
    db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
    await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  });
  afterAll(async () => {
    await db.close();
    await server.stop();
  });

  test('writes intervals and jobs, labels samples that are there already, and can be run again', async () => {
    const device = { uuid: 'GPU-push', node: NODE, index: 0, model: 'X', memoryBytes: 1 };
    await createSmallTables(db).writeInventory([{ tsUs: Date.now() * 1000 - 60e6, device, source: 'nvml' }]);
    await waitForVisible(db, 'gpu_inventory');
    const config = join(directory, 'gpuledger.yaml');
    writeFileSync(
      config,
      `node: ${NODE}\nsource: synthetic\njobs:\n  journal_dir: ${join(directory, 'journal')}\n`,
    );
    const run = (...args: string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> =>
      runCommand(args, { env: { QDB_CLIENT_CONF: server.conf } });
    const journal = ['--journal', join(directory, 'journal')];
    await run('job', 'start', '--job', '7', '--devices', '0,5', '--user', 'ada', '--node', NODE, ...journal);
    const sampleUs = Date.now() * 1000;
    await run('job', 'end', '--job', '7', '--exit-code', '3', '--node', NODE, ...journal);
    const line = `gpu_profiling,node=${NODE},gpu=GPU-push owners=0i,dt_us=1000000i ${sampleUs}t\n`;
    expect((await sendRows(db, line)).unsent).toBeUndefined();

    const first = await run('jobs', 'push', '--config', config);
    expect(first).toMatchObject({
      exitCode: 0,
      stdout: '2 intervals and 1 rows of jobs written; 1 samples labelled again\n',
    });
    expect(first.stderr).toContain('cannot be told apart');
    const again = await run('jobs', 'push', '--config', config, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ intervals: 2, openIntervals: 0, relabelledRows: 0 });

    await waitForVisible(db, 'gpu_ownership');
    const owned = await db.exec(`SELECT gpu, job_id, source, end_ts > ts FROM gpu_ownership ORDER BY gpu`);
    expect(owned.rows).toEqual([
      ['GPU-push', '7', 'journal', true],
      [`unresolved:${NODE}:5`, '7', 'journal', true],
    ]);
    const jobs = await db.exec('SELECT job_id, user, state, exit_code FROM jobs');
    expect(jobs.rows).toEqual([['7', 'ada', 'FAILED', 3]]);
    const labels = await db.exec('SELECT job_id, owners, dt_us FROM gpu_profiling');
    expect(labels.rows).toEqual([['7', 1, 1_000_000]]);
  });

  test('an end that is told later with its own time takes the samples since then from the job', async () => {
    const node = 'late-node';
    const gpu = 'GPU-late-end';
    const journal = join(directory, 'late');
    const nowUs = Math.floor(Date.now() / 1000) * 1e6;
    const [startUs, endUs] = [nowUs - 60e6, nowUs - 30e6];
    await createSmallTables(db).writeInventory([
      { tsUs: startUs, device: { uuid: gpu, node, index: 0, model: 'X', memoryBytes: 1 }, source: 'nvml' },
    ]);
    await waitForVisible(db, 'gpu_inventory');
    const rest = { jobId: '70', manager: 'slurm', node };
    writeJournalRecord(journal, { ...rest, event: 'start', devices: '0', atUs: startUs });
    const samples = [startUs + 10e6, endUs + 10e6].map(
      (us) => `gpu_profiling,node=${node},gpu=${gpu} owners=0i,dt_us=1000000i ${us}t\n`,
    );
    expect((await sendRows(db, samples.join(''))).unsent).toBeUndefined();
    const config = join(directory, 'gpuledger.yaml');
    writeFileSync(config, `node: ${node}\nsource: synthetic\njobs:\n  journal_dir: ${journal}\n`);
    const push = async (): Promise<readonly unknown[]> => {
      const told = await runCommand(['jobs', 'push', '--config', config], {
        env: { QDB_CLIENT_CONF: server.conf },
      });
      expect(told.exitCode).toBe(0);
      for (const table of ['gpu_profiling', 'gpu_ownership']) await waitForVisible(db, table);
      const owned = await db.exec(
        `SELECT cast(ts AS LONG), cast(end_ts AS LONG) FROM gpu_ownership WHERE gpu = '${gpu}'`,
      );
      const labels = await db.exec(
        `SELECT job_id, owners FROM gpu_profiling WHERE gpu = '${gpu}' ORDER BY ts`,
      );
      return [owned.rows, labels.rows];
    };
    const his = ['70', 1];
    expect(await push()).toEqual([[[startUs, null]], [his, his]]);
    const at = new Date(endUs / 1000).toISOString();
    const ended = await runCommand([
      'job',
      'end',
      '--job',
      '70',
      '--node',
      node,
      '--journal',
      journal,
      '--at',
      at,
    ]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await push()).toEqual([[[startUs, endUs]], [his, [null, 0]]]);
  });

  test('jobs sync names the jobs that have ended and still own GPUs, with the command that ends them', async () => {
    const slurm = createFakeSlurm();
    const startUs = 1_700_000_000e6;
    const stay = { run: 0, share: 1, source: 'journal', startUs, endUs: Infinity };
    await createSmallTables(db).writeOwnership([
      { ...stay, node: 'n7', gpu: 'GPU-open-0', jobId: '71' },
      { ...stay, node: 'n7', gpu: 'GPU-open-1', jobId: '71' },
      // One that accounting says to be running, and one of which it says nothing.
      { ...stay, node: 'n8', gpu: 'GPU-open-2', jobId: '72' },
      { ...stay, node: 'n8', gpu: 'GPU-open-3', jobId: '73' },
    ]);
    const row = (id: string, state: string, endS: number | 'Unknown'): string => {
      const who = [id, id, 'x', 'ada', 'a', 'gpu', 'q', state, '0:0'];
      const times = [String(startUs / 1e6), String(endS), '1', 'cpu=1,gres/gpu=2', String(startUs / 1e6 - 9)];
      return `${[...who, ...times, 'atlas', '0', ''].join('\u001f')}\n`;
    };
    slurm.squeue('{"jobs":[],"warnings":[],"errors":[]}');
    slurm.sacct(row('71', 'COMPLETED', startUs / 1e6 + 60) + row('72', 'RUNNING', 'Unknown'));
    const told = await runCommand(['jobs', 'sync'], {
      env: { QDB_CLIENT_CONF: server.conf, PATH: slurm.path },
    });
    slurm.close();
    expect(told.stdout).toContain('sacct: 2 rows read = 2 written');
    expect(told).toMatchObject({ exitCode: 0 });
    expect(told.stderr).toContain(
      'jobs that have ended still own GPUs, since no epilog told their end: ' +
        "2 GPUs of n7 (there: gpuledger job end --job '71' --at 2023-11-14T22:14:20Z)\n",
    );
  });

  test('looks at its own arguments before it looks for a QuestDB', async () => {
    const told = await runCommand(['jobs', 'push', '--journal', '/proc/nosuch'], {
      env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' },
    });
    expect(told.exitCode).toBe(64);
    expect(told.stderr).toMatch(
      /^error: --journal: expected a directory that can be listed, but: there is no such file or directory \(ENOENT\)\n {2}\/proc\/nosuch\n/,
    );
  });

  test('push of a journal without a record says so', async () => {
    const journal = join(directory, 'empty-journal');
    mkdirSync(journal);
    const told = await runCommand(['jobs', 'push', '--journal', journal], {
      env: { QDB_CLIENT_CONF: server.conf },
    });
    expect(told).toMatchObject({
      exitCode: 0,
      stdout: `nothing to write: ${journal} holds no record\n`,
      stderr: '',
    });
  });

  test.each(['push', 'sync'])('%s has no flags that mean nothing to it', async (name) => {
    const help = await runCommand(['jobs', name, '--help']);
    expect(help.stdout).toContain('--config');
    expect(help.stdout).not.toMatch(/--(?:interval|counters|source|synthetic)\b/);
    const told = await runCommand(['jobs', name, '--interval', '1s']);
    expect(told.exitCode).toBe(64);
    expect(told.stderr).toMatch(/unknown option '--interval'[\s\S]*--interval is a flag of run, collect, /);
    expect(told.stderr).not.toMatch(/is a flag of .*jobs (?:push|sync)/);
  });

  test('without a QuestDB it is worth another try', async () => {
    const told = await runCommand(['jobs', 'push'], {
      env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' },
    });
    expect(told.exitCode).toBe(75);
  });

  test('sync without Slurm names what is missing', async () => {
    const told = await runCommand(['jobs', 'sync'], {
      env: { QDB_CLIENT_CONF: server.conf, PATH: directory },
    });
    expect(told.exitCode).toBe(69);
    expect(told.stderr).toMatch(/expected an answer of s\w+, but: there is no such command/);
  });
});
