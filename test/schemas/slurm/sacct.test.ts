import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assert } from '../../../src/core/base/assert.ts';
import { createSacctReader, SACCT_COLUMNS, sacctColumnsOf } from '../../../schemas/slurm/sacct.ts';
import { readReply, recordsOf, sacctRows } from '../../helpers/slurm-replies.ts';

const ALL_COLUMNS = [...SACCT_COLUMNS, 'Submit', 'Cluster', 'Restarts', 'SLUID'];
const CELLS = {
  ...{
    JobIDRaw: '14',
    JobID: '11_3',
    JobName: 'a|b',
    User: 'ada',
    Account: 'phys',
    Partition: 'gpu',
    QOS: 'high',
  },
  ...{ State: 'CANCELLED by 1000', ExitCode: '0:15', Start: '1700000100', End: '1700000160', NNodes: '2' },
  ...{
    AllocTRES: 'cpu=1,gres/gpu=2',
    Submit: '1700000090',
    Cluster: 'atlas',
    Restarts: '1',
    SLUID: 's0123456789ABC',
  },
};
type Cells = Partial<Record<keyof typeof CELLS, string>>;

const line = (change: Cells = {}, columns: readonly string[] = ALL_COLUMNS, delimiter = '\u001f'): string =>
  `${columns.map((name) => ({ ...CELLS, ...change })[name as keyof Cells]).join(delimiter)}\n`;

