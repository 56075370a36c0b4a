import { describe, expect, test } from 'vitest';
import { assert } from '../../../src/core/base/assert.ts';
import { parseSqueueJob } from '../../../schemas/slurm/squeue.ts';
import { readReply, recordsOf, squeueRows } from '../../helpers/slurm-replies.ts';

const START_S = 1_700_000_000;
const SUBMIT_S = START_S - 20;
const END_S = START_S + 60;
const wrap = (number: number, set = true): object => ({ set, infinite: false, number });

/** As 21.08 and 22.05 write it, cut to the keys that are read. */
const PLAIN = {
  ...{
    account: '',
    array_job_id: 11,
    array_task_id: 3,
    cluster: 'atlas',
    job_id: 14,
    name: 'train "x"',
    user_name: 'ada',
  },
  ...{ partition: 'gpu', qos: 'normal', het_job_id: 0, restart_cnt: 1, node_count: 2, nodes: 'n[1-2]' },
  ...{ submit_time: SUBMIT_S, start_time: START_S, end_time: END_S, job_state: 'FAILED', exit_code: 768 },
  ...{ tres_alloc_str: 'cpu=1,node=1,billing=1,gres/gpu=4', tres_per_node: 'gres:gpu:2', tres_per_job: null },
  gres_detail: [],
};
/** As 23.02 writes it: what may be unset is wrapped, times are not, and the exit code is the raw status still. */
const V23_02 = {
  ...PLAIN,
  ...{
    array_job_id: wrap(11),
    array_task_id: wrap(3),
    het_job_id: wrap(0),
    node_count: wrap(2),
    exit_code: wrap(768),
  },
  ...{ tres_per_job: '', tres_per_node: 'gres:gpu:2' },
};
/** As 23.11 and newer write it. */
const V23_11 = {
  ...V23_02,
  ...{ submit_time: wrap(SUBMIT_S), start_time: wrap(START_S), end_time: wrap(END_S), job_state: ['FAILED'] },
  exit_code: { status: ['ERROR'], return_code: wrap(3), signal: { id: wrap(0, false), name: '' } },
};
const RECORD = {
  ...{
    cluster: 'atlas',
    jobId: '14',
    run: 1,
    startUs: START_S * 1e6,
    endUs: END_S * 1e6,
    submitUs: SUBMIT_S * 1e6,
  },
  ...{
    name: 'train "x"',
    user: 'ada',
    partition: 'gpu',
    qos: 'normal',
    arrayJobId: '11',
    arrayTaskId: '3',
    nodes: 2,
    gpus: 4,
  },
  ...{ state: 'FAILED', exitCode: 3 },
};
const OPEN = { ...RECORD, endUs: undefined, exitCode: undefined };

const parse = (job: object): ReturnType<typeof parseSqueueJob> => parseSqueueJob(JSON.stringify(job));

describe('one failed job', () => {
  test.each([
    { version: '21.08 and 22.05', job: PLAIN, record: RECORD },
    { version: '23.02', job: V23_02, record: RECORD },
    { version: '23.11 to 25.05', job: V23_11, record: RECORD },
    {
      version: '25.11 and 26.05, with a SLUID',
      job: { ...V23_11, step_id: { sluid: 's0123456789ABC', job_id: wrap(14), step_id: null } },
      record: { ...RECORD, sluid: 's0123456789ABC' },
    },
    { version: 'a cluster in capitals', job: { ...V23_11, cluster: 'Atlas' }, record: RECORD },
    { version: 'numbers in words', job: { ...V23_11, job_id: '14', restart_cnt: '1' }, record: RECORD },
  ])('of $version', ({ job, record }) => {
    expect(parse(job)).toEqual({ kind: 'job', hasGpus: true, record });
  });
});

