import { beforeEach, describe, expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Device } from '../../src/core/devices/device.ts';
import type { JobFact } from '../../src/core/jobs/job-fact.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { createSharedUse, type SharedUse } from '../../src/job-map/shared-use.ts';
import type { SharedUseRow } from '../../src/questdb/rows/small-tables.ts';
import type { MarkedProcess, UseAnswer } from '../../src/source/nvml/process-use-thread.ts';

const START_US = 1_800_000_000_000_000;
const GPU = 'GPU-a';
const GIB = 2 ** 30;
const DEVICE: Device = { uuid: GPU, node: 'n1', cluster: 'lab', index: 0, model: 'X', memoryBytes: 1 };

let ownership: Ownership;
let nowUs: number;
let rows: SharedUseRow[];
let notices: Notice[];
let reads: (readonly string[])[];
let answer: () => UseAnswer;
let use: SharedUse;

beforeEach(() => {
  ownership = new Ownership();
  nowUs = START_US;
  rows = [];
  notices = [];
  reads = [];
  answer = () => seen([]);
  use = createSharedUse({
    ownership,
    devices: [DEVICE, { ...DEVICE, uuid: 'GPU-b' }],
    nowUs: () => nowUs,
    processUse: {
      read: (gpus) => {
        reads.push(gpus);
        return Promise.resolve(answer());
      },
    },
    onRows: (more) => rows.push(...more),
    tell: (notice) => notices.push(notice),
  });
});

function tell(kind: JobFact['kind'], jobId: string, share = NaN, gpu = GPU): void {
  ownership.apply({ kind, jobId, share, gpu, node: 'n1', run: 0, source: 'journal', atUs: nowUs - 1 });
}

function process(mark: MarkedProcess['mark']['job'], rest: Partial<MarkedProcess> = {}): MarkedProcess {
  return {
    ...{ pid: 1, smRatio: 0, memoryBytes: 0, isMpsClient: false, isRunning: true },
    mark: { job: mark, isMpsServer: false },
    ...rest,
  };
}

function seen(
  processes: readonly MarkedProcess[],
  rest: Partial<Extract<UseAnswer, { type: 'use' }>['devices'][number]> = {},
): UseAnswer {
  const known = { gpu: GPU, elapsedMs: 10_000, isSmKnown: true, isMemoryKnown: true, refusals: [] };
  return { type: 'use', devices: [{ ...known, processes, ...rest }] };
}

/** Goes on so often: ten seconds later it looks. */
async function look(times = 1): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    nowUs += 10e6;
    await use.look();
  }
}

const sumsOf = (): unknown[] =>
  rows.map(({ kind, jobId, smUseSeconds, memoryByteSeconds }) => [
    jobId ?? kind,
    Math.round(smUseSeconds * 1e6) / 1e6,
    Math.round(memoryByteSeconds / GIB),
  ]);

describe('nothing is read', () => {
  test('while no device has two owners', async () => {
    tell('start', '5');
    tell('start', '6', NaN, 'GPU-b');
    await look(3);
    expect(reads).toEqual([]);
    tell('start', '7');
    await look();
    expect(reads).toEqual([[GPU]]);
    tell('end', '7');
    await look(3);
    expect(reads).toHaveLength(1);
  });

  test('where the shares are told, but for one at most: the rest is its', async () => {
    tell('start', '5', 0.5);
    tell('start', '6', 0.25);
    await look();
    tell('start', '7');
    await look();
    expect(reads).toEqual([]);
    tell('start', '8');
    await look();
    expect(reads).toHaveLength(1);
  });
});

