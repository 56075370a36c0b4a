import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrayTasks, SQUEUE_COLUMNS, waitingJobsOf } from '../../../schemas/slurm/waiting.ts';

const PLAIN = {
  ...{ JobID: '7', ArrayTaskID: 'N/A', Partition: 'gpu', Account: '(null)', UserName: 'ada', QOS: '(null)' },
  ...{ Reason: 'Priority', SubmitTime: '1700000000', NumNodes: '1', NumTasks: '1', Sockets: '*' },
  ...{ 'tres-per-job': 'N/A', 'tres-per-node': 'N/A', 'tres-per-socket': 'N/A', 'tres-per-task': 'N/A' },
};
type Column = keyof typeof PLAIN;
const read = (change: Partial<Record<Column, string>>): ReturnType<typeof waitingJobsOf> =>
  waitingJobsOf(SQUEUE_COLUMNS.map((column) => ({ ...PLAIN, ...change })[column]));

/** What a job asks for, how many GPUs that are, and of which type. */
const ASKED: readonly (readonly [Partial<Record<Column, string>>, number | undefined, string | undefined])[] =
  [
    [{ 'tres-per-node': 'gres:gpu' }, 1, undefined],
    [{ 'tres-per-node': 'gres:gpu:4' }, 4, undefined],
    [{ 'tres-per-node': 'gres:gpu:h100:4', NumNodes: '2' }, 8, 'h100'],
    [{ 'tres-per-node': 'gres:gpu:h100:4', NumNodes: '2-4' }, 8, 'h100'],
    [{ 'tres-per-node': 'gres/gpu:h100=4', NumNodes: '3' }, 12, 'h100'],
    [{ 'tres-per-node': 'gres:gpu:1g.10gb:2' }, 2, '1g.10gb'],
    [{ 'tres-per-node': 'gres:gpu:1g.10gb' }, 1, '1g.10gb'],
    [{ 'tres-per-node': 'gres:gpu:v100:1,gres:gpu:a100:2' }, 3, 'a100+v100'],
    [{ 'tres-per-node': 'gres:nic:1,gres:gpu:2' }, 2, undefined],
    [{ 'tres-per-job': 'gres:gpu:6', NumNodes: '2' }, 6, undefined],
    [{ 'tres-per-job': 'gres:gpu:6', 'tres-per-node': 'gres:gpu:3', NumNodes: '2' }, 6, undefined],
    [{ 'tres-per-task': 'gres:gpu:1', NumTasks: '3' }, 3, undefined],
    [
      { 'tres-per-task': 'gres:gpu:1', NumTasks: '3', 'tres-per-node': 'gres:gpu:4', NumNodes: '2' },
      8,
      undefined,
    ],
    [{ 'tres-per-socket': 'gres:gpu:2', Sockets: '2', NumNodes: '2' }, 8, undefined],
    [{ 'tres-per-socket': 'gres:gpu:2' }, 2, undefined],
    [{ 'tres-per-node': 'gres:shard:3' }, undefined, 'shard'],
    [{ 'tres-per-node': 'gres:mps:50' }, undefined, 'mps'],
  ];

describe('a waiting job', () => {
  test.each(ASKED)('%j asks for %s GPUs of type %s', (change, gpus, gpuType) => {
    expect(read(change)).toMatchObject({ gpus, gpuType, jobs: 1 });
  });

  test.each([{}, { 'tres-per-node': 'gres:gpu:0' }, { 'tres-per-node': 'gres:nic:2' }])(
    'is left out where it asks for no GPU: %j',
    (change) => {
      expect(read(change)).toBeUndefined();
    },
  );

  test('is told with whom it is, and why it waits in one word', () => {
    const told = read({
      ...{ 'tres-per-node': 'gres:gpu:1', Account: 'physik-ä', QOS: 'high', UserName: '\u001b[31m李' },
      ...{
        Reason: 'ReqNodeNotAvail, UnavailableNodes:n[1-9]',
        Partition: 'gpu,long',
        SubmitTime: '1700000001',
      },
    });
    expect(told).toEqual({
      ...{ jobs: 1, nodes: 1, gpus: 1, gpuType: undefined, submitUs: 1_700_000_001e6 },
      ...{
        account: 'physik-ä',
        qos: 'high',
        user: '␛[31m李',
        partition: 'gpu,long',
        reason: 'ReqNodeNotAvail',
      },
    });
  });

  test.each([
    ['Resources', 'Resources'],
    [
      'Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions',
      'Resources',
    ],
    [
      'Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions',
      'Resources',
    ],
    ['ReqNodeNotAvail,_UnavailableNodes:n1', 'ReqNodeNotAvail'],
    ['AssocGrpGRES', 'AssocGrpGRES'],
    ['(null)', undefined],
  ])('waits by the word that the controller has: %s', (Reason, reason) => {
    expect(read({ 'tres-per-node': 'gres:gpu:1', Reason })).toMatchObject({ reason });
  });

  test.each([
    [{ NumNodes: 'two' }, 'NumNodes: expected a number of nodes', '"two" (job 7)'],
    [{ NumTasks: '' }, 'NumTasks: expected a number of tasks', '"" (job 7)'],
    [{ ArrayTaskID: '1,4,7,...' }, 'ArrayTaskID: expected', '"1,4,7,..."'],
    [{ SubmitTime: '2023-11-14T22:13:20' }, 'SubmitTime: expected', '"2023'],
    [{ Partition: '' }, 'Partition: expected', '""'],
    [{ 'tres-per-node': 'gres:gpu:4000000000', NumNodes: '9' }, 'tres-per-node: expected', '"gres'],
  ] as const)('is refused by itself where it cannot be read: %j', (change, expected, found) => {
    const refused = read({ 'tres-per-node': 'gres:gpu:1', ...change });
    expect(refused).toMatchObject({
      expected: expect.stringContaining(expected) as string,
      found: expect.stringContaining(found) as string,
    });
  });
});

describe('tasks of an array', () => {
  test.each([
    ['', 1],
    ['5', 1],
    ['1-20%3', 20],
    ['3,7,10-20:5', 5],
    ['1-598:3', 200],
    ['0-0', 1],
    ['5-1', undefined],
    ['1-9:0', undefined],
    ['1,4,...', undefined],
    ['x', undefined],
  ])('%s', (list, tasks) => {
    expect(arrayTasks(list)).toBe(tasks);
  });

  test('are as many as a list of them has', () => {
    const range = fc.record({
      first: fc.nat(500),
      length: fc.nat(300),
      step: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 5 }), fc.boolean(), (ranges, hasLimit) => {
        const list = ranges.map(({ first, length, step }) => `${first}-${first + length}:${step}`).join(',');
        let tasks = 0;
        for (const { first, length, step } of ranges)
          for (let task = first; task <= first + length; task += step) tasks += 1;
        expect(arrayTasks(hasLimit ? `${list}%4` : list)).toBe(tasks);
      }),
    );
  });
});
