/**
 * docs/install.md, typed as it stands there into two machines that hold nothing else: a GPU node with systemd and Slurm, and a login node. Then the node's
 * package is replaced by a newer one under a running service. The GPUs are synthetic, the rest is real.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

import { blocksOf, everyStep, stepsOf } from '../helpers/page-steps.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';
import { bootRoot, insideRoot, type BootedRoot } from './booted-root.ts';
import { makeDebianRoot } from './debian-root.ts';

const PAGE = 'install.md';
const SLURM = ['slurmctld', 'slurmd', 'slurm-client', 'munge'];
const SLURM_CONF = 'SLURM_CONF=/srv/slurm/etc/slurm.conf';
const GPUS = 4;
/** What a machine without GPUs, whose jobs are of a test's Slurm, needs beside the page. */
const DROP_IN = `[Service]
Environment=GPULEDGER_SOURCE=synthetic GPULEDGER_SYNTHETIC_GPUS=${GPUS} GPULEDGER_INTERVAL=100ms
Environment=GPULEDGER_JOBS_JOURNAL_DIR=/run/gpuledger/jobs
`;
/** slurmd wants the control groups that the kernel says it has, where they are of the old kind; systemd wants the new one. */
const START_SLURM = `if grep -q :name=systemd: /proc/self/cgroup; then
  mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/freezer &&
    mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd || exit
fi
exec /srv/slurm-testbed.sh up /srv/slurm --gpus ${GPUS} --no-install
`;

let directory = '';
let store: TestQuestdb;
/** What is to be stopped, as far as it came. */
const toEnd: (() => Promise<void>)[] = [];
let node: BootedRoot;
let login = '';

interface Site {
  readonly user: string;
  readonly password: string;
}
let site: Site;

