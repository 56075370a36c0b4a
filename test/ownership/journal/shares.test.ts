/**
 * Goal: which part of a GPU a job was given is what the scheduler says when it is asked, late, and never a guess. Method:
 * records of hooks, which know no parts, and an answer in place of scontrol's; what comes out goes through the session.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { GivenDevice, GivenDevices } from '../../../schemas/slurm/scontrol.ts';
import type { JobInput } from '../../../src/core/jobs/job-fact.ts';
import type { Interval } from '../../../src/core/jobs/interval.ts';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import { openOwnership, type OwnershipSession } from '../../../src/job-map/session.ts';
import { at, openJournalBench, type JournalBench } from '../../helpers/journal.ts';

let bench: JournalBench;

beforeEach(() => {
  bench = openJournalBench();
  configure('gpu,shard', 'gpu:4,shard:16', 'Name=shard Count=16\n');
});
afterEach(() => {
  bench.close();
});

function configure(types: string, gres: string, parts: string): void {
  writeFileSync(join(bench.directory, 'slurm.conf'), `GresTypes=${types}\nNodeName=n1 Gres=${gres}\n`);
  writeFileSync(join(bench.directory, 'gres.conf'), `Name=gpu File=/dev/nvidia[0-3]\n${parts}`);
}

/** Answers about jobs by id; nothing of the others. */
const answering =
  (given: Readonly<Record<string, readonly GivenDevice[]>>) =>
  (_conf: string, job: string): Promise<GivenDevices> =>
    Promise.resolve(new Map(given[job] === undefined ? [] : [['n1', given[job]]]));

const sessionOf = (input: JobInput): OwnershipSession =>
  openOwnership({ inputs: [input], ownership: new Ownership(), labelledUntilUs: -Infinity });

/** `7 on GPU-0: 0.5` for every interval, `?` where nobody told. */
function sharesIn({ ownership }: OwnershipSession): string[] {
  return ownership
    .intervals()
    .map(({ jobId, gpu, share }) => `${jobId} on ${gpu}: ${Number.isNaN(share) ? '?' : share}`)
    .sort();
}

async function readTwice(input: JobInput, session = sessionOf(input)): Promise<OwnershipSession> {
  session.read(at(2));
  await input.answers?.();
  session.read(at(3));
  return session;
}

test('shards are the part of the GPU that they are, known as soon as the scheduler has answered', async () => {
  const shard = (count: number): readonly GivenDevice[] => [{ kind: 'shard', position: 1, count }];
  const input = bench.open({ askScheduler: answering({ 7: shard(1), 8: shard(3) }) });
  const session = sessionOf(input);
  bench.put('start', '7', 1, { gpus: '1' });
  bench.put('start', '8', 1.5, { gpus: '1' });
  session.read(at(2));
  expect(sharesIn(session)).toEqual(['7 on GPU-1: ?', '8 on GPU-1: ?']);
  await input.answers?.();
  const { changes } = session.read(at(3));
  expect(sharesIn(session)).toEqual(['7 on GPU-1: 0.25', '8 on GPU-1: 0.75']);
  // The rows are written again, and no sample changes hands.
  expect(
    changes.map(({ interval, previousEndUs }) => [interval.startUs, interval.endUs, previousEndUs]),
  ).toEqual([
    [at(1), Infinity, Infinity],
    [at(1.5), Infinity, Infinity],
  ]);
  session.labelledUntil(at(3));
  expect(session.takeRelabels().orders).toEqual([]);
  bench.put('end', '7', 4, { gpus: '1' });
  session.read(at(5));
  expect(session.ownership.intervals().map(({ endUs, share }) => [endUs, share])).toEqual([
    [at(4), 0.25],
    [Infinity, 0.75],
  ]);
});

