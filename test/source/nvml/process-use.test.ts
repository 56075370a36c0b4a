import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  openProcessReader,
  type DeviceUse,
  type ProcessReader,
} from '../../../src/source/nvml/process-use.ts';
import { openProcessUse, type UseAnswer } from '../../../src/source/nvml/process-use-thread.ts';
import { loadFake } from '../../helpers/fakes.ts';

const fake = loadFake('nvml');
const GPU_0 = 'GPU-00000000-fade-4000-8000-000000000000';
const GPU_1 = 'GPU-00000001-fade-4000-8000-000000000001';
const MIB = 1_048_576;
const NOT_SUPPORTED = 3;
const NO_PERMISSION = 4;
const GPU_IS_LOST = 15;

interface PlayedProcess {
  readonly pid: number;
  readonly gpu?: number;
  readonly slot?: number;
  /** Percent. */
  readonly sm?: number;
  readonly mib?: number;
  /** 1 a client, 2 the server. */
  readonly mps?: number;
}

/** Replaces the processes on the fake's GPUs; on GPU 0 unless they say otherwise. */
function play(...processes: readonly PlayedProcess[]): void {
  fake.set('processes', processes.length);
  for (const [index, { pid, gpu = 0, slot, sm = 0, mib = 0, mps = 0 }] of processes.entries()) {
    const all = { pid, gpu: gpu + 1, slot: slot === undefined ? 0 : slot + 1, sm, mib, mps, ended: 0 };
    for (const [name, value] of Object.entries(all)) fake.set(`p${index + 1}_${name}`, value);
  }
}

const wait = (ms: number): void => {
  fake.set('clock_us', fake.get('clock_us') + ms * 1000);
};

let reader: ProcessReader;
const readOne = (gpu = GPU_0): DeviceUse => reader.read([gpu])[0]!;
/** The first read only begins. */
const readAgain = (gpu = GPU_0): DeviceUse => {
  readOne(gpu);
  wait(10_000);
  return readOne(gpu);
};

beforeEach(() => {
  fake.reset();
  fake.set('clock_us', 1_800_000_000_000_000);
  reader = openProcessReader(fake.path, () => fake.get('clock_us') / 1000);
});

describe('what processes do', () => {
  it('is told for each of them, since the read before', () => {
    play({ pid: 100, sm: 40, mib: 512 }, { pid: 200, sm: 20, mib: 1024 }, { pid: 300, gpu: 1, sm: 99 });
    expect(readOne().elapsedMs).toBeNaN();
    wait(10_000);
    expect(reader.read([GPU_0, GPU_1])).toMatchObject([
      {
        gpu: GPU_0,
        elapsedMs: 10_000,
        isSmKnown: true,
        isMemoryKnown: true,
        processes: [
          { pid: 100, smRatio: 0.4, memoryBytes: 512 * MIB, isMpsClient: false, isRunning: true },
          { pid: 200, smRatio: 0.2, memoryBytes: 1024 * MIB, isMpsClient: false, isRunning: true },
        ],
        refusals: [],
      },
      { gpu: GPU_1, elapsedMs: NaN, processes: [{ pid: 300 }] },
    ]);
  });

  it('is nothing on an idle GPU, with and without a process', () => {
    expect(readAgain()).toMatchObject({ isSmKnown: true, isMemoryKnown: true, processes: [], refusals: [] });
    play({ pid: 100, mib: 3 });
    expect(readAgain().processes).toMatchObject([{ pid: 100, smRatio: 0, memoryBytes: 3 * MIB }]);
  });

  it('is the mean of several samples of one process', () => {
    play({ pid: 100, sm: 40 });
    fake.set('utilization_samples', 3);
    expect(readAgain().processes).toMatchObject([{ pid: 100, smRatio: 0.4 }]);
  });

  it('leaves out old stamps, values beyond 100 and numbers of no process', () => {
    play({ pid: 100, sm: 40, mib: 1 });
    fake.set('process_garbage', 1);
    expect(readAgain().processes).toEqual([
      { pid: 100, smRatio: 0.4, memoryBytes: MIB, isMpsClient: false, isRunning: true },
    ]);
  });

  it('is told of a process that has ended since', () => {
    play({ pid: 100, sm: 40, mib: 1 }, { pid: 200, sm: 10, mib: 1 });
    readOne();
    fake.set('p2_ended', 1);
    wait(10_000);
    expect(readOne().processes).toMatchObject([
      { pid: 100, isRunning: true },
      { pid: 200, smRatio: 0.1, memoryBytes: 0, isRunning: false },
    ]);
  });

  it('counts memory that the driver does not tell as unknown', () => {
    play({ pid: 100, sm: 40, mib: -1 });
    expect(readAgain().processes).toMatchObject([{ pid: 100, memoryBytes: NaN }]);
  });

  it('knows the clients of MPS from its server, and adds no memory twice', () => {
    play(
      { pid: 100, sm: 30, mib: 512, mps: 1 },
      { pid: 200, sm: 10, mib: 256, mps: 1 },
      { pid: 300, mib: 64, mps: 2 },
    );
    expect(readAgain().processes).toMatchObject([
      { pid: 100, memoryBytes: 512 * MIB, isMpsClient: true },
      { pid: 200, memoryBytes: 256 * MIB, isMpsClient: true },
      { pid: 300, memoryBytes: 64 * MIB, isMpsClient: false },
    ]);
  });
});