/** The commit before, as a package of a lower version; of a clone without history the commit itself. @returns its path */
async function packageBefore(): Promise<string> {
  const tree = join(directory, 'before');
  mkdirSync(tree);
  const archive = 'git archive "$(git rev-parse --verify --quiet HEAD~1 || echo HEAD)" | tar -x -C "$0"';
  expect(await runToEnd('sh', ['-c', archive, tree])).toMatchObject({ exitCode: 0, stderr: '' });
  const description = join(tree, 'package.json');
  const text = readFileSync(description, 'utf8');
  writeFileSync(description, text.replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
  const modules = execFileSync('readlink', ['-f', join(ROOT, 'node_modules')], { encoding: 'utf8' }).trim();
  execFileSync('ln', ['-s', modules, join(tree, 'node_modules')]);
  const made = await runToEnd(process.execPath, ['scripts/package.ts', 'x64'], {
    cwd: tree,
    env: { SOURCE_DATE_EPOCH: '1700000000' },
  });
  expect(made).toMatchObject({ exitCode: 0 });
  return join(tree, 'build/package/gpuledger_0.0.1-1_amd64.deb');
}

/** With the settings of the page, and its passwords. */
async function startStore(): Promise<TestQuestdb> {
  const server = await startTestQuestdb();
  toEnd.push(server.stop);
  const settings = blocksOf(PAGE, 'Store', 'ini');
  appendFileSync(join(server.dataDir, 'conf/server.conf'), `\n${settings}`);
  await server.restart();
  const valueOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(settings)![1]!;
  site = { user: valueOf('http.user'), password: valueOf('http.password') };
  return server;
}

/** The page's own names with the values of this site, before each section. */
function withSite(script: string, deb: string): string {
  const values: Record<string, string> = {
    PACKAGE: `/root/${basename(deb)}`,
    STORE: new URL(store.httpUrl).host,
    STORE_USER: site.user,
    STORE_PASSWORD: site.password,
    READERS: 'gpu-readers',
  };
  const names = [...blocksOf(PAGE, 'What you need', 'sh site').matchAll(/^(\w+)=/gm)].map(
    ([, name]) => name!,
  );
  expect(names.sort()).toEqual(Object.keys(values).sort());
  const lines = names.map((name) => `${name}='${values[name]!}'`);
  return `set -eu\n${lines.join('\n')}\n${script}`;
}

/** Types the blocks of one section. */
async function type(where: (line: string) => Promise<Ended>, script: string, deb: string): Promise<string> {
  const { exitCode, stdout, stderr } = await where(withSite(script, deb));
  expect([exitCode, stderr]).toEqual([0, expect.not.stringMatching(/error|warn|fail/i)]);
  return stdout;
}

const onLogin = async (line: string): Promise<Ended> => await insideRoot(login, line);
const asUser = async (user: string, line: string): Promise<Ended> =>
  await onLogin(`cd / && exec runuser -u ${user} -- sh -c '${line}'`);

async function ask(sql: string): Promise<unknown[][]> {
  const authorization = `Basic ${btoa(`${site.user}:${site.password}`)}`;
  const response = await fetch(`${store.httpUrl}/exec?${new URLSearchParams({ query: sql }).toString()}`, {
    headers: { authorization },
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { dataset: unknown[][] }).dataset;
}

interface Status {
  running: boolean;
  ofFormerLife: boolean;
  addsUp: boolean;
  pid: number;
  lanes: {
    lane: string;
    table: string;
    sampledRows: number;
    acknowledgedRows: number;
    heldRows: number;
    spooledRows: number;
    refusedRows: number;
    droppedRows: number;
  }[];
}

async function status(): Promise<Status | undefined> {
  const { stdout } = await node.inside('gpuledger status --json');
  return stdout === '' ? undefined : (JSON.parse(stdout) as Status);
}

/** Waits until a service with another pid has written rows. @returns its pid */
async function sampling(formerPid = 0): Promise<number> {
  const pid = async (): Promise<number> => {
    const said = await status();
    const isOurs = said !== undefined && said.running && !said.ofFormerLife && said.pid !== formerPid;
    return isOurs && said.lanes[0]!.acknowledgedRows > 0 ? said.pid : 0;
  };
  await expect.poll(pid).not.toBe(0);
  return await pid();
}

let before = '';
const { deb: after } = inject('packages');

/** A machine with systemd and the packages, on which nobody has typed anything yet. */
async function bootNode(name: string): Promise<BootedRoot> {
  const root = join(directory, name);
  execFileSync('cp', ['-a', join(directory, 'debian'), root]);
  for (const deb of [before, after]) copyFileSync(deb, join(root, 'root', basename(deb)));
  const drop = join(root, 'etc/systemd/system/gpuledger.service.d');
  mkdirSync(drop, { recursive: true });
  writeFileSync(join(drop, 'test.conf'), DROP_IN);
  writeFileSync(join(root, 'etc/hostname'), `${name}\n`);
  writeFileSync(join(root, 'etc/hosts'), `127.0.0.1 localhost ${name}\n`);
  copyFileSync(join(ROOT, 'test/slurm-testbed/slurm-testbed.sh'), join(root, 'srv/slurm-testbed.sh'));
  writeFileSync(join(root, 'srv/start-slurm'), START_SLURM);
  const booted = await bootRoot(root);
  toEnd.push(booted.stop);
  return booted;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-install-'));
  [before, store] = await Promise.all([
    packageBefore(),
    startStore(),
    makeDebianRoot(join(directory, 'debian'), ['systemd', 'systemd-sysv', 'dbus', ...SLURM]),
  ]);
  login = join(directory, 'login');
  execFileSync('cp', ['-a', join(directory, 'debian'), login]);
  copyFileSync(after, join(login, 'root', basename(after)));
}, 1_800_000);
afterAll(async () => {
  await Promise.all(toEnd.map((end) => end()));
  rmSync(directory, { recursive: true, force: true });
});

test('every block of the page is typed here', () => {
  expect(everyStep(PAGE)).toEqual([
    ...['What you need: site', 'Every machine: ', 'Store: ', 'Store: once', 'Nodes: ', 'Nodes: ', 'Hooks: '],
    ...['Hooks: ', 'Hooks: controller', 'Login nodes: ', 'Check: ', 'Check: doctor', 'Check: reader'],
  ]);
});

test('a node: from nothing to a service whose rows are in the store', async () => {
  node = await bootNode('gpu1');
  const { inside } = node;
  expect(after).toContain(
    (await type(inside, stepsOf(PAGE, 'Every machine'), after)).trim().split('\n').at(-1),
  );
  await type(inside, stepsOf(PAGE, 'Store'), after);
  expect(await type(inside, stepsOf(PAGE, 'Store', 'once'), after)).toContain('created  gpu_profiling ');
  expect(await type(inside, stepsOf(PAGE, 'Nodes'), after)).toBe('active\n');
  await sampling();
  expect(await ask("SELECT count_distinct(gpu) FROM gpu_profiling WHERE node = 'gpu1'")).toEqual([[GPUS]]);
  const secret = await inside(
    'stat -c "%a %U %G" /etc/gpuledger/questdb.conf; stat -c "%a %U" /var/lib/gpuledger/profiling-pause',
  );
  expect(secret.stdout).toBe('640 root gpuledger\n1777 gpuledger\n');
});

test('a job of Slurm through the hooks, and what root finds on the node', async () => {
  const { inside } = node;
  const started = await inside('unshare -m sh /srv/start-slurm');
  expect(started, started.stderr).toMatchObject({ exitCode: 0 });
  const hooks = `export ${SLURM_CONF}\n${stepsOf(PAGE, 'Hooks')}\n${stepsOf(PAGE, 'Hooks', 'controller')}`;
  await type(inside, hooks, after);
  expect(await inside(`${SLURM_CONF} timeout 300 srun --gres=gpu:2 sleep 5`)).toMatchObject({ exitCode: 0 });
  await expect
    .poll(() => ask("SELECT count_distinct(gpu) FROM gpu_profiling WHERE job_id = '1'"))
    .toEqual([[2]]);
  const found = await type(inside, stepsOf(PAGE, 'Check'), after);
  expect(found).toMatch(/^collecting since .*\n[^]*\+ dropped ✓[^]*profiling is not paused\n$/);
  const doctor = await inside(stepsOf(PAGE, 'Check', 'doctor'));
  expect(doctor.stdout).toMatch(/^ {2}fine +chain /m);
  // A machine of tests may have a clock that nobody keeps, and a systemd that may not grant real time (no CAP_SYS_RESOURCE).
  const wrong = [...doctor.stdout.matchAll(/^ {2}wrong +(\S+(?: \S+)*)/gm)].map(([, name]) => name!);
  expect(wrong.filter((name) => !['clock', 'real-time grant'].includes(name))).toEqual([]);
  // The pause of an operator is heard by the service that systemd started.
  expect(await inside('gpuledger profiling pause --for 1s')).toMatchObject({ exitCode: 0, stderr: '' });
});

test('a report on a login node, by somebody of the group and by somebody else', async () => {
  await type(onLogin, stepsOf(PAGE, 'Every machine'), after);
  await type(onLogin, stepsOf(PAGE, 'Login nodes'), after);
  expect(
    await onLogin('useradd --create-home --groups gpu-readers ada; useradd --create-home eve'),
  ).toMatchObject({
    exitCode: 0,
  });
  const report = stepsOf(PAGE, 'Check', 'reader').trim();
  const { exitCode, stdout, stderr } = await asUser('ada', report);
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^Job 1 .*\n {2}root, partition debug, cluster testbed · 1 node, 2 x H200/m);
  const refused = await asUser('eve', report);
  expect([refused.exitCode, refused.stdout]).toEqual([78, '']);
  expect(refused.stderr).toMatch(/questdb-reader\.conf[^]*for the group gpu-readers: ask root/);
  await onLogin('mv /etc/gpuledger/client.conf /root/client.conf; mkdir /etc/gpuledger/client.conf');
  const misled = await asUser('ada', report);
  expect([misled.exitCode, misled.stderr]).toEqual([
    78,
    expect.stringMatching(
      /^error: the configuration cannot be read: it is a directory, and no file \(EISDIR\)\n {2}\/etc\/gpuledger\/client\.conf\n/,
    ),
  ]);
});

