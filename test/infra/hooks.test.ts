import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseJournalRecord } from '../../schemas/journal-record.ts';
import { makeDirectory, openHookBench, runHook, slurmVariables, type HookBench } from '../helpers/hook.ts';

let bench: HookBench;
beforeEach(() => {
  bench = openHookBench();
});
afterEach(() => {
  bench.close();
});

/** slurmd sees a success without a word. */
const FINE = { code: 0, signal: null, output: '' };

describe('a record', () => {
  test.each([
    { context: 'prolog_slurmd', event: 'start' },
    { context: 'epilog_slurmd', event: 'end' },
    { context: 'prolog_slurmctld', event: 'start' },
    { context: 'epilog_slurmctld', event: 'end' },
  ] as const)('$context writes $event', async ({ context, event }) => {
    const before = Date.now();
    expect(
      await bench.run(slurmVariables(context, '7', { SLURM_JOB_ACCOUNT: 'p', SLURM_JOB_EXIT_CODE2: '3:0' })),
    ).toMatchObject(FINE);
    const [reading] = bench.readings();
    expect(reading).toMatchObject({
      record: {
        event,
        context,
        manager: 'slurm',
        job: '7',
        node: 'n1',
        gpus: '0',
        visible: '0',
        restart: 0,
        user: 'ada',
        account: 'p',
        exit_code: '3:0',
      },
    });
    const [name] = readdirSync(bench.journalDir);
    const written = statSync(join(bench.journalDir, name!));
    // The clock of file times ticks every few milliseconds.
    expect(written.mtimeMs).toBeGreaterThan(before - 50);
    expect(written.mode & 0o777).toBe(0o640);
  });

  test("the user's own text is data", async () => {
    const hostile = 'a\nb\'c"d`e`$(touch /tmp/x)$HOME\\n%s%n;&|<>*?[]\u{1f389}=end';
    await bench.run(
      slurmVariables('prolog_slurmctld', '7', {
        SLURM_JOB_NAME: hostile,
        SLURM_JOB_ACCOUNT: '-n',
        SLURM_JOB_COMMENT: `${hostile}\n`.repeat(200),
        SLURM_ARRAY_JOB_ID: '6',
        SLURM_ARRAY_TASK_ID: '3',
      }),
    );
    expect(bench.readings()).toMatchObject([
      { record: { name: hostile.replace('\n', '⏎'), account: '-n', array_job: '6', array_task: '3' } },
    ]);
  });

  test('a name of 10 KB does no harm', async () => {
    expect(
      await bench.run(slurmVariables('prolog_slurmctld', '7', { SLURM_JOB_NAME: 'x'.repeat(10_240) })),
    ).toMatchObject(FINE);
    expect(bench.readings()).toMatchObject([{ record: { name: 'x'.repeat(1024) } }]);
  });

  test.each([
    { what: 'another context', more: { SLURM_SCRIPT_CONTEXT: 'prolog_task' } },
    { what: 'no context', more: { SLURM_SCRIPT_CONTEXT: '' } },
    { what: 'no job', more: { SLURM_JOB_ID: '' } },
    { what: 'a job id that is a path', more: { SLURM_JOB_ID: '../../x' } },
  ])('$what: nothing is written', async ({ more }) => {
    expect(await bench.run({ ...slurmVariables('prolog_slurmd', '7'), ...more })).toMatchObject(FINE);
    expect(existsSync(bench.journalDir)).toBe(false);
  });

  test('a job without GPUs leaves nothing on its node; an epilog whose prolog had some does', async () => {
    const none = { SLURM_JOB_GPUS: '', CUDA_VISIBLE_DEVICES: '' };
    await bench.run(slurmVariables('prolog_slurmd', '7', none));
    await bench.run(slurmVariables('epilog_slurmd', '7', none));
    expect(existsSync(bench.journalDir)).toBe(false);
    await bench.run(slurmVariables('prolog_slurmd', '8'));
    await bench.run(slurmVariables('epilog_slurmd', '8', none));
    await bench.run(slurmVariables('prolog_slurmctld', '9', none));
    const told = bench
      .readings()
      .map((reading) => ('record' in reading ? `${reading.record.event} ${reading.record.job}` : ''));
    expect(told.sort()).toEqual(['end 8', 'start 8', 'start 9']);
  });

  test('two hundred hooks at once leave two hundred whole records', async () => {
    const runs = Array.from({ length: 200 }, (_, job) =>
      bench.run(slurmVariables('prolog_slurmd', String(job + 1))),
    );
    const exits = await Promise.all(runs);
    expect(exits.every((exit) => exit.code === 0 && exit.output === '')).toBe(true);
    const readings = bench.readings();
    const jobs = readings.flatMap((reading) => ('record' in reading ? [reading.record.job] : []));
    expect(readings.filter((reading) => 'fault' in reading)).toEqual([]);
    expect(new Set(jobs).size).toBe(200);
  });
});

