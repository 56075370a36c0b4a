import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import type { JobInput, JobNews } from '../../../src/core/jobs/job-fact.ts';
import type { AskScontrol } from '../../../src/ownership/slurm/scontrol.ts';
import {
  at,
  describeOwnership,
  openJournalBench,
  wholeGpus,
  type JournalBench,
} from '../../helpers/journal.ts';

let bench: JournalBench;
beforeEach(() => {
  bench = openJournalBench();
});
afterEach(() => {
  bench.close();
});

const gpu = (index: number, model: string): Device => ({
  ...{ uuid: `GPU-${index}`, node: 'n1', index, minor: index, model, memoryBytes: 1 },
  pciBusId: `00000000:0${index}:00.0`,
});
const instance = (id: number, migProfile: string): Device => ({
  ...{ ...gpu(3, 'A'), uuid: `MIG-${id}`, parentUuid: 'GPU-3' },
  gpuInstanceId: id,
  migProfile,
});
/** The handed case: Slurm finds the GPUs itself, and the node has two models. */
const TWO_MODELS = [gpu(0, 'A'), gpu(1, 'B'), gpu(2, 'A')];

function put(name: 'gres.conf' | 'slurm.conf', text: string): void {
  writeFileSync(join(bench.directory, name), text);
}

function autodetect(): void {
  const handed = join(import.meta.dirname, '../../fixtures/slurm-conf/gres-autodetect/gres.conf');
  copyFileSync(handed, join(bench.directory, 'gres.conf'));
  put('slurm.conf', 'GresTypes=gpu\n');
}

/** What the input tells when it has asked whom it must ask. */
async function readAll(input: JobInput): Promise<{ owned: string[]; codes: string[] }> {
  const news: JobNews[] = [input.read(at(5))];
  await input.answers?.();
  news.push(input.read(at(5)));
  return {
    owned: describeOwnership(...news).map((line) => line.replace(' (1, open', '')),
    codes: news.flatMap(({ problems = [] }) => problems.map(({ code }) => code)),
  };
}

describe('several models where Slurm finds the GPUs itself', () => {
  test('the scheduler is asked, since the hook is told of one model only', async () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '0,2' });
    const asked: string[] = [];
    const input = bench.open({
      devices: TWO_MODELS,
      askScheduler: (_conf, job) => (asked.push(job), Promise.resolve(wholeGpus(0, 1, 2))),
    });
    const { owned } = await readAll(input);
    expect(asked).toEqual(['7']);
    expect(owned).toEqual(['7 on GPU-0', '7 on GPU-1', '7 on GPU-2']);
  });

  test('where it cannot be asked they are unresolved', async () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '0,2' });
    const { owned, codes } = await readAll(bench.open({ devices: TWO_MODELS }));
    expect(owned).toEqual(['7 on unresolved:n1:0', '7 on unresolved:n1:2']);
    expect(codes).toEqual(['journal.unresolved_device']);
  });

  test('one model is as the hook says', async () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '0,2' });
    const devices = TWO_MODELS.map((device) => ({ ...device, model: 'A' }));
    expect((await readAll(bench.open({ devices }))).owned).toEqual(['7 on GPU-0', '7 on GPU-2']);
  });
});

describe('MIG instances of several profiles', () => {
  const devices = [gpu(0, 'A'), instance(1, '1g.10gb'), instance(2, '2g.20gb')];

  test('their UUIDs in the hook are known beyond doubt, and the rest the scheduler tells by number only', async () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '2', visible: 'MIG-2' });
    const askScheduler = (): ReturnType<AskScontrol> => Promise.resolve(wholeGpus(1, 2));
    const { owned } = await readAll(bench.open({ devices, askScheduler }));
    expect(owned).toEqual(['7 on MIG-2', '7 on unresolved:n1:1']);
  });

  test('the UUIDs hold where nobody can be asked', async () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '1,2', visible: 'MIG-1,MIG-2' });
    expect((await readAll(bench.open({ devices }))).owned).toEqual(['7 on MIG-1', '7 on MIG-2']);
  });

  test('a number without a UUID is unresolved at once', () => {
    autodetect();
    bench.put('start', '7', 1, { gpus: '0' });
    const input = bench.open({ devices });
    expect(describeOwnership(input.read(at(5)))).toEqual(['7 on unresolved:n1:0 (1, open']);
    expect(input.answers?.()).toBeUndefined();
  });
});

describe('files that do not tell', () => {
  test('are told once, and no device is guessed', async () => {
    put('gres.conf', 'Name=gpu File=/dev/nvidia[0-3]\nInclude missing.conf\n');
    bench.put('start', '7', 1, { gpus: '0' });
    const input = bench.open();
    const { owned, codes } = await readAll(input);
    expect(owned).toEqual(['7 on unresolved:n1:0']);
    expect(codes.sort()).toEqual(['journal.unresolved_device', 'slurm.bad_conf']);
    bench.put('start', '8', 2, { gpus: '1' });
    expect(input.read(at(6)).problems?.map(({ code }) => code)).toEqual(['journal.unresolved_device']);
  });

  test('as those of another cluster: neither devices nor shares go by them', () => {
    put('slurm.conf', 'ClusterName=Far\nGresTypes=gpu\nNodeName=n1 Gres=gpu:4\n');
    bench.put('start', '7', 1, { gpus: '0', cluster: 'near' });
    bench.put('start', '8', 1, { gpus: '1', cluster: 'far' });
    const { facts, problems = [] } = bench.open().read(at(5));
    expect(facts.map(({ jobId, gpu: owned, share }) => `${jobId} on ${owned}, ${share}`)).toEqual([
      '7 on unresolved:near/n1:0, NaN',
      '8 on GPU-1, 1',
    ]);
    expect(problems.map(({ code, message }) => `${code}: ${message}`)).toContain(
      'slurm.bad_conf: expected the slurm.conf of cluster near, found that of far',
    );
  });
});