test('a unit that somebody edited outlives an upgrade, and systemd shows it', async () => {
  const { inside } = node;
  await inside(
    'cp /lib/systemd/system/gpuledger.service /etc/systemd/system/ && echo "# ours" >>/etc/systemd/system/gpuledger.service',
  );
  expect(await inside(`dpkg -i /root/${basename(after)}`)).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await inside('tail -n 1 /etc/systemd/system/gpuledger.service')).stdout).toBe('# ours\n');
  expect((await inside('systemd-delta --no-pager --type=overridden')).stdout).toContain(
    '/etc/systemd/system/gpuledger.service → /usr/lib/systemd/system/gpuledger.service',
  );
  expect(await inside('systemctl revert gpuledger')).toMatchObject({ exitCode: 0 });
  await node.stop();
});

test('an upgrade of a service that samples loses nothing: no row, and no record of a hook', async () => {
  node = await bootNode('gpu2');
  const { inside } = node;
  await type(inside, stepsOf(PAGE, 'Every machine'), before);
  await type(inside, stepsOf(PAGE, 'Store'), before);
  await type(inside, 'systemctl enable --now gpuledger', before);
  const formerPid = await sampling();
  // One job after the other on one GPU, from before the upgrade until after it.
  const JOBS = 60;
  const hook = '/usr/libexec/gpuledger/gpuledger-hook';
  const jobs = inside(
    `n=0; while [ $n -lt ${JOBS} ]; do n=$((n + 1)); ${hook} start job=u$n devices=3 || exit; sleep 0.3; ${hook} end job=u$n || exit; done`,
  );
  const upgraded = await inside(`dpkg -i /root/${basename(after)}`);
  expect(upgraded).toMatchObject({ exitCode: 0, stderr: '' });
  expect(upgraded.stdout).toMatch(/Unpacking gpuledger \(\S+\) over \(0\.0\.1-1\)/);
  await sampling(formerPid);
  expect(await jobs).toMatchObject({ exitCode: 0 });
  const ended =
    "SELECT count() FROM gpu_ownership WHERE node = 'gpu2' AND job_id LIKE 'u%' AND end_ts IS NOT NULL";
  await expect.poll(() => ask(ended)).toEqual([[JOBS]]);
  expect(await inside('systemctl stop gpuledger')).toMatchObject({ exitCode: 0 });
  const { addsUp, lanes } = (await status())!;
  expect(addsUp).toBe(true);
  for (const { lane, table, sampledRows, acknowledgedRows, ...rest } of lanes) {
    const nowhere = { heldRows: 0, spooledRows: 0, refusedRows: 0, droppedRows: 0 };
    expect({ lane, acknowledgedRows, ...rest }).toMatchObject({ acknowledgedRows: sampledRows, ...nowhere });
    const inStore = (): Promise<unknown[][]> => ask(`SELECT count() FROM ${table} WHERE node = 'gpu2'`);
    await expect.poll(inStore).toEqual([[sampledRows]]);
  }
  // Between two lives nobody samples: where that is longer than two ticks and a half, it is told of each GPU.
  const holes = await ask(`SELECT gpu, count() FROM (
    SELECT gpu, dt_us, lag(ts) OVER (PARTITION BY gpu ORDER BY ts) AS former FROM gpu_profiling WHERE node = 'gpu2')
    WHERE former IS NOT NULL AND dt_us = 0`);
  const told = new Map(
    (await ask("SELECT gpu, count() FROM gpu_events WHERE node = 'gpu2' AND kind = 'gap'")) as [
      string,
      number,
    ][],
  );
  expect(holes).not.toEqual([]);
  for (const [gpu, times] of holes) expect(told.get(gpu as string)).toBe(times);
});

