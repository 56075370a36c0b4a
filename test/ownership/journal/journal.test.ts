import type { GivenDevices } from '../../../schemas/slurm/scontrol.ts';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatJournalRecord, parseJournalRecord } from '../../../schemas/journal-record.ts';
import { sentenceOf } from '../../../src/core/base/errors.ts';
import type { JobNews } from '../../../src/core/jobs/job-fact.ts';
import {
  at,
  BOOT,
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

function permutationsOf<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((first, at) => permutationsOf(list.toSpliced(at, 1)).map((rest) => [first, ...rest]));
}

const codes = (news: JobNews): string[] => (news.problems ?? []).map((problem) => problem.code);
const LEAST = { event: 'start', manager: 'slurm', job: '7', boot_id: BOOT.id, uptime: '12.34' };
const bytes = (fields: Record<string, string>): Uint8Array => Buffer.from(formatJournalRecord(fields));

describe('a record', () => {
  test('is read as it was written; empty values and "(null)" are nothing', () => {
    const reading = parseJournalRecord(
      bytes({ ...LEAST, account: '(null)', qos: '', name: 'a\n"b"=\'c\' \u{1f389}', restart: '2' }),
    );
    expect(reading).toEqual({
      record: {
        event: 'start',
        manager: 'slurm',
        job: '7',
        boot_id: BOOT.id,
        uptime: 12.34,
        name: 'a⏎"b"=\'c\' \u{1f389}',
        restart: 2,
      },
    });
  });

  test('the number of the user is of the start, and no row has it', () => {
    bench.put('start', '7', 10, { uid: '4294967294', user: 'ada' });
    const { facts, records } = bench.open().read(at(11));
    expect(facts.map(({ kind, uid }) => [kind, uid])).toEqual(facts.map(() => ['start', 4_294_967_294]));
    expect(facts).not.toHaveLength(0);
    expect(records).not.toHaveLength(0);
    for (const record of records) expect(record).not.toHaveProperty('uid');
  });

  test("the cluster's name is in lower case, as Slurm accounts it", () => {
    const reading = parseJournalRecord(bytes({ ...LEAST, cluster: 'Alpha' }));
    expect(reading).toMatchObject({ record: { cluster: 'alpha' } });
  });

  test('long text is cut, unknown keys are left for readers to come', () => {
    const reading = parseJournalRecord(bytes({ ...LEAST, name: 'x'.repeat(10_000), moon: 'full' }));
    expect(reading).toMatchObject({ record: { name: 'x'.repeat(1024) } });
    expect(reading).not.toHaveProperty('record.moon');
  });

  test.each([
    {
      what: 'something else',
      content: Buffer.from('hello'),
      fault: /expected "gpuledger-job-record", found "hello"/,
    },
    { what: 'nothing', content: Buffer.from(''), fault: /expected "gpuledger-job-record"/ },
    { what: 'a record that is cut off', content: bytes({ ...LEAST }).subarray(0, 60), fault: /cut off/ },
    {
      what: 'a record without its last word',
      content: bytes({ ...LEAST }).subarray(0, -4),
      fault: /cut off/,
    },
    {
      what: 'a word without a value',
      content: Buffer.from('gpuledger-job-record\0version\0end\0'),
      fault: /expected key=value, found "version"/,
    },
    {
      what: 'a later version',
      content: Buffer.from('gpuledger-job-record\0version=2\0end\0'),
      fault: /expected version 1, found "2"/,
    },
    {
      what: 'a user by name for the number',
      content: bytes({ ...LEAST, uid: 'ada' }),
      fault: /^uid: expected the number of a user, found "ada"/,
    },
    { what: 'no job', content: bytes({ ...LEAST, job: '' }), fault: /^job: .* found nothing/ },
    {
      what: 'a job id of 500 characters',
      content: bytes({ ...LEAST, job: 'x'.repeat(500) }),
      fault: /^job: /,
    },
    {
      what: 'a job id of two lines',
      content: bytes({ ...LEAST, job: '7\n8' }),
      fault: /control characters, found "7\\n8"/,
    },
    {
      what: 'another event',
      content: bytes({ ...LEAST, event: 'pause' }),
      fault: /^event: .* found "pause"/,
    },
    {
      what: 'no uptime',
      content: bytes({ ...LEAST, uptime: '-1' }),
      fault: /^uptime: expected seconds, found "-1"/,
    },
    { what: 'a share above one', content: bytes({ ...LEAST, share: '2' }), fault: /^share: / },
  ])('refuses $what', ({ content, fault }) => {
    expect(parseJournalRecord(content)).toEqual({ fault: expect.stringMatching(fault) as string });
  });
});