describe('states', () => {
  test.each([
    ...['CONFIGURING', 'RESIZING', 'SIGNALING', 'STOPPED'].map((told) => ({
      told: [told],
      state: 'RUNNING',
    })),
    { told: ['SUSPENDED'], state: 'SUSPENDED' },
    { told: ['RUNNING', 'SIGNALING'], state: 'RUNNING' },
    { told: ['RUNNING', 'CONFIGURING', 'POWER_UP_NODE'], state: 'RUNNING' },
    { told: ['RUNNING', 'A_FLAG_OF_LATER'], state: 'RUNNING' },
  ])('a job that is $told runs: it has no end and no exit code', ({ told, state }) => {
    const record = { ...OPEN, state };
    expect(parse({ ...V23_11, job_state: told })).toEqual({ kind: 'job', hasGpus: true, record });
    if (told.length === 1)
      expect(parse({ ...PLAIN, job_state: told[0] })).toEqual({ kind: 'job', hasGpus: true, record });
  });

  test.each(['COMPLETING', 'STAGE_OUT'])(
    'of a job that is %s alone neither the run nor how it ended is told',
    (told) => {
      const record = { ...OPEN, run: undefined, state: 'COMPLETING' };
      expect(parse({ ...PLAIN, job_state: told })).toEqual({ kind: 'job', hasGpus: true, record });
    },
  );

  test('a job that has ended and lets go of its nodes has ended', () => {
    const [row] = recordsOf([parse({ ...V23_11, job_state: ['TIMEOUT', 'COMPLETING'] })]);
    expect(row).toMatchObject({ state: 'TIMEOUT', endUs: END_S * 1e6, exitCode: 3, run: 1 });
  });

  test.each([
    ...['PENDING', 'REQUEUED', 'REQUEUE_HOLD', 'REQUEUE_FED', 'SPECIAL_EXIT', 'RESV_DEL_HOLD', 'REVOKED'],
    ['PENDING', 'REQUEUED'],
    ['PENDING', 'COMPLETING', 'REQUEUED'],
  ])('a job that is %s waits', (told) => {
    expect(parse({ ...PLAIN, job_state: told })).toEqual({ kind: 'waiting' });
  });

  test.each([
    { what: 'has no start', job: { ...V23_11, start_time: wrap(0) } },
    { what: 'has a start that is not set', job: { ...V23_11, start_time: wrap(START_S, false) } },
    { what: 'never had a node', job: { ...PLAIN, job_state: 'CANCELLED', nodes: '' } },
    {
      what: 'never had a node, as newer versions say',
      job: { ...V23_11, job_state: ['CANCELLED'], nodes: null },
    },
  ])('a job that $what has not begun', ({ job }) => {
    expect(parse(job)).toEqual({ kind: 'waiting' });
  });
});

describe('exit codes', () => {
  const signal = (said: object): object => ({ ...V23_11, exit_code: said });
  test.each([
    { what: 'a raw status with a signal', job: { ...PLAIN, exit_code: 15 }, exitCode: 143 },
    { what: 'a raw status in a wrapping, with a signal', job: signal(wrap(9)), exitCode: 137 },
    {
      what: 'a signal in a wrapping',
      job: signal({ return_code: wrap(0, false), signal: { id: wrap(9), name: 'KILL' } }),
      exitCode: 137,
    },
    {
      what: 'signal_id',
      job: signal({ status: 'SIGNALED', return_code: null, signal: { signal_id: 9 } }),
      exitCode: 137,
    },
    {
      what: 'signal_id beside a code that is none',
      job: signal({ return_code: -127, signal: { signal_id: 11 } }),
      exitCode: 139,
    },
    {
      what: 'a core without a signal',
      job: signal({ status: 'CORE_DUMPED', return_code: -127 }),
      exitCode: undefined,
    },
    { what: 'a plain return code', job: signal({ status: 'ERROR', return_code: 2 }), exitCode: 2 },
    { what: 'a pair', job: signal('0:15' as unknown as object), exitCode: 143 },
    { what: 'null', job: { ...PLAIN, exit_code: null }, exitCode: undefined },
    { what: 'no value of 32 bits', job: { ...PLAIN, exit_code: 4_294_967_294 }, exitCode: undefined },
  ])('$what', ({ job, exitCode }) => {
    const [record] = recordsOf([parse(job)]);
    expect(record).toMatchObject(exitCode === undefined ? { state: 'FAILED' } : { exitCode });
    if (exitCode === undefined) expect(record).not.toHaveProperty('exitCode');
  });
});

