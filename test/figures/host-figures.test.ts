/**
 * Goal: what a job did on its nodes is told with the job, and with its findings where that time was seen; never of another job, and not
 * where it was not recorded. Method: jobs of ten minutes with two pauses and gaps between kernels, and rows of `host_jobs` beside them, in a
 * real QuestDB.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { jobReport } from '../../schemas/reports/job-report.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { findingText } from '../../src/report/finding-text.ts';
import { renderJobReport } from '../../src/report/job-text.ts';
import { jobJson } from '../../src/report/json.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2021, 5, 7, 8) * 1000;
const CLUSTER = 'hosts';
const lane: Lane = {
  ...{ name: 'hosts', table: 'gpu_hosts', schedule: 'continuous', intervalMs: 1000 },
  ...{ fields: [1001, 1002].map((id) => findField(id)!), capacityTicks: 1 },
};
const LENGTH = 600;
/** Seconds of a job in which all its GPUs rest. */
const isPause = (second: number): boolean =>
  (second >= 120 && second < 180) || (second >= 400 && second < 430);

/** What a node did in a second that ended so late in the job; undefined: there is no row. */
type Doing = (second: number) => Row | undefined;

const PAUSING: Doing = (second) => ({
  ...{ cpu_cores: isPause(second) ? 0.2 : 2, io_wait_ratio: isPause(second) ? 0.62 : 0.02 },
  ...{ cpu_wait_ratio: 0.1, read_bytes_per_second: 2e6, write_bytes_per_second: 0 },
  ...{ memory_bytes: 5 * 2 ** 30, memory_peak_bytes: 8 * 2 ** 30 },
});
/** By id: what each of its nodes did. */
const JOBS: Readonly<Record<string, Readonly<Record<string, Doing>>>> = {
  // On two nodes, one of which does more and does not know its peak.
  81601: {
    h1: PAUSING,
    h2: (second) => ({
      ...PAUSING(second),
      cpu_cores: isPause(second) ? 0.2 : 3,
      memory_peak_bytes: undefined,
    }),
  },
  // Its last third alone was recorded.
  81602: { h3: (second) => (second < 425 ? undefined : PAUSING(second)) },
  // Nobody recorded anything.
  81603: { h4: () => undefined },
  // Cgroups of v1 know of no waits.
  81604: { h5: () => ({ cpu_cores: 0.01, memory_bytes: 2 ** 30 }) },
  // It sleeps in pauses, and computes at work.
  // Read once a minute: no reading lies in a pause, nor in what is between, for half of it.
  81606: { h7: (second) => (second % 60 === 0 ? { ...PAUSING(second), dt_us: 60 * SECOND } : undefined) },
  81605: { h6: (second) => ({ cpu_cores: isPause(second) ? 0.01 : 4, io_wait_ratio: 0 }) },
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const stays = Object.entries(JOBS).flatMap(([job_id, nodes], at) =>
    Object.keys(nodes).map((node) => ({
      ...{ ts: startOf(at), end_ts: startOf(at) + LENGTH * SECOND, cluster: CLUSTER, node },
      ...{ gpu: `HOST-${node}`, job_id, run: 0, share: 1 },
    })),
  );
  await insertRows(db, 'gpu_ownership', stays);
  const samples = stays.flatMap(({ ts, gpu, node, job_id }) =>
    Array.from({ length: LENGTH }, (_, second): Row => ({
      ...{ ts: ts + (second + 1) * SECOND, cluster: CLUSTER, node, gpu, job_id, owners: 1, dt_us: SECOND },
      ...{ gr_engine_active_ratio: isPause(second) ? 0 : 0.7, sm_active_ratio: isPause(second) ? 0 : 0.6 },
    })),
  );
  await insertRows(db, lane.table, samples);
  await insertRows(db, 'host_jobs', hostRows());
  await waitForRollups(db, [lane], T0 + 7200 * SECOND);
});
afterAll(async () => {
  await db.close();
});

function startOf(at: number): number {
  return T0 + at * 900 * SECOND;
}

