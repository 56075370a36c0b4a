import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import type { Notice } from '../../../src/core/base/notice.ts';
import type { LateRow } from '../../../src/ownership/scheduler.ts';
import { readSlurmJobs } from '../../../src/ownership/slurm/jobs.ts';
import { createScontrol } from '../../../src/ownership/slurm/scontrol.ts';
import { createFakeSlurm, type FakeSlurm } from '../../helpers/fake-slurm.ts';

const JOB = { job_id: 14, job_state: 'RUNNING', start_time: 1_700_000_000, tres_alloc_str: 'gres/gpu=1' };
const REPLY = JSON.stringify({ meta: {}, jobs: [JOB, { ...JOB, job_id: 15 }], errors: [], warnings: [] });
const ROW = [
  '14',
  '14',
  'x',
  'ada',
  'a',
  'gpu',
  'q',
  'COMPLETED',
  '0:0',
  '1700000000',
  '1700000060',
  '1',
  'gres/gpu=1',
]
  .concat(['1699999990', 'atlas', '2', 's0123456789ABC'])
  .join('\u001f');

/** How versions before `--json`, and machines without the plugin for it, refuse to speak it. */
const NO_JSON_COMPLAINTS = [
  "unrecognized option '--json'",
  'fatal: serializer_required: could not find plugin for application/json',
  'fatal: Unable to find plugin: serializer/json',
  'fatal: JSON plugin load failure',
  'fatal: data_init() failed',
];

let slurm: FakeSlurm;
let told: Notice[];
beforeEach(() => {
  slurm = createFakeSlurm();
  told = [];
  vi.stubEnv('PATH', slurm.path);
});
afterEach(() => {
  vi.unstubAllEnvs();
  slurm.close();
});

/** All rows of one command, and what it ended with. */
async function read(from: string): Promise<{ rows: LateRow[]; failure?: OperatingError }> {
  const reply = readSlurmJobs(1_700_000_000e6, (notice) => told.push(notice)).find(
    (one) => one.from === from,
  )!;
  const rows: LateRow[] = [];
  try {
    for await (const piece of reply.rows) rows.push(...piece);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(OperatingError);
    return { rows, failure: thrown as OperatingError };
  }
  return { rows };
}