describe('what is not told is left out', () => {
  test.each([
    {
      what: 'text that is null',
      change: { account: null, qos: null, name: null },
      absent: ['account', 'qos', 'name'],
    },
    { what: 'empty text', change: { cluster: '' }, absent: ['cluster'] },
    { what: 'a task that is none', change: { array_task_id: null }, absent: ['arrayTaskId'] },
    {
      what: 'no array',
      change: { array_job_id: 0, array_task_id: 4_294_967_294 },
      absent: ['arrayJobId', 'arrayTaskId'],
    },
    {
      what: 'keys that a version does not have',
      change: { restart_cnt: undefined, submit_time: undefined },
      absent: ['run', 'submitUs'],
    },
    { what: 'a SLUID of a job of before', change: { step_id: { sluid: '' } }, absent: ['sluid'] },
  ])('$what', ({ change, absent }) => {
    const [record] = recordsOf([parse({ ...PLAIN, ...change })]);
    expect(record).toBeDefined();
    for (const key of absent) expect(record).not.toHaveProperty(key);
  });
});

describe('devices', () => {
  const NONE = { tres_alloc_str: 'cpu=1', tres_per_node: '', gres_detail: undefined };
  test.each([
    { told: { tres_alloc_str: 'cpu=1,gres/gpu=4,gres/gpu:h200=4' }, gpus: 4, hasGpus: true },
    { told: { tres_alloc_str: 'gres/gpu:a100=1,gres/gpu:h100=4' }, gpus: 5, hasGpus: true },
    { told: { tres_alloc_str: 'gres/gpu:1g.10gb=2,node=1' }, gpus: 2, hasGpus: true },
    { told: { tres_alloc_str: 'gres/shard=2' }, gpus: undefined, hasGpus: true },
    { told: { tres_alloc_str: 'gres/mps:a100=50' }, gpus: undefined, hasGpus: true },
    {
      told: { gres_detail: ['gpu:h100:2(IDX:0-1)', 'gpu:h100:1(IDX:0),gpu:a100:1(IDX:4)'] },
      gpus: 4,
      hasGpus: true,
    },
    { told: { gres_detail: ['shard:h100:2(0/4,2/4)', null] }, gpus: undefined, hasGpus: true },
    { told: { tres_per_node: 'gres/gpu:h100:1' }, gpus: undefined, hasGpus: true },
    { told: { tres_per_job: 'gres:gpu' }, gpus: undefined, hasGpus: true },
    {
      told: { tres_alloc_str: 'gres/gpu=0,gres/gpumem=4G,gres/gpuutil=3,gres/nic:gpu=1' },
      gpus: undefined,
      hasGpus: undefined,
    },
    { told: {}, gpus: undefined, hasGpus: undefined },
  ])('$told', ({ told, gpus, hasGpus }) => {
    const row = parse({ ...PLAIN, ...NONE, ...told });
    expect(row).toMatchObject({ hasGpus });
    expect(recordsOf([row])[0]?.gpus).toBe(gpus);
  });
  test('the details of a job that runs tell that it has none, those of one that ends tell nothing', () => {
    const job = { ...PLAIN, ...NONE, gres_detail: [] };
    expect(parse({ ...job, job_state: 'RUNNING' })).toMatchObject({ hasGpus: false });
    expect(parse({ ...job, job_state: 'COMPLETING' })).toMatchObject({ hasGpus: undefined });
    expect(parse(job)).toMatchObject({ hasGpus: undefined });
  });
});

