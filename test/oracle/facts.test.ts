/**
 * Goal: whose job it was is beyond doubt, in whatever order it is told, and whatever of it is lost. Method: a hundred worlds of
 * thirty jobs in two clusters (one id in both, ids used again, requeues, arrays, heterogeneous jobs, shards); what hooks, map
 * files, squeue and accounting would have told of them, with losses, goes through every input in random order and pieces; what
 * comes out is held against a model that reads the rules one record after the other, and against the truth.
 */
import { describe, expect, test } from 'vitest';
import type { Device } from '../../src/core/devices/device.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import type { JobFact, JobInput, JobRecord } from '../../src/core/jobs/job-fact.ts';
import { jobsOf, type RunTold } from '../../src/core/jobs/job-runs.ts';
import { mergeJob } from '../../src/core/jobs/merge-job.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import type { Scenario } from '../../src/core/synthetic/scenario.ts';
import { openOwnership } from '../../src/job-map/session.ts';
import type { JournalEntry } from '../../src/ownership/journal/entry.ts';
import { JournalJobs } from '../../src/ownership/journal/jobs.ts';
import { createSyntheticJobs } from '../../src/ownership/synthetic-jobs.ts';
import { OwnerSets } from '../../src/ownership/pictures/owner-sets.ts';
import { seededRandom } from '../chaos/random.ts';
import { deviceStaysOf, picturedStaysOf, picturesOf, staysOf } from './facts-model.ts';
import {
  between,
  controllerRecordsOf,
  gpuNamesOf,
  recordsOf,
  SHARED_CLUSTER,
  shuffled,
  someLost,
  withSecondEnds,
  worldOf,
  type HookRecord,
  type Random,
  type TrueRun,
} from './facts-world.ts';

const WORLDS = Array.from({ length: 100 }, (_, seed) => seed);
const BOOT = { id: '11111111-1111-4111-8111-111111111111', timeUs: 1_699_000_000e6 };
const SECOND_US = 1e6;
/** Later than everything. */
const NOW_US = 1_710_000_000e6;

/** `a/GPU-a-n1-0 700#0 (5, 7]`, of what owns any time. */
function describeStays(
  stays: readonly (Pick<Interval, 'gpu' | 'jobId' | 'startUs'> & {
    readonly cluster?: string;
    readonly count: number;
    readonly endUs?: number | undefined;
  })[],
): string[] {
  return stays
    .filter(({ startUs, endUs }) => endUs === undefined || endUs > startUs)
    .map(({ cluster, gpu, jobId, count, startUs, endUs }) => {
      const end = endUs === undefined || endUs === Infinity ? 'open' : `${endUs}]`;
      return `${cluster ?? '?'}/${gpu} ${jobId}#${count} (${startUs}, ${end}`;
    })
    .sort();
}

const describeOwnership = (ownership: Ownership): string[] =>
  describeStays(ownership.intervals().map((interval) => ({ ...interval, count: interval.run })));

function deviceOf(cluster: string, node: string, uuid: string): Device {
  return { uuid, cluster, node, index: Number(uuid.at(-1)), model: 'X', memoryBytes: 1 };
}

/** A record as the journal hands it on, of a node or (without devices) of the controller. */
function entryOf(told: HookRecord, name: string): JournalEntry {
  const { event, atUs, node, gpus, saysStartS, count, run } = told;
  const isController = node === '';
  const [unresolved, devices] = [
    gpus.filter((gpu) => gpu.startsWith('unresolved:')).map((gpu) => gpu.split(':').at(-1)!),
    gpus.filter((gpu) => !gpu.startsWith('unresolved:')),
  ];
  return {
    name,
    atUs,
    record: {
      event,
      manager: 'slurm',
      context: `${event === 'start' ? 'prolog' : 'epilog'}_${isController ? 'slurmctld' : 'slurmd'}`,
      job: run.jobId,
      restart: count,
      cluster: run.cluster,
      boot_id: BOOT.id,
      uptime: Math.floor((atUs - BOOT.timeUs) / 10_000) / 100,
      ...(isController ? {} : { node }),
      nodelist: run.places.length > 1 ? 'n[1-2]' : run.places[0]!.node,
      user: run.user,
      ...(run.arrayJobId === undefined ? {} : { array_job: run.arrayJobId }),
      ...(run.hetJobId === undefined ? {} : { het_job: run.hetJobId }),
      ...(event === 'end' ? { exit_code: '0:0' } : {}),
      ...(saysStartS === undefined ? {} : { start_time: saysStartS }),
    },
    resolution: { devices: devices.map((gpu) => deviceOf(run.cluster, node, gpu)), unresolved },
    share: run.cluster === SHARED_CLUSTER ? NaN : 1,
  };
}