describe('squeue', () => {
  test('is asked for every job, whatever the settings of the user', async () => {
    vi.stubEnv('SQUEUE_USERS', 'ada');
    vi.stubEnv('SLURM_TIME_FORMAT', 'relative');
    vi.stubEnv('SLURM_CLUSTERS', 'beta');
    slurm.put('squeue', `env > ${join(slurm.directory, 'env')}; echo '${REPLY}'`);
    const { rows, failure } = await read('squeue');
    expect(failure).toBeUndefined();
    expect(rows).toMatchObject([{ record: { jobId: '14' } }, { record: { jobId: '15' } }]);
    expect(slurm.calls()).toEqual(['squeue --all --states=all --json']);
    const environment = readFileSync(join(slurm.directory, 'env'), 'utf8').split('\n');
    expect(environment).toEqual(expect.arrayContaining(['SLURM_TIME_FORMAT=%s', 'TZ=UTC', 'LC_ALL=C']));
    expect(environment.filter((line) => /^(SQUEUE_|SLURM_CLUSTERS)/.test(line))).toEqual([]);
  });

  test('may warn', async () => {
    slurm.squeue(
      REPLY.replace('"warnings":[]', '"warnings":[{"description":"old parser","source":"x"}, "y", 7]'),
    );
    expect((await read('squeue')).failure).toBeUndefined();
    expect(told).toMatchObject([
      { level: 'warn', code: 'slurm.warning', sentence: 'squeue warns: old parser' },
      { sentence: 'squeue warns: y' },
      { sentence: 'squeue warns: something that cannot be understood' },
    ]);
  });

  test.each([
    {
      what: 'half a reply gives its whole jobs, and is told',
      text: REPLY.slice(0, 140),
      status: 0,
      ids: ['14'],
      failure: { code: 'slurm.reply', exit: 'data' },
    },
    {
      what: 'half a reply of a command that failed is a failure',
      text: REPLY.slice(0, 140),
      status: 1,
      ids: ['14'],
      failure: { code: 'slurm.failed', exit: 'temporary' },
    },
    { what: 'no JSON', text: 'hello', status: 0, ids: [], failure: { code: 'slurm.reply', exit: 'data' } },
    { what: 'nothing', text: '', status: 0, ids: [], failure: { code: 'slurm.reply', exit: 'data' } },
    {
      what: 'errors within the reply',
      text: '{"jobs":[],"errors":[{"error_number":1,"error":"Unable to contact slurm controller","description":"slurm_load_jobs"}]}',
      status: 0,
      ids: [],
      failure: {
        code: 'slurm.failed',
        exit: 'temporary',
        message: 'expected an answer of squeue, but: Unable to contact slurm controller: slurm_load_jobs',
      },
    },
  ])('$what', async ({ text, status, ids, failure }) => {
    slurm.squeue(text, status);
    const got = await read('squeue');
    expect(got.rows.map((row) => (row.kind === 'job' ? row.record.jobId : row.kind))).toEqual(ids);
    expect(got.failure).toMatchObject(failure);
  });

  test.each([
    { says: 'slurm_load_jobs error: Unable to contact slurm controller', code: 'slurm.failed' },
    ...NO_JSON_COMPLAINTS.map((says) => ({ says, code: 'slurm.missing' })),
  ])('that fails tells why: $says', async ({ says, code }) => {
    slurm.put('squeue', `echo "first" >&2; echo "${says}" >&2; exit 1`);
    expect((await read('squeue')).failure).toMatchObject({
      code,
      message: `expected an answer of squeue, but: ${says}`,
    });
  });

  test('that is killed is a failure', async () => {
    slurm.put('squeue', `printf '{"jobs":['; kill -9 $$`);
    expect((await read('squeue')).failure).toMatchObject({
      code: 'slurm.failed',
      message: 'expected an answer of squeue, but: it ended by SIGKILL',
    });
  });

  test.each([
    { what: 'says nothing', script: 'exec sleep 600' },
    { what: 'says no more', script: `exec 1>&-; exec sleep 600` },
  ])('that $what is given up after a minute', async ({ script }) => {
    slurm.put('squeue', script);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const reading = read('squeue');
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    expect((await reading).failure).toMatchObject({
      code: 'slurm.failed',
      message: 'expected an answer of squeue, but: it said nothing for 60 s',
    });
  });

  test('that is not there is missing', async () => {
    vi.stubEnv('PATH', join(slurm.directory, 'none'));
    expect((await read('squeue')).failure).toMatchObject({ code: 'slurm.missing', exit: 'unavailable' });
  });

  test('is ended when nobody reads on', async () => {
    const pidFile = join(slurm.directory, 'pid');
    slurm.put('squeue', `echo $$ > ${pidFile}; printf '{"jobs":['; exec yes '${JSON.stringify(JOB)},'`);
    const [reply] = readSlurmJobs(0, () => undefined);
    for await (const piece of reply!.rows) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    const pid = readFileSync(pidFile, 'utf8').trim();
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  });
});