describe('a row', () => {
  const record = {
    ...{
      cluster: 'atlas',
      jobId: '14',
      run: 1,
      startUs: 1700000100e6,
      endUs: 1700000160e6,
      submitUs: 1700000090e6,
    },
    ...{ sluid: 's0123456789ABC', name: 'a|b', user: 'ada', account: 'phys', partition: 'gpu', qos: 'high' },
    ...{ arrayJobId: '11', arrayTaskId: '3', nodes: 2, gpus: 2, state: 'CANCELLED', exitCode: 143 },
  };
  test('gives all that it says', () => {
    expect(sacctRows(line(), ALL_COLUMNS)).toEqual([{ kind: 'job', hasGpus: true, record }]);
  });
  test('names its cluster as every other row does', () => {
    expect(sacctRows(line({ Cluster: 'Atlas' }), ALL_COLUMNS)).toEqual([
      { kind: 'job', hasGpus: true, record },
    ]);
  });
  test('of a version without these columns has neither run nor submission', () => {
    const unknown = { cluster: undefined, run: undefined, submitUs: undefined, sluid: undefined };
    const [found] = recordsOf(sacctRows(line({}, SACCT_COLUMNS)));
    expect(found).toEqual({ ...record, ...unknown });
    for (const key of Object.keys(unknown)) expect(found).not.toHaveProperty(key);
  });

  test.each([
    {
      change: { State: 'RUNNING', End: 'Unknown', ExitCode: '0:0' },
      has: { state: 'RUNNING' },
      not: ['endUs', 'exitCode'],
    },
    { change: { State: 'REQUEUED', ExitCode: '0:0' }, has: { state: 'REQUEUED', exitCode: 0 }, not: [] },
    { change: { JobID: '20+1' }, has: { hetJobId: '20' }, not: ['arrayJobId', 'arrayTaskId'] },
    { change: { JobID: '14' }, has: {}, not: ['hetJobId', 'arrayJobId'] },
    {
      change: { Restarts: '', SLUID: '', Submit: 'Unknown', Cluster: '' },
      has: {},
      not: ['run', 'sluid', 'submitUs', 'cluster'],
    },
    { change: { SLUID: 's0000000000000' }, has: {}, not: ['sluid'] },
    { change: { AllocTRES: 'gres/gpu:1g.10gb=2,gres/gpu:7g.80gb=1' }, has: { gpus: 3 }, not: [] },
    { change: { AllocTRES: 'gres/mps=50' }, has: {}, not: ['gpus'] },
  ])('$change', ({ change, has, not }) => {
    const [found] = recordsOf(sacctRows(line(change), ALL_COLUMNS));
    expect(found).toMatchObject(has);
    for (const key of not) expect(found).not.toHaveProperty(key);
  });

  test.each([
    { AllocTRES: 'cpu=1', hasGpus: false },
    { AllocTRES: 'cpu=1,gres/gpu=0', hasGpus: false },
    { AllocTRES: 'gres/gpumem=1G', hasGpus: false },
    { AllocTRES: '', hasGpus: undefined },
    { AllocTRES: 'gres/shard:h100=1', hasGpus: true },
  ])('with $AllocTRES', ({ AllocTRES, hasGpus }) => {
    expect(sacctRows(line({ AllocTRES }), ALL_COLUMNS)).toMatchObject([{ kind: 'job', hasGpus }]);
  });

  test.each([
    { State: 'PENDING', Start: 'Unknown' },
    { State: 'CANCELLED', Start: 'None' },
    { Start: '' },
    { Start: '0' },
  ])('of a job that has not begun: %o', (change) => {
    expect(sacctRows(line(change), ALL_COLUMNS)).toEqual([{ kind: 'waiting' }]);
  });

  test.each([
    { change: { JobIDRaw: '14.batch' }, says: /^JobIDRaw: expected .*, found "14.batch"/ },
    { change: { State: 'running' }, says: /^State: / },
    { change: { ExitCode: '15' }, says: /^ExitCode: expected exit status and signal, as 0:15, found "15"$/ },
    { change: { Start: '2023-11-14T22:13:20' }, says: /^Start: / },
    { change: { End: '1700000000' }, says: /^End: expected no time before Start/ },
    { change: { NNodes: 'two' }, says: /^NNodes: / },
    ...['99999999999999999999', '9300000000000', '9'.repeat(400)].map((time) => ({
      change: { Start: time, End: 'Unknown' },
      says: /^start: expected a time from 1970 to 2255, found /,
    })),
    { change: { End: '99999999999999999' }, says: /^end: / },
    { change: { Submit: '99999999999999999' }, says: /^submission: / },
    { change: { NNodes: '99999999999999999999' }, says: /^nodes: / },
    { change: { Restarts: '99999999999999999999' }, says: /^restarts: / },
    { change: { ExitCode: '99999999999999999999:0' }, says: /^exit code: / },
    { change: { AllocTRES: 'gres/gpu=99999999999999999999' }, says: /^GPUs: / },
    { change: { JobIDRaw: '9'.repeat(3_000) }, says: /^JobIDRaw: / },
  ])('is refused: $says', ({ change, says }) => {
    const [row, ...others] = sacctRows(line(change), ALL_COLUMNS);
    assert(row?.kind === 'refused', 'it is refused');
    expect(`${row.expected}, found ${row.found}`).toMatch(says);
    // No words of a program, and the job that it is about.
    expect(row.expected).not.toMatch(/[\^$\\]/);
    expect(row.jobId).toBe('JobIDRaw' in change ? '11_3' : '14');
    expect(others).toEqual([]);
  });
});