/** What is left of what the hooks of nodes told of these runs; some epilogs came twice. */
function recordsOfSome(world: readonly TrueRun[], random: Random): HookRecord[] {
  return someLost(withSecondEnds(recordsOf(world, random), random), random);
}

type Journals = (readonly HookRecord[])[];

/** One for each machine. */
function journalsApart(records: readonly HookRecord[]): Journals {
  return [...Map.groupBy(records, ({ node, run }) => `${run.cluster}/${node}`).values()];
}

/** The same; or one for each node, of whatever cluster; or one for all, with what the controllers told. */
function journalsOf(world: readonly TrueRun[], records: readonly HookRecord[], random: Random): Journals {
  const how = random();
  if (how < 0.4) return journalsApart(records);
  if (how < 0.6) return [...Map.groupBy(records, ({ node }) => node).values()];
  return [[...records, ...controllerRecordsOf(world, random)]];
}

/** Each read in random order, record by record or in pieces. */
function readJournals(journals: Journals, random: Random): { facts: JobFact[]; rows: JobRecord[] } {
  const facts: JobFact[] = [];
  const rows: JobRecord[] = [];
  for (const records of journals) {
    const journal = new JournalJobs({ boot: BOOT });
    const isOneByOne = random() < 0.5;
    for (const [index, record] of shuffled(random, records).entries()) {
      journal.add(entryOf(record, `record ${index}`));
      if (!isOneByOne && random() < 0.6) continue;
      const news = journal.take();
      facts.push(...news.facts);
      rows.push(...news.records);
    }
    const news = journal.take();
    facts.push(...news.facts);
    rows.push(...news.records);
  }
  return { facts, rows };
}

function ownershipOf(facts: readonly JobFact[]): Ownership {
  const ownership = new Ownership();
  for (const fact of facts) ownership.apply(fact);
  return ownership;
}

/** An input that tells these facts in a few reads. */
function inputOf(facts: readonly JobFact[], random: Random): JobInput {
  const rest = [...facts];
  const piece = (): number => Math.ceil(facts.length / between(random, 1, 6));
  return { name: 'test', read: () => ({ facts: rest.splice(0, piece()), records: [] }) };
}