describe('scontrol', () => {
  const TEXT = [
    'JobId=7 JobName=x',
    '   UserId=ada(1000) GroupId=ada(1000) MCS_label=N/A',
    '   Priority=1 Nice=0 Account=(null) QOS=(null)',
    '   JobState=RUNNING Reason=None Dependency=(null)',
    '   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0',
    '   NodeList=n1',
    '   NumNodes=1 NumCPUs=1 NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:*',
    '   Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=*',
    '   JOB_GRES=gpu:1',
    '     Nodes=n1 CPU_IDs=0 Mem=0 GRES=gpu:1(IDX:5)',
    '   MinCPUsNode=1 MinMemoryNode=0 MinTmpDiskNode=0',
    '   Features=(null) DelayBoot=00:00:00',
    '   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)',
    '   Command=/bin/x',
    '   WorkDir=/tmp',
    '   StdErr=/tmp/slurm-7.out',
    '   StdIn=/dev/null',
    '   StdOut=/tmp/slurm-7.out',
    '   Power=',
    '   TresPerNode=gres:gpu:1',
    '',
    '',
  ].join('\n');

  test.each(NO_JSON_COMPLAINTS)('is asked for its text from then on where it says: %s', async (says) => {
    slurm.put(
      'scontrol',
      `case "$*" in *--json*) echo "scontrol: ${says}" >&2; exit 1;; esac; printf '%s' '${TEXT}'`,
    );
    const ask = createScontrol();
    const given = [...(await ask('/etc/slurm/slurm.conf', '7'))];
    expect(given).toMatchObject([['n1', [{ position: 5 }]]]);
    await ask('/etc/slurm/slurm.conf', '7');
    const text = 'scontrol -d show job 7';
    expect(slurm.calls()).toEqual(['scontrol -d --json show job 7', text, text]);
  });

  test('that fails otherwise is not asked for its text', async () => {
    slurm.put('scontrol', 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1');
    await expect(createScontrol()('/etc/slurm/slurm.conf', '7')).rejects.toThrow('Invalid job id');
    expect(slurm.calls()).toEqual(['scontrol -d --json show job 7']);
  });

  test('is asked of the cluster of its slurm.conf, whatever the settings of the user', async () => {
    vi.stubEnv('SLURM_CLUSTERS', 'beta');
    vi.stubEnv('SCONTROL_FEDERATION', '1');
    slurm.put('scontrol', `env > ${join(slurm.directory, 'env')}; exit 1`);
    await expect(createScontrol()('/etc/one.conf', '7')).rejects.toThrow();
    const environment = readFileSync(join(slurm.directory, 'env'), 'utf8').split('\n');
    expect(environment).toContain('SLURM_CONF=/etc/one.conf');
    expect(environment.filter((line) => /^(SCONTROL_|SLURM_CLUSTERS)/.test(line))).toEqual([]);
  });
});

describe('sacct', () => {
  test('is asked for the columns that it has, and for what no name can hold', async () => {
    slurm.sacct(`${ROW}\n`);
    expect(await read('sacct')).toEqual({
      rows: [
        {
          kind: 'job',
          hasGpus: true,
          record: {
            ...{ cluster: 'atlas', jobId: '14', run: 2, startUs: 1_700_000_000e6, endUs: 1_700_000_060e6 },
            ...{ submitUs: 1_699_999_990e6, sluid: 's0123456789ABC', name: 'x', user: 'ada', account: 'a' },
            ...{ partition: 'gpu', qos: 'q', nodes: 1, gpus: 1, state: 'COMPLETED', exitCode: 0 },
          },
        },
      ],
    });
    await read('sacct');
    const [help, first, , second] = slurm.calls();
    expect(help).toBe('sacct --helpformat');
    expect(first).toContain('--starttime 2023-11-14T22:13:20 --format JobIDRaw,JobID,JobName');
    expect(first).toContain('NNodes,AllocTRES,Submit,Cluster,Restarts,SLUID');
    const delimiterOf = (call: string): string | undefined => /--delimiter=(\S+)/.exec(call)?.[1];
    expect(delimiterOf(first!)).toMatch(/^\u001f[0-9a-f]{6}$/);
    expect(delimiterOf(second!)).not.toBe(delimiterOf(first!));
  });

  test('that has nothing to say is fine', async () => {
    slurm.sacct('');
    expect(await read('sacct')).toEqual({ rows: [] });
  });

  test('whose last row is cut off gives the others', async () => {
    slurm.sacct(`${ROW}\n${ROW.slice(0, -1)}`);
    const { rows, failure } = await read('sacct');
    expect(rows.map(({ kind }) => kind)).toEqual(['job', 'refused']);
    expect(failure).toMatchObject({ code: 'slurm.reply', exit: 'data' });
  });

  test('of a site without accounting is not to be asked', async () => {
    slurm.put('sacct', 'echo "Slurm accounting storage is disabled" >&2; exit 1');
    expect((await read('sacct')).failure).toMatchObject({ code: 'slurm.missing', exit: 'unavailable' });
  });

  test('that breaks off is a failure, after its rows', async () => {
    slurm.sacct(`${ROW}\n`, 1);
    const { rows, failure } = await read('sacct');
    expect(rows).toHaveLength(1);
    expect(failure).toMatchObject({ code: 'slurm.failed', exit: 'temporary' });
  });
});