describe('the directory', () => {
  test('one bad record is told once, with its path, and disturbs nothing else', () => {
    bench.put('start', '7', 1);
    const path = join(bench.directory, '8.start.1.1.job');
    writeFileSync(path, 'gpuledger-job-record\0version=1\0event=st');
    const input = bench.open();
    const news = input.read(at(2));
    expect(describeOwnership(news)).toEqual(['7 on GPU-0 (1, open']);
    expect(news.problems).toMatchObject([{ code: 'journal.bad_record', where: path }]);
    expect(codes(input.read(at(3)))).toEqual([]);
  });

  test('what is not complete, not a record, or not a file is passed over', () => {
    writeFileSync(join(bench.directory, '.7.start.1.1.tmp'), 'half');
    writeFileSync(join(bench.directory, 'README'), 'x');
    mkdirSync(join(bench.directory, 'x.job'));
    writeFileSync(join(bench.directory, 'y.job'), 'x'.repeat(300 * 1024));
    const news = bench.open().read(at(2));
    expect(news.facts).toEqual([]);
    expect(codes(news)).toEqual(['journal.bad_record', 'journal.bad_record']);
  });

  test('a directory that is missing is told once, and counts when it comes', () => {
    const input = bench.open();
    const { directory } = bench;
    rmSync(directory, { recursive: true });
    expect(codes(input.read(at(1)))).toEqual(['journal.missing']);
    expect(codes(input.read(at(2)))).toEqual([]);
    mkdirSync(directory);
    bench.put('start', '7', 3, { conf: '', devices: '1' });
    expect(describeOwnership(input.read(at(4)))).toEqual(['7 on GPU-1 (3, open']);
  });

  test('a path that is no directory is unreadable', () => {
    rmSync(bench.directory, { recursive: true });
    writeFileSync(bench.directory, '');
    chmodSync(bench.directory, 0o600);
    expect(codes(bench.open().read(at(1)))).toEqual(['journal.unreadable']);
  });

  test('a path that cannot be followed is unreadable, as for a user who may not enter it', () => {
    rmSync(bench.directory, { recursive: true });
    symlinkSync(bench.directory, bench.directory);
    expect(codes(bench.open().read(at(1)))).toEqual(['journal.unreadable']);
    rmSync(bench.directory);
  });

  test('a record that is a link is not followed', () => {
    const elsewhere = join(bench.directory, 'elsewhere');
    mkdirSync(elsewhere);
    const name = bench.put('start', '7', 1);
    renameSync(join(bench.directory, name), join(elsewhere, name));
    symlinkSync(join(elsewhere, name), join(bench.directory, name));
    const news = bench.open().read(at(2));
    expect(describeOwnership(news)).toEqual([]);
    expect(news.problems?.map(({ message }) => message)).toEqual([
      'expected a readable record, found a link',
    ]);
  });

  test.runIf(process.getuid?.() === 0)(
    'where everybody may write, records of a user count for nothing',
    () => {
      chmodSync(bench.directory, 0o1777);
      const name = bench.put('start', '7', 1);
      chownSync(join(bench.directory, name), 4711, 4711);
      bench.put('start', '8', 1, { gpus: '1' });
      const news = bench.open().read(at(2));
      expect(describeOwnership(news)).toEqual(['8 on GPU-1 (1, open']);
      expect(codes(news)).toEqual(['jobs.strangers_file']);
    },
  );

  test('records go when they are closed, acknowledged, and a day old; open ones stay', () => {
    const day = 24 * 3600;
    const closed = [bench.put('start', '7', 1), bench.put('end', '7', 5)];
    const open = bench.put('start', '8', 6, { gpus: '1' });
    const leftover = '.9.start.1.1.tmp';
    writeFileSync(join(bench.directory, leftover), '');
    utimesSync(join(bench.directory, leftover), at(1) / 1e6, at(1) / 1e6);
    const names = (): string[] => readdirSync(bench.directory).filter((name) => !name.endsWith('.conf'));
    const input = bench.open();
    input.read(at(10));
    input.acknowledge?.(at(10));
    expect(names().sort()).toEqual([leftover, ...closed, open].sort());
    input.read(at(day + 10));
    expect(names().sort()).toEqual([leftover, ...closed, open].sort());
    input.acknowledge?.(at(day + 10));
    expect(names()).toEqual([open]);
    expect(existsSync(join(bench.directory, open))).toBe(true);
  });

  test('an end that found no start is forgotten after two days: a start that comes then is not ended by it', () => {
    const days = 2 * 24 * 3600;
    const input = bench.open();
    bench.put('end', '7', 5);
    const news = [input.read(at(6))];
    input.acknowledge?.(at(days));
    bench.put('start', '7', 1);
    expect(describeOwnership(...news, input.read(at(days + 1)))).toEqual(['7 on GPU-0 (1, 5]']);
    bench.put('end', '8', 5);
    news.push(input.read(at(days + 2)));
    input.acknowledge?.(at(days + 700));
    bench.put('start', '8', 2, { gpus: '1' });
    expect(describeOwnership(input.read(at(days + 701)))).toEqual(['8 on GPU-1 (2, open']);
  });

  test('a second life of the collector tells the same facts', () => {
    bench.put('start', '7', 1);
    bench.put('end', '7', 5);
    const first = bench.open().read(at(6));
    expect(bench.open().read(at(7))).toEqual(first);
  });
});