describe('ownership', () => {
  test('of records in any order, with losses, is what the model reads from them, and names nobody who was not there', () => {
    for (const seed of WORLDS) {
      const random = seededRandom(seed);
      const world = worldOf(random);
      const journals = journalsOf(world, recordsOfSome(world, random), random);
      const ownership = ownershipOf(shuffled(random, readJournals(journals, random).facts));
      expect(describeOwnership(ownership), `world ${seed}`).toEqual(describeStays(journals.flatMap(staysOf)));
      for (const run of world.filter(({ cluster }) => cluster !== SHARED_CLUSTER)) {
        for (const gpu of run.places.flatMap(({ gpus }) => gpus)) {
          for (const part of [0.5, 0.9]) {
            const tsUs = run.startUs + SECOND_US + Math.floor((run.endUs - run.startUs - SECOND_US) * part);
            const owners = ownership.ownersAt(gpu, tsUs).map(({ jobId }) => jobId);
            expect([[], [run.jobId]], `world ${seed}`).toContainEqual(owners);
          }
        }
      }
    }
  });

  test('is the same for one who knows a part of it from the store, whichever comes first', () => {
    for (const seed of WORLDS) {
      const random = seededRandom(seed);
      const world = worldOf(random);
      const journals = journalsApart(recordsOfSome(world, random));
      // A former life has seen what there was by then, and stored it.
      const times = journals.flat().map(({ atUs }) => atUs);
      const thenUs = times[between(random, 0, times.length)]!;
      const before = journals.map((records) => {
        return records.filter(({ atUs }) => atUs <= thenUs && random() > 0.1);
      });
      const stored = ownershipOf(readJournals(before, random).facts).intervals();
      const input = inputOf(readJournals(journals, random).facts, random);
      const session = openOwnership({ inputs: [input], ownership: new Ownership(), labelledUntilUs: NOW_US });
      const adoptsAt = between(random, 0, 3);
      for (let step = 0; step < 6; step += 1) {
        if (step === adoptsAt) session.adopt(stored);
        session.read(NOW_US);
      }
      const expected = describeStays(journals.flatMap(staysOf));
      expect(describeOwnership(session.ownership), `world ${seed}`).toEqual(expected);
    }
  });

  test('of map files and gpustat, with losses, has a stay for each stay, which nobody counts', () => {
    for (const seed of WORLDS) {
      const random = seededRandom(seed);
      const pictures = picturesOf(someLost(recordsOf(worldOf(random), random), random));
      const facts: JobFact[] = [];
      const rows: JobRecord[] = [];
      for (const ofNode of Map.groupBy(pictures, ({ node, cluster }) => `${cluster}/${node}`).values()) {
        const inputs = new OwnerSets('map-dir');
        for (const { cluster, node, gpu, jobIds, atUs } of ofNode) {
          inputs.set([deviceOf(cluster, node, gpu)], jobIds, atUs);
          if (random() < 0.5) continue;
          const news = inputs.take(NOW_US);
          facts.push(...news.facts);
          rows.push(...news.records);
        }
        const news = inputs.take(NOW_US);
        facts.push(...news.facts);
        rows.push(...news.records);
      }
      expect(describeOwnership(ownershipOf(shuffled(random, facts))), `world ${seed}`).toEqual(
        describeStays(picturedStaysOf(pictures)),
      );
      expect(rows.filter(({ run }) => run !== undefined)).toEqual([]);
    }
  });

  test('of a synthetic scenario, read at any moments and with losses, is what is left of it', () => {
    for (const seed of WORLDS) {
      const random = seededRandom(seed);
      const world = worldOf(random).map((run) => ({ ...run, places: run.places.slice(0, 1) }));
      const devices = [...new Set(world.flatMap(({ places }) => places[0]!.gpus))];
      const kept = someLost(
        world.flatMap((run): HookRecord[] => {
          const told = { ...run.places[0]!, count: run.count, run };
          return [
            { ...told, event: 'start', atUs: run.startUs },
            { ...told, event: 'end', atUs: run.endUs },
          ];
        }),
        random,
      ).filter(({ gpus }) => gpus.every((gpu) => devices.includes(gpu)));
      const marks = new Set(
        kept.map(({ event, atUs, run }) => `${event} ${atUs} ${run.cluster}/${run.jobId}`),
      );
      const input = createSyntheticJobs(scenarioOf(world, devices), { sinceUs: 0 });
      const reads = [...world.map(({ endUs }) => endUs - 1), NOW_US].filter(() => random() < 0.3);
      const facts = [...reads.sort((a, b) => a - b), NOW_US].flatMap((us) => input.read(us).facts);
      const left = facts.filter((one) => marks.has(`${one.kind} ${one.atUs} ${one.node}/${one.jobId}`));
      expect(describeOwnership(ownershipOf(shuffled(random, left))), `world ${seed}`).toEqual(
        describeStays(deviceStaysOf(kept).map((stay) => ({ ...stay, cluster: '?' }))),
      );
    }
  });
});

/** The runs as a scenario of one node for each cluster, whose name is the cluster's. */
function scenarioOf(runs: readonly TrueRun[], devices: readonly string[]): Scenario {
  const jobs = runs.map(({ cluster, jobId, count, startUs, endUs, places }) => ({
    ...{ jobId, run: count, shape: 'steady', startUs, endUs, record: { jobId, startUs, endUs } },
    devices: places[0]!.gpus.map((gpu) => ({
      device: devices.indexOf(gpu),
      share: cluster === SHARED_CLUSTER ? NaN : 1,
    })),
  }));
  return {
    options: { kind: 'demo', seed: 1, nodes: 1, gpusPerNode: devices.length, startUs: 0 },
    devices: devices.map((gpu) => deviceOf('', gpu.split('-')[1]!, gpu)),
    ...{ startUs: 0, endUs: Infinity },
    jobsBetween: (fromUs, toUs) =>
      jobs.filter((job) => job.startUs <= toUs && job.endUs > fromUs).sort((a, b) => a.startUs - b.startUs),
  } as Partial<Scenario> as Scenario;
}