describe('told by its words', () => {
  test('a start and an end of any scheduler', async () => {
    const job = "12[3].srv 'x'$(touch /tmp/x)";
    const words = [`job=${job}`, 'manager=pbs', 'user=ada', 'share=0.5', 'name=a b=c\n%s'];
    expect(await bench.tell('start', 'devices=0,1', ...words)).toMatchObject(FINE);
    expect(await bench.tell('end', `job=${job}`, 'manager=pbs', 'node=n7', 'exit_code=3:0')).toMatchObject(
      FINE,
    );
    const records = bench.readings().map((reading) => ('record' in reading ? reading.record : reading.fault));
    const start = {
      event: 'start',
      manager: 'pbs',
      job,
      user: 'ada',
      share: 0.5,
      devices: '0,1',
      name: 'a b=c⏎%s',
    };
    expect(records).toContainEqual(expect.objectContaining(start));
    const end = { event: 'end', manager: 'pbs', job, node: 'n7', exit_code: '3:0' };
    expect(records).toContainEqual(expect.objectContaining(end));
    for (const name of readdirSync(bench.journalDir))
      expect(name).toMatch(/^12_3__srv__x___touch__tmp_x_\.(start|end)\.[0-9.]+\.\d+\.job$/);
  });

  test('the node is this one unless it is named; another journal may be', async () => {
    const aside = makeDirectory(join(bench.directory, 'aside'));
    await bench.tell('start', 'job=7', 'devices=0', `journal_dir=${aside}`);
    expect(existsSync(bench.journalDir)).toBe(false);
    const [name] = readdirSync(aside);
    const reading = parseJournalRecord(readFileSync(join(aside, name!)));
    expect(reading).toMatchObject({ record: { node: hostname(), manager: 'shell' } });
  });

  test.each([[[]], [['start']], [['end', 'devices=0']], [['stop', 'job=7']]])(
    'without a job, or with another word, nothing is written: %j',
    async (words) => {
      expect(await bench.tell(...words)).toMatchObject(FINE);
      expect(existsSync(bench.journalDir)).toBe(false);
    },
  );
});

describe('harmless', () => {
  test.each([
    { what: 'a missing directory is made', prepare: () => undefined, isWritten: true },
    {
      what: 'a file in its place',
      prepare: (path: string) => {
        writeFileSync(path, '');
      },
    },
    {
      what: 'a pipe in its place',
      prepare: (path: string) => {
        execFileSync('mkfifo', [path]);
      },
    },
    {
      what: 'a link to nowhere',
      prepare: (path: string) => {
        symlinkSync('/nowhere/at/all', path);
      },
    },
  ])('$what', async ({ prepare, isWritten = false }) => {
    prepare(bench.journalDir);
    expect(await bench.run(slurmVariables('prolog_slurmd', '7'))).toMatchObject(FINE);
    expect(statSync(bench.journalDir, { throwIfNoEntry: false })?.isDirectory() ?? false).toBe(isWritten);
  });

  test.each([
    { what: 'a directory that cannot be made', settings: 'journal_dir=/proc/gpuledger/jobs\n' },
    { what: 'a directory that takes no files', settings: 'journal_dir=/proc/self\n' },
    { what: 'settings that are no shell', settings: 'journal_dir=(\n' },
    { what: 'settings that end the shell', settings: 'exit 3\n' },
  ])('$what', async ({ settings }) => {
    bench.settle(settings);
    expect(await bench.run(slurmVariables('prolog_slurmd', '7'))).toMatchObject(FINE);
    expect(existsSync(bench.journalDir)).toBe(false);
  });

  test('a full disk leaves no half record', async () => {
    makeDirectory(bench.journalDir);
    // No byte can be written to a file any more.
    bench.settle(`journal_dir=${bench.journalDir}\nulimit -f 0\n`);
    expect(await bench.run(slurmVariables('prolog_slurmd', '7'))).toMatchObject(FINE);
    expect(bench.readings()).toEqual([]);
  });

  test('a writer that hangs is killed, and nobody waits for it', async () => {
    // As it is shipped. Whoever waits for the writer waits longer than the test may last.
    const shipped = openHookBench('shipped');
    shipped.settle('/bin/sleep 3600\n');
    expect(await shipped.run(slurmVariables('prolog_slurmd', '7'))).toMatchObject(FINE);
    shipped.close();
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s in the middle', async (signal) => {
    bench.settle('/bin/sleep 0.3\n');
    const exit = await runHook(bench.hook, slurmVariables('prolog_slurmd', '7'), (pid) => {
      setTimeout(() => process.kill(-pid, signal), 100);
    });
    expect(exit).toMatchObject(FINE);
  });
});