describe('the buffers', () => {
  const three = [100, 200, 300].map((pid) => ({ pid, sm: 10, mib: 1 }));

  it('grow when more processes start between the question and the answer', () => {
    play(...three, ...Array.from({ length: 12 }, (_, n) => ({ pid: 400 + n, sm: 1, mib: 1 })));
    fake.set('late_processes', 14);
    const use = readAgain();
    expect(use.processes).toHaveLength(15);
    expect(use.refusals).toEqual([]);
  });

  it.each([16, 24, 32, 40])('hold records of %i bytes, as drivers differ', (bytes) => {
    play(...three);
    fake.set('record_bytes', bytes);
    expect(readAgain().processes).toMatchObject(three.map(({ pid }) => ({ pid, memoryBytes: MIB })));
  });

  it('say so where no known record fits', () => {
    play(...three);
    fake.set('record_bytes', 28);
    expect(readAgain()).toMatchObject({
      isMemoryKnown: false,
      refusals: [
        'nvmlDeviceGetComputeRunningProcesses_v3 wrote 84 bytes for 3 processes, which no known record fits',
      ],
    });
  });
});

describe('what is refused', () => {
  it('is SM use on a GPU instance, whose memory is known all the same', () => {
    fake.set('mig', 1);
    play({ pid: 100, slot: 0, sm: 40, mib: 7 }, { pid: 200, slot: 1, sm: 40, mib: 8 });
    const instance = 'MIG-00000001-fade-4000-8000-000000000000';
    expect(readAgain(instance)).toMatchObject({
      isSmKnown: false,
      isMemoryKnown: true,
      processes: [{ pid: 200, smRatio: NaN, memoryBytes: 8 * MIB }],
      refusals: ['nvmlDeviceGetProcessUtilization answered NOT_SUPPORTED (3)'],
    });
  });

  it('is told with the reason', () => {
    play({ pid: 100, sm: 40, mib: 7 });
    fake.set('utilization_fails', NO_PERMISSION);
    fake.set('list_fails', NO_PERMISSION);
    fake.set('mps_fails', NOT_SUPPORTED);
    expect(readAgain()).toMatchObject({
      isSmKnown: false,
      isMemoryKnown: false,
      processes: [],
      refusals: [
        'nvmlDeviceGetProcessUtilization answered NO_PERMISSION (4)',
        'nvmlDeviceGetComputeRunningProcesses_v3 answered NO_PERMISSION (4)',
      ],
    });
  });

  it('is a device that NVML does not have', () => {
    expect(readAgain('GPU-elsewhere')).toMatchObject({
      elapsedMs: NaN,
      refusals: ['NVML has no device GPU-elsewhere'],
    });
  });

  it('is everything while the library cannot be started, and nothing afterwards', () => {
    fake.set('init_fails', GPU_IS_LOST);
    expect(() => readOne()).toThrow('nvmlInit_v2 answered GPU_IS_LOST (15)');
    fake.set('init_fails', 0);
    play({ pid: 100, sm: 40 });
    expect(readAgain().processes).toHaveLength(1);
  });
});