function hostRows(): Row[] {
  const rows = Object.entries(JOBS).flatMap(([job_id, nodes], at) =>
    Object.entries(nodes).flatMap(([node, doing]) =>
      Array.from({ length: LENGTH }, (_, second): Row[] => {
        const told = doing(second);
        const ts = startOf(at) + (second + 0.5) * SECOND;
        return told === undefined ? [] : [{ ts, cluster: CLUSTER, node, job_id, dt_us: SECOND, ...told }];
      }).flat(),
    ),
  );
  const first = rows[0]!;
  return [
    ...rows,
    // Another job of the node, another cluster's of the id, the same id before, and on a node that is not the job's.
    { ...first, job_id: '81699', cpu_cores: 99 },
    { ...first, cluster: 'hosts-b', cpu_cores: 99 },
    { ...first, ts: startOf(0) - 100 * SECOND, cpu_cores: 99 },
    { ...first, node: 'h9', cpu_cores: 99 },
  ];
}

async function figuresOf(jobId: string): Promise<JobFigures> {
  return await jobFigures(db, [lane], jobId, { nowUs: T0 + 86_400e6, cluster: CLUSTER });
}

/** The line of the host, however it is wrapped. */
function lineOf(figures: JobFigures): string | undefined {
  const text = renderJobReport(figures, { width: Infinity, isColored: false }).replaceAll(/\n {4,}/g, ' ');
  return text
    .split('\n')
    .find((line) => line.startsWith('  host: '))
    ?.replaceAll(/\s+/gu, ' ')
    .trim();
}

function sentencesOf({ findings }: JobFigures): Record<string, string> {
  return Object.fromEntries(
    findings
      .filter(({ rule }) => rule === 'pauses' || rule === 'kernel-gaps')
      .map((finding) => [finding.rule, findingText(finding)]),
  );
}

describe('a job whose nodes were seen', () => {
  test('has means of a node, the most of any, and what it did in pauses and at work', async () => {
    const { host } = await figuresOf('81601');
    expect(host).toMatchObject({
      ...{ nodeCount: 2, ownedUs: 2 * LENGTH * SECOND, seenUs: 2 * LENGTH * SECOND },
      ...{ cpuCoresMax: 3, memoryPeakBytes: 8 * 2 ** 30, writeBytesPerSecond: 0 },
      cpuCores: expect.closeTo((90 * 0.2 + 510 * 2.5) / 600, 9) as number,
      ioWaitRatio: expect.closeTo((90 * 0.62 + 510 * 0.02) / 600, 9) as number,
      readBytesPerSecond: expect.closeTo(2e6, 3) as number,
    });
    expect(host!.inPauses).toMatchObject({
      cpuCores: expect.closeTo(0.2, 9) as number,
      ioWaitRatio: expect.closeTo(0.62, 9) as number,
    });
    expect(host!.atWork).toMatchObject({
      cpuCores: expect.closeTo(2.5, 9) as number,
      ioWaitRatio: expect.closeTo(0.02, 9) as number,
    });
    // What leads over an edge is of neither.
    expect(host!.inPauses!.seenUs).toBe(2 * (58 + 28) * SECOND);
  });

  test('is told so, and its findings say what the host did meanwhile', async () => {
    const figures = await figuresOf('81601');
    expect(lineOf(figures)).toBe(
      'host: 2.15 CPU cores busy (at most 3) · waits for storage 11 % of the time · reads 2 MB/s, writes 0 B/s · memory peak 8 GiB (of a node, 2 were seen)',
    );
    const { pauses, 'kernel-gaps': gaps } = sentencesOf(figures);
    expect(pauses).toMatch(/\?\)\. Meanwhile its processes waited for storage 62 % of the time\.$/u);
    expect(gaps).toMatch(/launches\. While it worked, its processes kept 2\.5 CPU cores of a node busy\.$/);
  });

  test('has it in JSON by its schema, also where the evidence is', async () => {
    const { host, findings } = jobReport.parse(JSON.parse(jobJson(await figuresOf('81601'))));
    expect(host).toMatchObject({ nodes: 2, cpuCoresMax: 3, inPauses: { seenUs: 172 * SECOND } });
    const of = (rule: string) => findings.find((finding) => finding.rule === rule)!;
    expect(of('pauses')).toMatchObject({
      evidence: ['engineActive', 'host_jobs'],
      host: { ioWaitRatio: 0.62 },
    });
    expect(of('pauses').host).not.toHaveProperty('cpuCores');
    expect(of('kernel-gaps').host).toEqual({ cpuCores: expect.closeTo(2.5, 9) as number });
  });

  test('that sleeps in its pauses is told so', async () => {
    const sentences = sentencesOf(await figuresOf('81605'));
    expect(sentences['pauses']).toMatch(
      / Meanwhile its processes hardly ran, and hardly waited for storage\.$/,
    );
    expect(sentences['kernel-gaps']).toMatch(/ kept 4 CPU cores of a node busy\.$/);
  });
});