/** What the controller's hooks, squeue and accounting tell of a run beside the nodes' hooks. */
function bookedOf(run: TrueRun): { squeue: JobRecord; sacct: JobRecord; state: string } {
  const { cluster, jobId, user, count } = run;
  const [startUs, endUs] = [run.startUs, run.endUs].map((us) => Math.floor(us / SECOND_US) * SECOND_US);
  const state = run.isRequeued ? 'REQUEUED' : 'TIMEOUT';
  const told = { cluster, jobId, user, submitUs: run.submitUs, startUs: startUs! };
  return {
    squeue: { ...told, run: count, state: 'RUNNING' },
    sacct: { ...told, endUs: endUs!, state, exitCode: 0 },
    state,
  };
}

/** The table `jobs`: a row a key, written one after the other. */
function tableOf(told: readonly JobRecord[]): JobRecord[] {
  const byId = new Map<string, Map<string, JobRecord>>();
  for (const one of told) {
    const rows = byId.get(one.jobId) ?? new Map<string, JobRecord>();
    const row = mergeJob([...rows.values()], one);
    byId.set(one.jobId, rows.set(`${row.startUs} ${row.cluster}`, row));
  }
  return [...byId.values()].flatMap((rows) => [...rows.values()]);
}

/** The run that a row or a stay is of, in truth. */
function truthOf(world: readonly TrueRun[], { cluster, jobId, startUs }: RunTold): TrueRun {
  return world.find(
    (run) =>
      run.cluster === cluster &&
      run.jobId === jobId &&
      run.startUs - SECOND_US <= startUs &&
      startUs <= run.endUs,
  )!;
}

test('rows of jobs: one for each run of which anybody told, with its own user, state and end; and jobs are jobs', () => {
  for (const seed of WORLDS) {
    const random = seededRandom(seed);
    const world = worldOf(random);
    const records = someLost(recordsOf(world, random), random);
    const booked = world.flatMap((run) => (random() < 0.8 ? [{ run, ...bookedOf(run) }] : []));
    const ofQueue = booked.filter(() => random() < 0.5).map(({ squeue }) => squeue);
    const journals = readJournals(journalsApart(records), random);
    const controller = readJournals(journalsApart(controllerRecordsOf(world, random)), random);
    const hooks = [...journals.rows, ...controller.rows];
    const rows = tableOf(shuffled(random, [...hooks, ...ofQueue, ...booked.map(({ sacct }) => sacct)]));

    const runs = Map.groupBy(rows, (row) => truthOf(world, row));
    for (const [run, ofRun] of runs) {
      expect(ofRun, `world ${seed}`).toHaveLength(1);
      const [row] = ofRun;
      const known = booked.find((one) => one.run === run);
      expect(row!.user).toBe(run.user);
      if (known !== undefined) expect(row).toMatchObject({ endUs: known.sacct.endUs, state: known.state });
      if (row!.run !== undefined) expect(row!.run).toBe(run.count);
    }
    for (const { run } of booked) expect(runs.has(run), `world ${seed}`).toBe(true);

    const stays = ownershipOf(journals.facts)
      .intervals()
      .filter(({ startUs, endUs }) => endUs > startUs);
    const jobs = jobsOf<RunTold>(shuffled(random, [...rows, ...stays]));
    for (const job of jobs) {
      const members = job.runs.flatMap((one) => one.members);
      expect(new Set(members.map((one) => truthOf(world, one).job)).size, `world ${seed}`).toBe(1);
      for (const one of job.runs)
        expect(new Set(one.members.map((member) => truthOf(world, member))).size, `world ${seed}`).toBe(1);
    }
    const told = new Set([...rows, ...stays].map((one) => truthOf(world, one).job));
    expect(jobs.length, `world ${seed}`).toBe(told.size);
  }
});

test('the worlds have what they are to show', () => {
  const runs = WORLDS.flatMap((seed) => worldOf(seededRandom(seed)));
  expect(gpuNamesOf('a', 'n1')).toHaveLength(4);
  for (const has of [
    ({ count }: TrueRun) => count > 1,
    ({ arrayJobId, jobId }: TrueRun) => arrayJobId === jobId,
    ({ hetJobId }: TrueRun) => hetJobId !== undefined,
    ({ job }: TrueRun) => job.endsWith('/1'),
    ({ places }: TrueRun) => places.length === 2,
    ({ cluster }: TrueRun) => cluster === SHARED_CLUSTER,
  ])
    expect(runs.filter(has).length).toBeGreaterThan(100);
});