test('what the page says of the accounts of QuestDB', async () => {
  const over = async (account: string, sql: string): Promise<number> => {
    const headers = account === '' ? {} : { authorization: `Basic ${btoa(account)}` };
    const query = new URLSearchParams({ query: sql }).toString();
    return (await fetch(`${store.httpUrl}/exec?${query}`, { headers })).status;
  };
  const settings = blocksOf(PAGE, 'Store', 'ini');
  const valueOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(settings)![1]!;
  const reader = { user: valueOf('pg.readonly.user'), password: valueOf('pg.readonly.password') };
  const make = 'CREATE TABLE IF NOT EXISTS of_a_reader (x INT)';
  expect(await over('', 'SELECT 1')).toBe(401);
  expect(await over(`${reader.user}:${reader.password}`, 'SELECT 1')).toBe(401);
  expect(await over(`${site.user}:${site.password}`, make)).toBe(200);
  const client = new pg.Client({ host: '127.0.0.1', port: store.pgPort, database: 'qdb', ...reader });
  await client.connect();
  expect((await client.query('SELECT count() FROM jobs')).rowCount).toBe(1);
  for (const sql of ['INSERT INTO of_a_reader VALUES (1)', 'DROP TABLE of_a_reader'])
    await expect(client.query(sql)).rejects.toThrow('Write permission denied');
  await client.end();
});