describe('what was not seen accuses nobody', () => {
  test('of a job of which a part was recorded the part is told, and no finding', async () => {
    const figures = await figuresOf('81602');
    expect(figures.host).toMatchObject({ seenUs: 175 * SECOND, inPauses: undefined, atWork: undefined });
    expect(lineOf(figures)).toMatch(/ · memory peak 8 GiB \(over 29\.\d+ % of the time\)$/);
    expect(Object.values(sentencesOf(figures)).join()).not.toMatch(/processes/);
    expect(figures.findings.flatMap(({ evidence }) => evidence)).not.toContain('host_jobs');
  });

  test('readings that are longer than a pause say nothing of it', async () => {
    const figures = await figuresOf('81606');
    expect(figures.host).toMatchObject({ seenUs: LENGTH * SECOND, inPauses: undefined });
    expect(sentencesOf(figures)['pauses']).not.toMatch(/processes/);
  });

  test('where nobody knows what its GPUs did together nobody knows what the host did meanwhile', async () => {
    const blind: Lane = { ...lane, fields: [findField(1002)!] };
    const options = { nowUs: T0 + 86_400e6, cluster: CLUSTER };
    const { host, causes } = await jobFigures(db, [blind], '81601', options);
    expect(causes).toEqual({ why: 'no_engine' });
    expect(host).toMatchObject({ cpuCoresMax: 3, inPauses: undefined, atWork: undefined });
  });

  test('of a job of which nothing was recorded nothing is told', async () => {
    const figures = await figuresOf('81603');
    expect(figures.host).toBeUndefined();
    expect(lineOf(figures)).toBeUndefined();
    expect(JSON.parse(jobJson(figures))).not.toHaveProperty('host');
    expect(Object.keys(sentencesOf(figures))).toEqual(expect.arrayContaining(['pauses', 'kernel-gaps']));
  });

  test('without pressure nobody knows that it rests', async () => {
    const figures = await figuresOf('81604');
    expect(figures.host).toMatchObject({ ioWaitRatio: undefined, memoryPeakBytes: 2 ** 30 });
    expect(lineOf(figures)).toBe('host: 0.01 CPU cores busy (at most 0.01) · memory peak 1 GiB');
    expect(Object.values(sentencesOf(figures)).join()).not.toMatch(/processes/);
  });
});

test('a store that has no such table tells a job all the same', async () => {
  const asked: string[] = [];
  const without: Pick<QuestDb, 'exec' | 'where'> = {
    where: db.where,
    exec: async (sql, ...more) => {
      asked.push(sql);
      return await db.exec(sql.replaceAll("'host_jobs'", "'host_jobs_of_older'"), ...more);
    },
  };
  const figures = await jobFigures(without, [lane], '81601', { nowUs: T0 + 86_400e6, cluster: CLUSTER });
  expect(figures.host).toBeUndefined();
  expect(asked.some((sql) => sql.includes('FROM host_jobs'))).toBe(false);
});
