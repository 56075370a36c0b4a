import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { readSlurmNodes, readSlurmQueue } from '../../../src/ownership/slurm/load.ts';
import { createFakeSlurm, type FakeSlurm } from '../../helpers/fake-slurm.ts';
import { readReply } from '../../helpers/slurm-replies.ts';

let slurm: FakeSlurm;
beforeEach(() => {
  slurm = createFakeSlurm();
  vi.stubEnv('PATH', slurm.path);
});
afterEach(() => {
  vi.unstubAllEnvs();
  slurm.close();
});

const CELL = '\u001f';
const END = '\u001e\n';
const nodeRow = (...cells: string[]): string => cells.join(CELL) + END;
const jobRow = (id: string, change: Record<number, string> = {}): string => {
  const cells = [
    id,
    'N/A',
    'gpu',
    'a',
    'ada',
    'q',
    'Priority',
    '1700000000',
    '1',
    '1',
    '*',
    'N/A',
    'gres:gpu:1',
  ];
  return [...cells, 'N/A', 'N/A'].map((cell, at) => change[at] ?? cell).join(CELL) + END;
};

async function failureOf(answer: Promise<unknown>): Promise<OperatingError> {
  const failure = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(failure instanceof OperatingError)) throw new Error('it did not fail');
  return failure;
}

describe('nodes by sinfo', () => {
  test('of a real Slurm are read with their states and reasons', async () => {
    slurm.sinfo(readReply('sinfo-22.05.txt'));
    const alike = { gpus: 4, partitions: 'debug' };
    expect(await readSlurmNodes()).toEqual({
      rows: [
        {
          node: 'vm-1',
          state: 'drained',
          slurmState: 'allocated+drain',
          reason: 'bad | disk é⏎x=1',
          ...alike,
        },
        { node: 'vm-2', state: 'down', slurmState: 'down+planned', reason: 'no power', ...alike },
        {
          ...{
            node: 'vm-3',
            state: 'drained',
            slurmState: 'idle+maintenance+reserved+planned',
            reason: undefined,
          },
          ...alike,
        },
      ],
      refused: [],
    });
    expect(slurm.calls()[0]).toMatch(/^sinfo --all --local --noheader --Node -O NodeList:/);
  });

  test('are one each, however many partitions they are in, and none without GPUs', async () => {
    slurm.sinfo(
      nodeRow('n1', 'idle', 'gpu:h100:4(S:0-1),shard:h100:16', 'long', 'none') +
        nodeRow('n1', 'idle', 'gpu:h100:4(S:0-1),shard:h100:16', 'gpu', 'none') +
        nodeRow('n2', 'idle', 'gpu:a100:2,gpu:1g.10gb:7', 'gpu', '(null)') +
        nodeRow('n3', 'idle', 'gpu', 'gpu', 'none') +
        nodeRow('c1', 'idle', '(null)', 'cpu', 'none') +
        nodeRow('c2', 'idle', 'gpu:0', 'cpu', 'none'),
    );
    const { rows, refused } = await readSlurmNodes();
    expect(rows.map(({ node, gpus, partitions }) => [node, gpus, partitions])).toEqual([
      ['n1', 4, 'gpu,long'],
      ['n2', 9, 'gpu'],
      ['n3', 1, 'gpu'],
    ]);
    expect(refused).toEqual([]);
  });

  test('that cannot be read are refused by themselves', async () => {
    slurm.sinfo(
      nodeRow('n1', 'idle', 'gpu:4', 'gpu', 'none') +
        nodeRow('', 'idle', 'gpu:4', 'gpu', 'none') +
        nodeRow('n2', '', 'gpu:4', 'gpu', 'none') +
        nodeRow('n3', 'idle'),
    );
    const { rows, refused } = await readSlurmNodes();
    expect(rows.map(({ node }) => node)).toEqual(['n1']);
    expect(refused).toEqual([
      { expected: 'NodeList: expected the name of a node', found: '""' },
      { expected: 'StateComplete: expected a state', found: '""' },
      { expected: 'expected a row of 5 columns', found: '2: "n3|idle"' },
    ]);
  });
});

