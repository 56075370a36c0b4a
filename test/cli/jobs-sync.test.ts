import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { createFakeSlurm, type FakeSlurm } from '../helpers/fake-slurm.ts';
import { readReply } from '../helpers/slurm-replies.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

const START_S = 1_700_000_000;
/** Ids of this run of the tests alone: they share a server. */
const BASE = process.pid * 1_000;

let slurm: FakeSlurm;
let used = 0;
beforeEach(() => {
  slurm = createFakeSlurm();
});
afterEach(() => {
  slurm.close();
});

function nextId(): string {
  used += 1;
  return String(BASE + used);
}

function squeueJob(id: string, change: object = {}): object {
  const gpus = { tres_alloc_str: 'cpu=1,gres/gpu=2', gres_detail: ['gpu:2(IDX:0-1)'] };
  return {
    job_id: Number(id),
    job_state: ['RUNNING'],
    start_time: START_S,
    cluster: 'atlas',
    ...gpus,
    ...change,
  };
}
const squeueReply = (...jobs: unknown[]): string =>
  JSON.stringify({ jobs, warnings: [], errors: [] }, null, 1);
const NO_GPU = { tres_alloc_str: 'cpu=1', gres_detail: [] };

function sacctRow(id: string, tres = 'cpu=1,gres/gpu=2'): string {
  const cells = [
    id,
    id,
    'x',
    'ada',
    'a',
    'gpu',
    'q',
    'COMPLETED',
    '0:0',
    String(START_S),
    String(START_S + 60),
    '1',
    tres,
  ];
  return `${[...cells, String(START_S - 9), 'atlas', '0', ''].join('\u001f')}\n`;
}

async function sync(...parameters: string[]): Promise<Ended> {
  return await runCommand(['jobs', 'sync', ...parameters], {
    env: { QDB_CLIENT_CONF: inject('questdbConf'), PATH: slurm.path },
  });
}

async function storedStates(...ids: string[]): Promise<readonly unknown[]> {
  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  try {
    await waitForVisible(db, 'jobs');
    const list = ids.map((id) => `'${id}'`).join(', ');
    return (await db.exec(`SELECT job_id, state FROM jobs WHERE job_id IN (${list}) ORDER BY job_id`)).rows;
  } finally {
    await db.close();
  }
}