describe('refused, with the reason', () => {
  test.each([
    { json: '{"job_id": 14, "name": "x', says: /^expected JSON/ },
    { json: 'null', says: /expected object/ },
    { json: JSON.stringify({ ...PLAIN, job_id: 'x' }), says: /^job_id: expected a whole number, found "x"/ },
    { json: JSON.stringify({ ...PLAIN, job_id: 0 }), says: /^job_id: expected a job id, found 0/ },
    {
      json: JSON.stringify({ ...PLAIN, job_state: undefined }),
      says: /^job_state: expected a state, found nothing/,
    },
    { json: JSON.stringify({ ...PLAIN, job_state: [] }), says: /^job_state: expected/ },
    {
      json: JSON.stringify({ ...PLAIN, job_state: 'DREAMING' }),
      says: /^job_state: expected a known state, found \["DREAMING"\]/,
    },
    { json: JSON.stringify({ ...PLAIN, start_time: { at: 3 }, name: 7 }), says: /expected a text, found 7/ },
    {
      json: JSON.stringify({ ...PLAIN, exit_code: [3] }),
      says: /^exit_code: expected an exit code, found \[3\]/,
    },
    { json: JSON.stringify({ ...PLAIN, exit_code: { code: 3 } }), says: /^exit_code: expected an exit code/ },
    {
      json: JSON.stringify({ ...PLAIN, end_time: START_S - 1 }),
      says: /^end_time: expected no time before start_time/,
    },
    ...['constructor', 'toString', '__proto__'].map((word) => ({
      json: JSON.stringify({ ...PLAIN, job_state: word }),
      says: new RegExp(`^job_state: expected a known state, found \\["${word}"\\]`),
    })),
    ...[
      { restart_cnt: 3.7 },
      { node_count: wrap(2.5) },
      { array_job_id: 1.5 },
      { start_time: START_S + 0.123 },
    ].map((change) => ({
      json: JSON.stringify({ ...PLAIN, ...change }),
      says: new RegExp(`^${Object.keys(change)[0]!}: expected a whole number, found `),
    })),
    { json: JSON.stringify({ ...PLAIN, exit_code: 768.5 }), says: /^exit_code: expected an exit code/ },
    {
      json: JSON.stringify({ ...PLAIN, exit_code: 3e9 }),
      says: /^exit code: expected a whole number from 0 to/,
    },
    ...['99999999999999999999', '9'.repeat(400), '9999999999G'].map((gpus) => ({
      json: JSON.stringify({ ...PLAIN, tres_alloc_str: `cpu=1,gres/gpu=${gpus}` }),
      says: /^GPUs: expected a whole number from 0 to/,
    })),
  ])('$says', ({ json, says }) => {
    const row = parseSqueueJob(json);
    assert(row.kind === 'refused', 'it is refused');
    expect(`${row.expected}, found ${row.found}`).toMatch(says);
  });
});

test("a user's own text can be seen whole, and moves no terminal", () => {
  const name = 'a\nb\r\nc\u001b[31m\u0000\u007f\u009b\ud800\u2028d';
  expect(recordsOf([parse({ ...PLAIN, name })])[0]?.name).toBe('a⏎b⏎c␛[31m␀␡\ufffd\ufffd⏎d');
  expect(recordsOf([parse({ ...PLAIN, name: 'x'.repeat(5000) })])[0]?.name).toHaveLength(1024);
});

describe('replies that went wrong', () => {
  test.each(['squeue-22.05-signaling.json', 'squeue-22.05-stopped.json'])(
    '%s: no end, no exit code',
    (file) => {
      const [record, ...others] = recordsOf(squeueRows(readReply(file)));
      expect(others).toEqual([]);
      expect(record).toMatchObject({ jobId: '14', gpus: 1, state: 'RUNNING', run: 0 });
      expect(record).not.toHaveProperty('endUs');
      expect(record).not.toHaveProperty('exitCode');
    },
  );
  test('squeue-null-text.json: a job without account and QOS', () => {
    const [record] = recordsOf(squeueRows(readReply('squeue-null-text.json')));
    expect(record).toMatchObject({ jobId: '14', user: 'u1', partition: 'gpu' });
    expect(record).not.toHaveProperty('account');
    expect(record).not.toHaveProperty('qos');
  });
  test('squeue-23.02-signal_id.json: exit code 137', () => {
    expect(recordsOf(squeueRows(readReply('squeue-23.02-signal_id.json')))).toMatchObject([
      { jobId: '14', state: 'CANCELLED', exitCode: 137 },
    ]);
  });
});