describe('sums', () => {
  beforeEach(() => {
    tell('start', '5');
    tell('start', '6');
  });
  const job = (jobId: string, smRatio: number, gib: number): MarkedProcess =>
    process({ jobId }, { smRatio, memoryBytes: gib * GIB });

  test('are kept for each owner, also for one that does nothing', async () => {
    answer = () => seen([job('5', 0.4, 1), job('5', 0.1, 1)]);
    await look(3);
    tell('end', '5');
    await look();
    expect(sumsOf()).toEqual([
      ['5', 15, 60],
      ['6', 0, 0],
    ]);
    expect(rows).toMatchObject([
      {
        cluster: 'lab',
        node: 'n1',
        gpu: GPU,
        fromUs: START_US,
        toUs: START_US + 30e6,
        seenUs: 30e6,
        processes: 2,
      },
      { processes: 0 },
    ]);
  });

  test('tell jobs, processes without one, those of which nothing is known, and the server of MPS apart', async () => {
    const server = { job: 'none', isMpsServer: true } as const;
    answer = () =>
      seen([
        process({ jobId: '5' }, { smRatio: 0.5, isMpsClient: true }),
        process({ jobId: '6' }, { smRatio: 0.25, isMpsClient: true }),
        process({ jobId: '9' }, { smRatio: 0.01 }),
        process('none', { smRatio: 0.02 }),
        process('unknown', { smRatio: 0.03 }),
        process('none', { smRatio: 0.75, memoryBytes: GIB, mark: server }),
      ]);
    await look();
    use.finish();
    expect(sumsOf()).toEqual([
      ['5', 5, 0],
      ['6', 2.5, 0],
      ['9', 0.1, 0],
      ['no_job', 0.2, 0],
      ['unknown', 0.3, 0],
      ['mps_server', 7.5, 10],
    ]);
  });

  test('count a program that calls itself the server of MPS to its job, unless it has clients', async () => {
    const called = { mark: { job: { jobId: '5' }, isMpsServer: true }, smRatio: 0.5 } as const;
    answer = () => seen([process('none', called), job('6', 0.5, 0)]);
    await look();
    answer = () =>
      seen([process('none', called), process({ jobId: '6' }, { smRatio: 0.5, isMpsClient: true })]);
    await look();
    use.finish();
    expect(sumsOf()).toEqual([
      ['5', 5, 0],
      ['6', 10, 0],
      ['mps_server', 5, 0],
    ]);
  });

  test('know a job by the name of its run, and a component by the id of the whole', async () => {
    use.noteRecords([
      { jobId: '5', startUs: 1, sluid: 'sEKNKTV3WPV500' },
      { jobId: '6', startUs: 1, hetJobId: '4' },
    ]);
    answer = () =>
      seen([
        process({ sluid: 'sEKNKTV3WPV500' }, { smRatio: 0.5 }),
        process({ sluid: 'sEKNKTV3WPV501' }, { smRatio: 0.1 }),
        process({ jobId: '4' }, { smRatio: 0.25 }),
      ]);
    await look();
    use.noteRecords([{ jobId: '5', startUs: 1, endUs: 2, sluid: 'sEKNKTV3WPV500' }]);
    await look();
    use.finish();
    expect(sumsOf()).toEqual([
      ['5', 5, 0],
      ['6', 5, 0],
      ['unknown', 7, 0],
    ]);
  });

  test('begin anew when the owners are others, at the read before', async () => {
    answer = () => seen([job('5', 0.4, 0), job('6', 0.1, 0)]);
    await look(2);
    tell('start', '7');
    await look();
    tell('end', '5');
    await look();
    use.finish();
    expect(
      rows.map(({ jobId, fromUs, toUs }) => [jobId, (fromUs - START_US) / 1e6, (toUs - START_US) / 1e6]),
    ).toEqual([
      ['5', 0, 20],
      ['6', 0, 20],
      ['5', 20, 30],
      ['6', 20, 30],
      ['7', 20, 30],
      ['6', 30, 40],
      ['7', 30, 40],
      ['5', 30, 40],
    ]);
  });

  test('do not fill a gap, and begin after the first read', async () => {
    answer = () => seen([job('5', 0.4, 0)], { elapsedMs: NaN });
    await look();
    use.finish();
    expect(rows).toEqual([]);
    answer = () => seen([job('5', 0.4, 0)]);
    await look();
    answer = () => seen([job('5', 0.4, 0)], { elapsedMs: NaN });
    await look();
    expect(rows.map(({ toUs, seenUs }) => [(toUs - START_US) / 1e6, seenUs])).toEqual([
      [20, 10e6],
      [20, 10e6],
    ]);
  });

  test('begin anew when the clock is set', async () => {
    answer = () => seen([job('5', 0.4, 0)]);
    await look();
    nowUs += 100e6;
    await look();
    use.finish();
    expect(rows.filter(({ jobId }) => jobId === '5').map(({ fromUs, toUs }) => toUs - fromUs)).toEqual([
      10e6, 10e6,
    ]);
  });

  test('are unknown, not 0, for what was refused', async () => {
    answer = () => seen([process({ jobId: '5' }, { smRatio: NaN, memoryBytes: GIB })], { isSmKnown: false });
    await look();
    use.finish();
    expect(sumsOf()).toEqual([
      ['5', NaN, 10],
      ['6', NaN, 0],
    ]);
  });

  test('are on their way once a minute, with the same start, and begin anew every hour', async () => {
    answer = () => seen([job('5', 0.5, 0)]);
    await look(13);
    const own = rows.filter(({ jobId }) => jobId === '5');
    expect(own.map(({ fromUs, smUseSeconds }) => [fromUs, smUseSeconds])).toEqual([
      [START_US, 30],
      [START_US, 60],
    ]);
    rows.length = 0;
    await look(361 - 13);
    expect(new Set(rows.map(({ fromUs }) => fromUs - START_US))).toEqual(new Set([0]));
    use.finish();
    expect(rows.at(-1)).toMatchObject({ fromUs: START_US + 3600e6, toUs: START_US + 3610e6 });
  });
});

describe('why nothing is measured', () => {
  const reasons = (): string[] => notices.map(({ sentence }) => sentence.replace(/^.*?: /, ''));
  beforeEach(() => {
    tell('start', '5');
    tell('start', '6');
  });

  test('is told once, and again when it is another reason', async () => {
    answer = () => ({ type: 'failed', reason: 'no driver' });
    await look(3);
    answer = () =>
      seen([], {
        isSmKnown: false,
        isMemoryKnown: false,
        refusals: ['a: NO_PERMISSION', 'b: NO_PERMISSION'],
      });
    await look(3);
    expect(notices).toMatchObject([
      { level: 'info', code: 'shared_use.unmeasured' },
      { level: 'info', code: 'shared_use.unmeasured', device: GPU },
    ]);
    expect(reasons()).toEqual(['no driver', 'a: NO_PERMISSION; b: NO_PERMISSION']);
    answer = () => seen([]);
    await look();
    answer = () => ({ type: 'failed', reason: 'no driver' });
    await look();
    expect(reasons()).toHaveLength(3);
    use.finish();
    expect(rows).toHaveLength(2);
  });

  test('is told once when it never will be', async () => {
    answer = () => ({ type: 'off', reason: 'no library' });
    await look(3);
    expect(reads).toHaveLength(1);
    expect(reasons()).toEqual(['no library']);
  });
});