describe('gpuledger jobs sync', () => {
  test('counts every row that came', async () => {
    const [running, ended] = [nextId(), nextId()];
    slurm.squeue(
      squeueReply(
        squeueJob(running),
        squeueJob(nextId(), NO_GPU),
        squeueJob(nextId(), { job_state: ['PENDING'] }),
        {
          ...squeueJob(nextId(), { ...NO_GPU, job_state: ['FAILED'] }),
        },
      ),
    );
    slurm.sacct(sacctRow(ended) + sacctRow(nextId(), 'cpu=1') + sacctRow(nextId(), 'cpu=1'));
    const { exitCode, stdout } = await sync();
    expect(exitCode).toBe(0);
    expect(stdout).toContain(
      'squeue: 4 rows read = 1 written + 1 without GPUs + 1 unknown here + 1 not begun + 0 refused\n' +
        'sacct: 3 rows read = 1 written + 2 without GPUs + 0 unknown here + 0 not begun + 0 refused\n' +
        'sinfo: 0 nodes have GPUs; noted for this moment: it was not asked before, or too long ago\n' +
        'squeue: 0 jobs wait for GPUs; noted for ',
    );
    expect(await storedStates(running, ended)).toEqual([
      [running, 'RUNNING'],
      [ended, 'COMPLETED'],
    ]);
  });

  test('tells a row that it refuses, writes the others, and ends with 65', async () => {
    const [good, ended] = [nextId(), nextId()];
    slurm.squeue(squeueReply({ job_id: 'x' }, squeueJob(good)));
    slurm.sacct(sacctRow(nextId(), 'gres/gpu=99999999999999999999') + sacctRow(ended));
    const { exitCode, stdout, stderr } = await sync('--json');
    expect(exitCode).toBe(65);
    expect(stderr).toContain('a row of squeue is left out: job_id: expected a whole number, found "x"');
    expect(stderr).toContain('a row of sacct is left out: ');
    expect(stderr).toContain('error: rows were refused: 1 of squeue, 1 of sacct');
    expect(stderr).toContain('2 other rows were written');
    const none = { unsentRows: 0, waitingRows: 0, withoutGpuRows: 0, unknownRows: 0, failure: null };
    expect(JSON.parse(stdout)).toMatchObject({
      replies: [
        { from: 'squeue', readRows: 2, writtenRows: 1, refusedRows: 1, ...none },
        { from: 'sacct', readRows: 2, writtenRows: 1, refusedRows: 1, ...none },
      ],
      polls: [
        { what: 'nodes', from: 'sinfo', count: 0, outOfUse: 0, failure: null },
        { what: 'queue', from: 'squeue', count: 0, refusedRows: 0, failure: null },
      ],
    });
    expect(await storedStates(good, ended)).toHaveLength(2);
  });

  test('ends with 65 where sacct alone said a row that is refused', async () => {
    const ended = nextId();
    slurm.squeue(squeueReply());
    slurm.sacct(sacctRow(nextId(), 'gres/gpu=99999999999999999999') + sacctRow(ended));
    const { exitCode, stderr } = await sync();
    expect(exitCode).toBe(65);
    expect(stderr).toContain('error: rows were refused: 1 of sacct');
    expect(await storedStates(ended)).toHaveLength(1);
  });

  test('has one sentence for what is wrong with many rows, with their jobs, and says that nothing was written', async () => {
    const ids = [nextId(), nextId(), nextId(), nextId(), nextId()];
    slurm.squeue(
      squeueReply(
        ...ids.map((id) => squeueJob(id, { job_state: ['DREAMING'] })),
        squeueJob(nextId(), NO_GPU),
      ),
    );
    slurm.sacct('');
    const { exitCode, stderr } = await sync();
    expect(exitCode).toBe(65);
    const found = ids.slice(0, 3).map((id) => `["DREAMING"] (job ${id})`);
    expect(stderr).toContain(
      `5 rows of squeue are left out: job_state: expected a known state, found ${found.join(', ')}, and 2 more\n`,
    );
    expect(stderr.match(/left out/g)).toHaveLength(1);
    expect(stderr).toContain('no other row was written');
  });

  test.each([
    {
      what: 'sacct fails',
      squeueStatus: 0,
      sacctStatus: 1,
      cut: 0,
      exitCode: 75,
      says: 'an answer of sacct, but: it ended with 1',
    },
    {
      what: 'squeue fails',
      squeueStatus: 3,
      sacctStatus: 0,
      cut: 0,
      exitCode: 75,
      says: 'an answer of squeue, but: it ended with 3',
    },
    {
      what: 'squeue is cut off',
      squeueStatus: 0,
      sacctStatus: 0,
      cut: 20,
      exitCode: 65,
      says: 'a whole reply of squeue',
    },
    {
      what: 'one fails, one is cut off',
      squeueStatus: 0,
      sacctStatus: 1,
      cut: 20,
      exitCode: 75,
      says: 'an answer of sacct',
    },
  ])('where $what, what was said is written and the end is $exitCode', async (one) => {
    const [running, ended] = [nextId(), nextId()];
    const text = squeueReply(squeueJob(running));
    slurm.squeue(text.slice(0, text.length - one.cut), one.squeueStatus);
    slurm.sacct(sacctRow(ended), one.sacctStatus);
    const { exitCode, stderr } = await sync();
    expect(stderr).toContain(one.says);
    expect(exitCode).toBe(one.exitCode);
    if (one.what.startsWith('one')) expect(stderr).toContain('a whole reply of squeue');
    expect(await storedStates(running, ended)).toHaveLength(2);
  });

  test('where no command answers, the error alone says it', async () => {
    slurm.put('squeue', 'echo "Unable to contact slurm controller" >&2; exit 1');
    slurm.put('sinfo', 'echo "Unable to contact slurm controller" >&2; exit 1');
    slurm.put('sacct', 'echo "Slurm accounting storage is disabled" >&2; exit 1');
    const { exitCode, stdout, stderr } = await sync();
    expect([exitCode, stdout]).toEqual([75, '']);
    expect(stderr).toContain('an answer of squeue, but: Unable to contact slurm controller');
    slurm.sacct('');
    expect((await sync()).stdout).toBe(
      'squeue: no row read: expected an answer of squeue, but: Unable to contact slurm controller\n' +
        'sacct: 0 rows read = 0 written + 0 without GPUs + 0 unknown here + 0 not begun + 0 refused\n',
    );
  });

  test('without Slurm names both commands, and where they would be', async () => {
    const env = { QDB_CLIENT_CONF: inject('questdbConf'), PATH: `${slurm.directory}/none` };
    const { exitCode, stdout, stderr } = await runCommand(['jobs', 'sync'], { env });
    expect([exitCode, stdout]).toEqual([69, '']);
    expect(stderr).toContain('expected an answer of sacct, but: there is no such command\n');
    expect(stderr).toContain(
      "error: expected an answer of squeue, but: there is no such command\n  run it where Slurm's commands are, with its slurm.conf\n",
    );
  });

  test('passes over a command that the site does not have', async () => {
    const running = nextId();
    slurm.squeue(squeueReply(squeueJob(running)));
    slurm.put('sacct', 'echo "Slurm accounting storage is disabled" >&2; exit 1');
    const { exitCode, stdout } = await sync();
    expect(exitCode).toBe(0);
    expect(stdout).toContain('squeue: 1 rows read = 1 written');
    expect(stdout).toContain(
      'sacct: passed over: expected an answer of sacct, but: Slurm accounting storage is disabled',
    );
    expect(await storedStates(running)).toHaveLength(1);
  });

  test('notes how the nodes are and who waits, each time for the time since it was asked before', async () => {
    const cluster = `sync${BASE}`;
    const env = { QDB_CLIENT_CONF: inject('questdbConf'), PATH: slurm.path, GPULEDGER_CLUSTER: cluster };
    slurm.sinfo(readReply('sinfo-22.05.txt'));
    slurm.waiting(readReply('squeue-waiting-22.05.txt'));
    slurm.squeue(squeueReply());
    slurm.sacct('');
    const first = await runCommand(['jobs', 'sync'], { env });
    expect(first.stdout).toContain(
      'sinfo: 3 nodes have GPUs, 3 of them drained or down; noted for this moment: it was not asked before, or too long ago\n' +
        'squeue: 270 jobs wait for GPUs; noted for this moment: it was not asked before, or too long ago\n',
    );
    const second = await runCommand(['jobs', 'sync'], { env });
    expect(second.exitCode).toBe(0);
    expect(second.stdout).toMatch(/drained or down; noted for the \S+ since it was asked before\n/);
    const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    try {
      for (const table of ['node_states', 'queue_1m']) await waitForVisible(db, table);
      const states = await db.exec(
        `SELECT node, last(state), max(end_ts) > min(ts) FROM node_states WHERE cluster = '${cluster}' ORDER BY node`,
      );
      expect(states.rows).toEqual([
        ['vm-1', 'drained', true],
        ['vm-2', 'down', true],
        ['vm-3', 'drained', true],
      ]);
      const polls = await db.exec(
        `SELECT ts, sum(jobs), max(dt_us) > 0 FROM queue_1m WHERE cluster = '${cluster}' ORDER BY ts`,
      );
      expect(polls.rows.map(([, jobs, speaks]) => [jobs, speaks])).toEqual([
        [270, false],
        [270, true],
      ]);
    } finally {
      await db.close();
    }
  });

  test('ends with 75 where sinfo fails, and with 65 where a row of it is refused', async () => {
    slurm.squeue(squeueReply());
    slurm.sacct('');
    slurm.sinfo('', 1);
    const failed = await sync();
    expect(failed.exitCode).toBe(75);
    expect(failed.stderr).toContain('an answer of sinfo, but: it ended with 1');
    slurm.sinfo('n1\u001fidle\u001fgpu:4\u001fgpu\u001fnone\u001e\nn2\u001fidle\u001e\n');
    const refused = await sync();
    expect(refused.exitCode).toBe(65);
    expect(refused.stderr).toContain('a row of sinfo is left out: expected a row of 5 columns, found 2');
    expect(refused.stdout).toContain('sinfo: 1 node has GPUs; noted for ');
  });
});