describe("dcgm-exporter's map files", () => {
  let mapDir: string;
  beforeEach(() => {
    mapDir = makeDirectory(join(bench.directory, 'map'));
    bench.settle(`journal_dir=${bench.journalDir}\nmap_dir=${mapDir}\n`);
  });
  const start = (job: string, gpus: string, more = {}): Promise<unknown> =>
    bench.run(slurmVariables('prolog_slurmd', job, { SLURM_JOB_GPUS: gpus, ...more }));
  const end = (job: string, gpus: string): Promise<unknown> =>
    bench.run(slurmVariables('epilog_slurmd', job, { SLURM_JOB_GPUS: gpus }));
  const files = (): Record<string, string> =>
    Object.fromEntries(
      readdirSync(mapDir)
        .filter((name) => /^\d/.test(name))
        .map((name) => [name, readFileSync(join(mapDir, name), 'utf8')]),
    );

  test('a job stands in the file of each of its GPUs, and the epilog of one job leaves the other alone', async () => {
    await start('7', '0,2');
    expect(files()).toEqual({ 0: '7\n', 2: '7\n' });
    await start('8', '2');
    expect(files()).toEqual({ 0: '7\n', 2: '7\n8\n' });
    await end('7', '0,2');
    expect(files()).toEqual({ 2: '8\n' });
    await end('8', '2');
    expect(files()).toEqual({});
    expect(readdirSync(mapDir)).toEqual(['.gpuledger.lock']);
  });

  test('a job that starts again stands there once; another writer may have left out the last newline', async () => {
    writeFileSync(join(mapDir, '0'), '5');
    await start('7', '0');
    await start('7', '0');
    expect(files()).toEqual({ 0: '5\n7\n' });
    expect(statSync(join(mapDir, '0')).mode & 0o777).toBe(0o644);
  });

  test("the exporter's own names, where they are not Slurm's positions", async () => {
    bench.settle(`journal_dir=${bench.journalDir}\nmap_dir=${mapDir}\nmap_names='3 2 1 0'\n`);
    await start('7', '0,2,9');
    expect(files()).toEqual({ 1: '7\n', 3: '7\n' });
  });

  test('MIG instances have names that Slurm does not know', async () => {
    await start('7', '0', { CUDA_VISIBLE_DEVICES: 'MIG-1234' });
    expect(files()).toEqual({});
    expect(bench.readings()).toMatchObject([{ record: { visible: 'MIG-1234' } }]);
  });

  test('a pipe in place of a file is replaced, and a missing directory costs only the map', async () => {
    execFileSync('mkfifo', [join(mapDir, '0')]);
    await start('7', '0');
    expect(files()).toEqual({ 0: '7\n' });
    bench.settle(`journal_dir=${bench.journalDir}\nmap_dir=${mapDir}/none\n`);
    expect(await start('8', '0')).toMatchObject(FINE);
    expect(bench.readings()).toHaveLength(2);
  });

  test('many jobs at once on one GPU: no line is lost or doubled', async () => {
    const jobs = Array.from({ length: 6 }, (_, job) => String(job + 1));
    for (const job of jobs.slice(0, 3)) await start(job, '0');
    await Promise.all([
      ...jobs.slice(0, 3).map((job) => end(job, '0')),
      ...jobs.slice(3).map((job) => start(job, '0')),
    ]);
    expect(files()['0']?.trim().split('\n').sort()).toEqual(jobs.slice(3).sort());
  });
});

test('the hook needs no PATH and names no command without its directory', () => {
  const text = readFileSync(bench.hook, 'utf8');
  const words = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  const bare = words.filter((line) =>
    /(^|[;&|]\s*|\bthen\s+|\bdo\s+)\s*(mv|rm|mkdir|chmod|cat|timeout|flock|sleep|sh)\b/.test(line),
  );
  expect(bare).toEqual([]);
});