describe('who waits, by squeue', () => {
  test('of a real Slurm is read: arrays, het jobs, all ways to ask', async () => {
    slurm.waiting(readReply('squeue-waiting-22.05.txt'));
    const { rows, refused } = await readSlurmQueue();
    expect(refused).toEqual([]);
    expect(
      rows.map(({ jobs, nodes, gpus, gpuType, reason }) => [jobs, nodes, gpus, gpuType, reason]),
    ).toEqual([
      [1, 1, 4, undefined, 'Resources'],
      [1, 1, 4, undefined, 'Priority'],
      [20, 2, 4, 'h100', 'Priority'],
      [1, 2, 6, undefined, 'Priority'],
      [1, 2, 4, 'h100', 'Priority'],
      [1, 1, 3, undefined, 'Priority'],
      [1, 1, 1, undefined, 'Priority'],
      [1, 1, 1, undefined, 'BeginTime'],
      [1, 1, 1, undefined, 'Dependency'],
      [1, 1, 1, undefined, 'Priority'],
      [5, 1, 1, undefined, 'Priority'],
      [1, 1, 1, undefined, 'Resources'],
      [1, 1, 2, undefined, 'Resources'],
      [200, 1, 1, undefined, 'Priority'],
      [33, 3, 3, undefined, 'ReqNodeNotAvail'],
      [1, 1, 3, 'h100', 'JobHeldUser'],
    ]);
    expect(rows[2]).toMatchObject({ account: 'physics', user: 'root', partition: 'debug' });
    expect(slurm.calls()[0]).toMatch(/^squeue --all --local --noheader --states=PENDING -O JobID:/);
  });

  test('is nobody where squeue says nothing', async () => {
    slurm.waiting('');
    expect(await readSlurmQueue()).toEqual({ rows: [], refused: [] });
  });

  test('is refused row by row, with job and reason', async () => {
    slurm.waiting(jobRow('7') + jobRow('8', { 8: 'x' }) + jobRow('9', { 12: 'gres:gpu:2' }));
    const { rows, refused } = await readSlurmQueue();
    expect(rows.map(({ gpus }) => gpus)).toEqual([1, 2]);
    expect(refused).toEqual([{ expected: 'NumNodes: expected a number of nodes', found: '"x" (job 8)' }]);
  });

  test('a row without an end is passed over once, and what comes behind it is read', async () => {
    const long = 'x'.repeat((1 << 20) + 100_000);
    slurm.waiting(jobRow('7') + jobRow('8', { 4: long }) + jobRow('9'));
    const { rows, refused } = await readSlurmQueue();
    expect(rows).toHaveLength(2);
    expect(refused.map(({ expected }) => expected)).toEqual(['expected a row that ends']);
  });
});

describe('no answer', () => {
  test.each([
    ['is cut off', jobRow('7') + jobRow('8').slice(0, -3), 'its last row is cut off'],
    [
      'has other columns',
      'a\u001eb\n'.replace('b', '') + `x${END}`,
      'of all rows expected a row of 15 columns',
    ],
  ])('is one that %s', async (_what, text, why) => {
    slurm.waiting(text);
    expect(await failureOf(readSlurmQueue())).toMatchObject({
      ...{ code: 'slurm.reply', exit: 'data' },
      message: expect.stringContaining(why) as string,
    });
  });

  test('comes where there is no command, where it fails, and where it is broken off', async () => {
    vi.stubEnv('PATH', `${slurm.directory}/none`);
    expect(await failureOf(readSlurmNodes())).toMatchObject({ code: 'slurm.missing', exit: 'unavailable' });
    vi.stubEnv('PATH', slurm.path);
    slurm.sinfo(nodeRow('n1', 'idle', 'gpu:4', 'gpu', 'none'), 1);
    expect(await failureOf(readSlurmNodes())).toMatchObject({ code: 'slurm.failed', exit: 'temporary' });
    slurm.put('sinfo', 'sleep 3600');
    const closing = new AbortController();
    const asked = failureOf(readSlurmNodes(closing.signal));
    await expect.poll(() => slurm.calls().length).toBe(2);
    closing.abort();
    expect(await asked).toMatchObject({
      message: expect.stringContaining('it was broken off') as string,
    });
  });
});