describe('rows of jobs', () => {
  test('one row for a job of two nodes, from the controller and the first node, whole each time', () => {
    const input = bench.open();
    const nodelist = { nodelist: 'n[1-2]', nodes: '2' };
    bench.put('start', '7', 1, {
      context: 'prolog_slurmctld',
      node: '',
      gpus: '',
      name: 'train',
      array_job: '6',
      array_task: '3',
      user: 'ada',
    });
    bench.put('start', '7', 2, { ...nodelist, partition: 'gpu' });
    bench.put('start', '7', 2.5, { ...nodelist, node: 'n2' });
    const row = {
      jobId: '7',
      startUs: at(1),
      name: 'train',
      arrayJobId: '6',
      arrayTaskId: '3',
      user: 'ada',
      partition: 'gpu',
      nodes: 2,
    };
    expect(input.read(at(3)).records).toEqual([{ ...row, state: 'RUNNING' }]);
    bench.put('end', '7', 5, { context: 'epilog_slurmctld', node: '', gpus: '', exit_code: '3:0' });
    bench.put('end', '7', 5.5, { ...nodelist, exit_code: '3:0' });
    expect(input.read(at(6)).records).toEqual([{ ...row, endUs: at(5.5), state: 'FAILED', exitCode: 3 }]);
  });

  test('a requeued job has a row for each run', () => {
    bench.put('start', '7', 1, { restart: '0' });
    bench.put('end', '7', 3, { restart: '1', exit_code: '0:15' });
    bench.put('start', '7', 5, { restart: '1' });
    expect(bench.open().read(at(6)).records).toEqual([
      { jobId: '7', run: 0, startUs: at(1), endUs: at(3), state: 'REQUEUED', exitCode: 143 },
      { jobId: '7', run: 1, startUs: at(5), state: 'RUNNING' },
    ]);
  });

  test('an end that says when its run began gives a row of what it knows, and a count where it is certain', () => {
    const known = { user: 'ada', account: 'physics' };
    const end = (job: string, s: number, startS: number, fields: Readonly<Record<string, string>>): string =>
      bench.put('end', job, s, { ...known, start_time: String(at(startS) / 1e6), ...fields });
    end('7', 50, 10, { restart: '1', exit_code: '3:0' });
    end('7', 55, 10, { restart: '1', exit_code: '0:0' });
    end('8', 50, 10, { restart: '0', exit_code: '0:0' });
    bench.put('start', '9', 1, { ...known, restart: '0' });
    bench.put('end', '9', 5, { ...known, restart: '1' });
    end('9', 50, 10, { restart: '1' });
    end('10', 50, 10, { gpus: '' });
    const row = { ...known, startUs: at(11), endUs: at(50) };
    const news = bench.open().read(at(60));
    expect(news.records).toEqual([
      { ...known, jobId: '9', run: 0, startUs: at(1), endUs: at(5), state: 'REQUEUED' },
      { ...row, jobId: '9', run: 1 },
      { ...row, jobId: '7', exitCode: 3 },
      { ...row, jobId: '8', run: 0, exitCode: 0 },
    ]);
    expect(news.facts.filter(({ kind }) => kind === 'start').map(({ jobId, atUs }) => [jobId, atUs])).toEqual(
      expect.arrayContaining(news.records.map(({ jobId, startUs }) => [jobId, startUs])),
    );
  });

  test('what an end alone told gives way to the prolog, and to the record of the controller', () => {
    const told = { user: 'ada', restart: '0', start_time: String(at(10) / 1e6) };
    const controller = { context: 'prolog_slurmctld', node: '', gpus: '', user: 'ada', restart: '0' };
    const puts = [
      () => bench.put('start', '7', 10.2, controller),
      () => bench.put('start', '7', 12, { user: 'ada', restart: '0' }),
      () => bench.put('end', '7', 50, told),
      () => bench.put('end', '7', 50.5, { ...told, context: 'epilog_slurmctld', node: '', gpus: '' }),
    ];
    for (const order of permutationsOf(puts)) {
      const input = bench.open();
      const last = order.map((put, step) => {
        put();
        return input.read(at(400 + step)).records;
      });
      expect(last.at(-1)).toEqual([{ jobId: '7', run: 0, startUs: at(10.2), endUs: at(50.5), user: 'ada' }]);
      bench.close();
      bench = openJournalBench();
    }
  });

  test('two clusters whose controllers share a journal have a row each under one id, whichever ends first', () => {
    const controller = { context: 'prolog_slurmctld', node: '', gpus: '', user: 'ada' };
    bench.put('start', '7', 1, { ...controller, cluster: 'alpha' });
    bench.put('start', '7', 21, { ...controller, cluster: 'beta' });
    const end = { ...controller, context: 'epilog_slurmctld' };
    bench.put('end', '7', 30, { ...end, cluster: 'alpha', exit_code: '0:0' });
    bench.put('end', '7', 40, { ...end, cluster: 'beta', exit_code: '1:0' });
    const row = { jobId: '7', user: 'ada' };
    expect(bench.open().read(at(50)).records).toEqual([
      { ...row, cluster: 'alpha', startUs: at(1), endUs: at(30), exitCode: 0 },
      { ...row, cluster: 'beta', startUs: at(21), endUs: at(40), state: 'FAILED', exitCode: 1 },
    ]);
  });

  test('an exit code of 0 is no proof of success, and a job without GPUs has no row', () => {
    bench.put('start', '7', 1);
    bench.put('end', '7', 3, { exit_code: '0:0' });
    bench.put('start', '8', 1, { gpus: '' });
    expect(bench.open().read(at(6)).records).toEqual([
      { jobId: '7', startUs: at(1), endUs: at(3), exitCode: 0 },
    ]);
  });

  test('a row has the cluster and the SLUID of its records; where the hook knows no cluster, that of the devices', () => {
    bench.put('start', '7', 1, { cluster: 'a', sluid: 's7' });
    bench.put('start', '8', 1, { gpus: '1' });
    const [first, ...others] = bench.devices;
    const devices = [first!, ...others.map((device) => ({ ...device, cluster: 'b' }))];
    const news = bench.open({ devices }).read(at(2));
    expect(news.records).toMatchObject([
      { jobId: '7', cluster: 'a', sluid: 's7' },
      { jobId: '8', cluster: 'b' },
    ]);
    expect(news.facts.map(({ cluster }) => cluster)).toEqual(['a', 'b']);
  });

  test('another user under the same id has another job, whatever ends are lost', () => {
    bench.put('start', '7', 1, { user: 'ada', restart: '0' });
    bench.put('start', '7', 5, { user: 'bob', restart: '0' });
    // The epilog of the first one, which slurmd had put off.
    bench.put('end', '7', 6, { user: 'ada', restart: '0', exit_code: '3:0' });
    const news = bench.open().read(at(7));
    expect(news.records).toEqual([
      { jobId: '7', run: 0, startUs: at(1), endUs: at(6), user: 'ada', state: 'FAILED', exitCode: 3 },
      { jobId: '7', run: 0, startUs: at(5), user: 'bob', state: 'RUNNING' },
    ]);
    expect(describeOwnership(news)).toEqual(['7 on GPU-0 (1, 5]', '7 on GPU-0 (5, open']);
  });

  test('records of two runs make the same rows and the same ownership, in whatever order they are read', () => {
    const puts = [
      () => bench.put('start', '7', 1, { restart: '0', user: 'ada' }),
      () => bench.put('end', '7', 3, { restart: '1', user: 'ada', exit_code: '0:15' }),
      () => bench.put('start', '7', 200, { restart: '1', user: 'ada' }),
      () => bench.put('end', '7', 300, { restart: '1', user: 'ada', exit_code: '0:0' }),
    ];
    for (const order of permutationsOf(puts)) {
      const input = bench.open();
      const news = order.map((put, step) => {
        put();
        return input.read(at(400 + step));
      });
      const rows = new Map(news.flatMap(({ records }) => records).map((row) => [row.startUs, row]));
      expect([...rows.values()].sort((a, b) => a.startUs - b.startUs)).toEqual([
        { jobId: '7', run: 0, startUs: at(1), endUs: at(3), user: 'ada', state: 'REQUEUED', exitCode: 143 },
        { jobId: '7', run: 1, startUs: at(200), endUs: at(300), user: 'ada', exitCode: 0 },
      ]);
      expect(describeOwnership(...news)).toEqual(['7 on GPU-0 (1, 3]', '7 run 1 on GPU-0 (200, 300]']);
      bench.close();
      bench = openJournalBench();
    }
  });
});