test('a job may have whole GPUs and parts of others', async () => {
  const given: GivenDevice[] = [
    { kind: 'gpu', position: 0 },
    { kind: 'shard', position: 2, count: 2 },
    { kind: 'shard', position: 3, count: 3, ofCount: 6 },
  ];
  const input = bench.open({ askScheduler: answering({ 7: given }) });
  bench.put('start', '7', 1, { gpus: '0,2,3' });
  expect(sharesIn(await readTwice(input))).toEqual(['7 on GPU-0: 1', '7 on GPU-2: 0.5', '7 on GPU-3: 0.5']);
});

test.each<[string, GivenDevice]>([
  ['only the sum over several GPUs is told', { kind: 'shard', position: 0 }],
  ['more parts are told than the GPU has', { kind: 'shard', position: 0, count: 5 }],
  ['the files know of no such parts', { kind: 'mps', position: 0, count: 50 }],
  ['another GPU is told', { kind: 'shard', position: 1, count: 1 }],
])('nothing is guessed where %s', async (_, given) => {
  const input = bench.open({ askScheduler: answering({ 7: [given] }) });
  bench.put('start', '7', 1, { gpus: '0' });
  expect(sharesIn(await readTwice(input))).toEqual(['7 on GPU-0: ?']);
});

test('where shards and MPS are handed out side by side, a whole GPU may have others on it', async () => {
  configure('gpu,shard,mps', 'gpu:4,shard:16,mps:400', 'Name=shard Count=16\nName=mps Count=400\n');
  const input = bench.open({ askScheduler: answering({ 7: [{ kind: 'gpu', position: 0 }] }) });
  bench.put('start', '7', 1, { gpus: '0' });
  expect(sharesIn(await readTwice(input))).toEqual(['7 on GPU-0: ?']);
});

test('nobody is asked of whole GPUs, of what the hook has said, and of jobs that have ended', async () => {
  const asked: string[] = [];
  const open = (): JobInput =>
    bench.open({
      askScheduler: (_conf, job) => {
        asked.push(job);
        return Promise.resolve(new Map());
      },
    });
  bench.put('start', 'mps', 1, { gpus: '0', mps: '25' });
  bench.put('start', 'ended', 1, { gpus: '1' });
  bench.put('end', 'ended', 1.5, { gpus: '1' });
  bench.put('start', 'running', 1, { gpus: '2' });
  expect(sharesIn(await readTwice(open()))).toEqual([
    'ended on GPU-1: ?',
    'mps on GPU-0: 0.25',
    'running on GPU-2: ?',
  ]);
  expect(asked).toEqual(['running']);
  configure('gpu', 'gpu:4', '');
  await readTwice(open());
  expect(asked).toEqual(['running']);
});

test('a scheduler that does not answer is one problem, whatever the jobs, and none of a job that has ended', async () => {
  const complaint = 'Command failed: scontrol show job\nscontrol: error: no controller\n';
  const input = bench.open({ askScheduler: () => Promise.reject(new Error(complaint)) });
  const session = sessionOf(input);
  bench.put('start', '6', 0.5, { gpus: '3' });
  session.read(at(1));
  bench.put('end', '6', 1, { gpus: '3' });
  await input.answers?.();
  expect(session.read(at(2)).problems).toEqual([]);
  for (const job of ['7', '8', '9']) bench.put('start', job, 2, { gpus: '0' });
  session.read(at(3));
  await input.answers?.();
  const { problems } = session.read(at(4));
  expect(problems.map(({ error }) => error.code)).toEqual(['journal.no_shares']);
  expect(problems[0]!.error.message).toMatch(
    /was given, but: Command failed: scontrol show job; scontrol: error: no controller$/,
  );
});

test('a share that is stored stands, when the collector starts again and the scheduler knows the job no more', async () => {
  bench.put('start', '7', 1, { gpus: '0' });
  const stored: Interval = {
    ...{ node: 'n1', gpu: 'GPU-0', jobId: '7', run: NaN, share: 0.25, source: 'journal' },
    ...{ startUs: at(1), endUs: Infinity },
  };
  const input = bench.open({ askScheduler: answering({}) });
  const session = sessionOf(input);
  session.adopt([stored]);
  await readTwice(input, session);
  expect(sharesIn(session)).toEqual(['7 on GPU-0: 0.25']);
});