describe('rows among other lines', () => {
  test('a line that is no row costs none of the others', () => {
    const text = `sacct: something else\n${line()}${line({ JobIDRaw: '15' })}half\u001fa row\n\n${line({ JobIDRaw: '16' })}`;
    const rows = sacctRows(text, ALL_COLUMNS);
    expect(recordsOf(rows).map(({ jobId }) => jobId)).toEqual(['14', '15', '16']);
    expect(rows.filter(({ kind }) => kind === 'refused')).toHaveLength(2);
  });
  test('a row that lost its end costs itself only', () => {
    const text = `${line().slice(0, 40)}\n${line({ JobIDRaw: '15' })}`;
    expect(sacctRows(text, ALL_COLUMNS)).toMatchObject([
      { kind: 'refused' },
      { kind: 'job', record: { jobId: '15' } },
    ]);
  });
  test('a reply that is cut off ends with a refused row, even when only its line end is missing', () => {
    for (const cut of [1, 2, 30]) {
      expect(sacctRows(`${line()}${line({ JobIDRaw: '15' }).slice(0, -cut)}`, ALL_COLUMNS)).toMatchObject([
        { kind: 'job', record: { jobId: '14' } },
        { kind: 'refused', expected: 'expected a last row with its line end' },
      ]);
    }
  });
  test('a name that looks like rows is a name, since nobody knows what stands between columns', () => {
    const delimiter = '\u001f8a31f0';
    const forged = `x\n${line({ JobIDRaw: '99' })}${line({ JobIDRaw: '98' })}y`;
    const reader = createSacctReader(ALL_COLUMNS, delimiter);
    const rows = reader.add(Buffer.from(line({ JobName: forged }, ALL_COLUMNS, delimiter)));
    expect(recordsOf(rows)).toMatchObject([{ jobId: '14', user: 'ada' }]);
  });
  test('lines without end are given up one by one', () => {
    const reader = createSacctReader(ALL_COLUMNS, '\u001f');
    const rows = reader.add(Buffer.from('no row\n'.repeat(1_000)));
    expect(rows.every(({ kind }) => kind === 'refused')).toBe(true);
    expect(rows.length + 256).toBe(1_000);
  });
});

const DELIMITER = '\u001fd3l1m';
const name = fc.string({
  unit: fc.constantFrom('a', 'é', ' ', '\n', '\u001f', '|', '"', '\u001b'),
  maxLength: 12,
});

test('any names, in pieces of any size, give the same jobs', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(name, { maxLength: 8 }), sizes, (names, pieces) => {
      const bytes = Buffer.from(
        names.map((JobName, at) => line({ JobName, JobIDRaw: String(at) }, ALL_COLUMNS, DELIMITER)).join(''),
      );
      const reader = createSacctReader(ALL_COLUMNS, DELIMITER);
      const rows = [];
      for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
        const size = pieces[piece % pieces.length]!;
        rows.push(...reader.add(bytes.subarray(at, at + size)));
        at += size;
      }
      expect([...rows, ...reader.end()].map(({ kind }) => kind)).toEqual(names.map(() => 'job'));
      expect(recordsOf(rows).map((record) => [record.jobId, record.name?.length ?? 0])).toEqual(
        names.map((one, at) => [String(at), one.length]),
      );
    }),
  );
});

test('asks for the columns that the version has', () => {
  const all = sacctColumnsOf('Account             Cluster\nJobID  JobIDRaw\n\nrestarts   SLUID Submit\n');
  expect(all).toEqual(ALL_COLUMNS);
  expect(sacctColumnsOf('Account Cluster SubmitLine Submit')).toEqual([
    ...SACCT_COLUMNS,
    'Submit',
    'Cluster',
  ]);
});

describe('replies that went wrong', () => {
  test('sacct-typed-gres.txt: 4 GPUs', () => {
    expect(sacctRows(readReply('sacct-typed-gres.txt'))).toMatchObject([
      { hasGpus: true, record: { gpus: 4 } },
    ]);
  });
  test('sacct-shard.txt: a job that has GPUs, how many is unknown', () => {
    const rows = sacctRows(readReply('sacct-shard.txt'));
    expect(rows).toMatchObject([{ kind: 'job', hasGpus: true }]);
    expect(recordsOf(rows)[0]).not.toHaveProperty('gpus');
  });
  test('sacct-newline-name.txt: two jobs, whose names can be seen', () => {
    expect(recordsOf(sacctRows(readReply('sacct-newline-name.txt'))).map((record) => record.name)).toEqual([
      'x',
      'step one⏎step two',
    ]);
  });
});