it('says nothing of the time since a read that lies too far back', () => {
  play({ pid: 100, sm: 40 });
  readAgain();
  wait(26_000);
  expect(readOne().elapsedMs).toBeNaN();
  wait(25_000);
  expect(readOne().elapsedMs).toBe(25_000);
});

it('lets go of the library after each read, so that the source can start it anew', () => {
  readAgain();
  expect(fake.get('inits')).toBe(0);
  fake.set('lose_handles', 1);
  wait(10_000);
  expect(readOne()).toMatchObject({ isSmKnown: true, elapsedMs: 10_000 });
});

describe('the thread', () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'gpuledger-proc-'));
    mkdirSync(join(proc, 'self/ns'), { recursive: true });
    symlinkSync('pid:[4026531836]', join(proc, 'self/ns/pid'));
  });
  afterEach(() => {
    rmSync(proc, { recursive: true, force: true });
  });

  function put(pid: number, cgroup: string): void {
    mkdirSync(join(proc, String(pid)), { recursive: true });
    writeFileSync(join(proc, String(pid), 'cgroup'), cgroup);
  }

  function openThread(options: { readonly library?: string; readonly answerMsMax?: number } = {}): {
    readonly read: (gpus: readonly string[]) => Promise<UseAnswer>;
  } {
    const { library = fake.path, ...rest } = options;
    const thread = openProcessUse(library, { proc, ...rest });
    onTestFinished(thread.close);
    return thread;
  }

  const jobsOf = (answer: UseAnswer): unknown =>
    answer.type === 'use' ? answer.devices[0]!.processes.map(({ pid, mark }) => [pid, mark.job]) : answer;

  it('knows whose the processes are, also of one that has ended since', async () => {
    play({ pid: 100, sm: 40, mib: 1 }, { pid: 200, sm: 40, mib: 1 }, { pid: 300, sm: 5, mib: 1 });
    put(100, '0::/system.slice/slurmstepd.scope/job_5/step_0/user/task_0\n');
    put(200, '0::/system.slice/slurmstepd.scope/job_6/step_0/user/task_0\n');
    const thread = openThread();
    const all = [
      [100, { jobId: '5' }],
      [200, { jobId: '6' }],
      [300, 'unknown'],
    ];
    expect(jobsOf(await thread.read([GPU_0]))).toEqual(all);
    fake.set('p2_ended', 1);
    rmSync(join(proc, '200'), { recursive: true });
    wait(10_000);
    expect(jobsOf(await thread.read([GPU_0]))).toEqual([all[0], all[2], all[1]]);
  });

  it('says that it never will where the library or the processes of the host are not to be seen', async () => {
    expect(await openThread({ library: '/nowhere/libnvidia-ml.so.1' }).read([GPU_0])).toMatchObject({
      type: 'off',
      reason: 'libnvidia-ml.so.1 not found',
    });
    rmSync(join(proc, 'self/ns/pid'));
    expect(await openThread().read([GPU_0])).toMatchObject({ type: 'off' });
  });

  it('does not wait for a driver that hangs, and asks it nothing more until it answers', async () => {
    play({ pid: 100, sm: 40, mib: 1 });
    fake.set('burn_us', 20_000);
    const thread = openThread({ answerMsMax: 10 });
    expect(await thread.read([GPU_0])).toMatchObject({
      type: 'failed',
      reason: 'NVML has not answered for 0.01 s',
    });
    expect(await thread.read([GPU_0])).toMatchObject({ type: 'failed', reason: /still has not answered/ });
    fake.set('burn_us', 0);
    await expect.poll(async () => (await thread.read([GPU_0])).type).toBe('use');
  });
});