test.each([
  { what: 'as a part of the threads of MPS', fields: { mps: '50' }, share: 0.5 },
  { what: 'as the record says, before all', fields: { mps: '50', share: '0.25' }, share: 0.25 },
  { what: 'as the whole, where Slurm hands out whole GPUs', fields: {}, share: 1 },
])('a share is read $what', ({ fields, share }) => {
  bench.put('start', '7', 1, fields);
  expect(bench.open().read(at(2)).facts).toMatchObject([{ share }]);
});

test('gres.conf is read again when it has changed', () => {
  const input = bench.open();
  bench.put('start', '7', 1);
  expect(describeOwnership(input.read(at(2)))).toEqual(['7 on GPU-0 (1, open']);
  writeFileSync(join(bench.directory, 'gres.conf'), 'Name=gpu File=/dev/nvidia3\n');
  bench.put('start', '8', 3);
  expect(describeOwnership(input.read(at(4)))).toEqual(['8 on GPU-3 (3, open']);
});

describe('a node with GPUs of several types', () => {
  const MIXED = 'Name=gpu Type=a File=/dev/nvidia[0-1]\nName=gpu Type=b File=/dev/nvidia[2-3]\n';

  test('its devices are asked of the scheduler, and the facts come when it has answered', async () => {
    writeFileSync(join(bench.directory, 'gres.conf'), MIXED);
    const answer = Promise.withResolvers<GivenDevices>();
    const input = bench.open({ askScheduler: () => answer.promise });
    bench.put('start', '7', 1, { gpus: '2' });
    const news = [input.read(at(2))];
    expect(news[0]?.facts).toEqual([]);
    bench.put('end', '7', 3, { gpus: '0,2' });
    news.push(input.read(at(4)));
    answer.resolve(wholeGpus(0, 2));
    await input.answers?.();
    expect(input.answers?.()).toBeUndefined();
    news.push(input.read(at(5)));
    expect(describeOwnership(...news)).toEqual(['7 on GPU-0 (1, 3]', '7 on GPU-2 (1, 3]']);
  });

  test('what is known of a job since this very start is not asked again, nor lost when the scheduler forgets it', async () => {
    writeFileSync(join(bench.directory, 'gres.conf'), MIXED);
    const asked: string[] = [];
    const input = bench.open({
      askScheduler: (_conf, job) => {
        asked.push(job);
        return Promise.resolve(new Map());
      },
    });
    bench.put('start', '7', 1, { gpus: '2' });
    bench.put('start', '8', 2, { gpus: '3' });
    bench.put('end', '7', 3, { gpus: '2' });
    const stored: [string, number, string][] = [['7', at(1), 'GPU-1']];
    const known = (job: string, startUs: number): string[] =>
      stored.flatMap(([id, us, gpu]) => (id === job && us === startUs ? [gpu] : []));
    const news = [input.read(at(4), known)];
    expect(asked).toEqual(['8']);
    await input.answers?.();
    stored.push(['8', at(2), 'GPU-3']);
    news.push(input.read(at(5), known));
    expect(describeOwnership(...news)).toEqual(['7 on GPU-1 (1, 3]', '8 on GPU-3 (2, open']);
    expect(news.flatMap(codes)).toEqual([]);
  });

  test('an end without a start is told in one line with the way out', () => {
    bench.put('end', '7', 5);
    const [problem] = bench.open().read(at(6)).problems!;
    expect(sentenceOf(problem!)).toMatch(/^expected a start of job 7 before its end.*; set Prolog= .*$/);
  });

  test('they stay unresolved when it does not answer', async () => {
    writeFileSync(join(bench.directory, 'gres.conf'), MIXED);
    const complaint = 'Command failed: scontrol show job 7\nscontrol: error: no controller\n';
    const input = bench.open({ askScheduler: () => Promise.reject(new Error(complaint)) });
    bench.put('start', '7', 1, { gpus: '2' });
    input.read(at(2));
    await input.answers?.();
    const news = input.read(at(3));
    expect(describeOwnership(news)).toEqual(['7 on unresolved:n1:2 (1, open']);
    const [noAnswer] = news.problems!;
    expect(noAnswer!.message).toMatch(
      /but: Command failed: scontrol show job 7; scontrol: error: no controller$/,
    );
    expect(codes(news)).toEqual(['journal.no_scheduler', 'journal.unresolved_device']);
  });
});
