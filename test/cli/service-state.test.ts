/** The packaged service keeps its state in /var/lib/gpuledger: who finds it there from a shell, who does not, and what they are told. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { IS_ROOT } from '../helpers/pid-namespace.ts';
import { ROOT, runToEnd, startProcess, type Ended } from '../helpers/run-process.ts';

const SERVICE = '/var/lib/gpuledger';
/** user:group, and further groups. */
const PEOPLE = { root: '0:0', service: '64990:64990', member: '64991:64991,64990', user: '64992:64992' };
type Person = keyof typeof PEOPLE;

let homes = '';
let holder = 0;

let env: Record<string, string | undefined> = {};

/** In a /var/lib of its own, in which there is nothing but the state of the service. */
function entered(...command: readonly string[]): [string, ...string[]] {
  return ['nsenter', '--target', String(holder), '--mount', ...command];
}

async function enter(...command: readonly string[]): Promise<Ended> {
  const [program, ...args] = entered(...command);
  return await runToEnd(program, args, { env });
}

function by(person: Person, ...args: readonly string[]): string[] {
  const [uid, groups] = PEOPLE[person].split(':') as [string, string];
  const [gid] = groups.split(',') as [string];
  const home = `HOME=${join(homes, person)}`;
  const who = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups}`, 'env', home];
  return [...who, process.execPath, `${ROOT}bin/gpuledger.js`, ...args];
}

async function as(person: Person, ...args: readonly string[]): Promise<Ended> {
  return await enter(...by(person, ...args));
}

/** Runs a collector until it has said what it does; the store does not answer, so the rows are in its spool then. */
async function collect(person: Person, stateDir: string): Promise<void> {
  const [program, ...args] = entered(
    ...by(person, 'run', '--force', '--source', 'synthetic', '--gpus', '1', '--interval', '100ms'),
  );
  const { child } = startProcess(program, args, { env });
  const hasSpoken = async (): Promise<number | null> =>
    (await enter('grep', '-qE', '"sampledRows":[1-9]', join(stateDir, 'status.json'))).exitCode;
  await expect.poll(hasSpoken).toBe(0);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([75, null]);
}

beforeEach(async () => {
  if (!IS_ROOT) return;
  homes = mkdtempSync(join(tmpdir(), 'gpuledger-homes-'));
  chmodSync(homes, 0o755);
  for (const [person, ids] of Object.entries(PEOPLE)) {
    const home = join(homes, person);
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, parseInt(ids, 10), parseInt(ids, 10));
  }
  // A store that does not answer, and a secret that is the service's.
  const secret = join(homes, 'secret');
  writeFileSync(secret, 'http::addr=127.0.0.1:9;username=u;password=p;', { mode: 0o640 });
  chownSync(secret, 0, 64_990);
  const config = join(homes, 'gpuledger.yaml');
  writeFileSync(config, `questdb: {client_conf_file: ${secret}}\n`);
  env = { GPULEDGER_CONFIG: config, GPULEDGER_STATE_DIR: undefined, XDG_STATE_HOME: undefined };
  const prepare = `mount -t tmpfs none /var/lib && install -d -m 0751 -o 64990 -g 64990 ${SERVICE} &&
    install -d -m 0755 -o 64990 -g 64990 ${SERVICE}/profiling-pause && echo ready && exec sleep infinity`;
  const held = startProcess('unshare', ['--mount', 'sh', '-c', prepare]);
  expect(await held.nextLine()).toBe('ready');
  holder = held.pid;
  onTestFinished(() => {
    rmSync(homes, { recursive: true });
  });
});

/** Who owns what lies in the state directory of the service. */
async function owners(): Promise<string[]> {
  const { stdout } = await enter('find', SERVICE, '-printf', '%U\\n');
  return [...new Set(stdout.trim().split('\n'))];
}

const NOT_YOURS = `error: the state directory cannot be read: no permission (EACCES)\n  ${SERVICE}\n`;

describe.skipIf(!IS_ROOT)('with the service of a package', () => {
  test('a file in its place is told as that, and no right would help', async () => {
    await enter('sh', '-c', `rm -r ${SERVICE} && touch ${SERVICE}`);
    for (const command of ['status', 'spool status', 'profiling status']) {
      const { exitCode, stderr } = await as('root', ...command.split(' '));
      expect([exitCode, stderr]).toEqual([
        78,
        expect.stringContaining('is a file, and no directory (ENOTDIR)'),
      ]);
      expect(stderr).not.toContain('permission');
    }
  });

  test('a home for state that is no absolute path is none, as the specification of it says', async () => {
    await enter('rm', '-r', SERVICE);
    for (const home of ['', 'relative']) {
      env = { ...env, XDG_STATE_HOME: home };
      expect((await as('user', 'spool', 'status')).stdout).toBe(
        `nothing waits: no collector has used ${homes}/user/.local/state/gpuledger\n`,
      );
    }
  });

  test('a name is shown, not obeyed', async () => {
    env = { ...env, GPULEDGER_STATE_DIR: '/tmp/a\u001b[2J' };
    expect((await as('user', 'spool', 'status')).stdout).toBe(
      'nothing waits: no collector has used /tmp/a␛[2J\n',
    );
  });

  test('root and members of its group find what it does, and nobody else', async () => {
    const nobodyYet = await as('root', 'status');
    expect([nobodyYet.exitCode, nobodyYet.stderr]).toEqual([69, expect.stringContaining(SERVICE)]);
    expect(await as('root', 'spool', 'status')).toMatchObject({
      stdout: `nothing waits: no collector has used ${SERVICE}\n`,
    });
    await collect('service', SERVICE);
    for (const person of ['root', 'member'] as const) {
      const { exitCode, stdout } = await as(person, 'status');
      expect([exitCode, stdout]).toEqual([69, expect.stringMatching(/^not running; /)]);
      expect((await as(person, 'spool', 'status')).stdout).toMatch(/gpu_profiling +[1-9]/);
    }
    for (const command of ['status', 'spool status', 'spool replay', 'profiling status']) {
      const { exitCode, stdout, stderr } = await as('user', ...command.split(' '));
      // The secret of the store comes first where the store is asked.
      if (command === 'spool replay') expect(exitCode).toBe(78);
      else expect([exitCode, stdout, stderr]).toEqual([77, '', expect.stringContaining(NOT_YOURS)]);
    }
  });

  test('who collects with other rights does so at home, and is told how to look there', async () => {
    // No secret is theirs to read.
    writeFileSync(env['GPULEDGER_CONFIG']!, 'questdb: {client_conf: "http::addr=127.0.0.1:9;"}\n');
    const people = ['root', 'member', 'user'] as const;
    await Promise.all(people.map((person) => collect(person, join(homes, person, '.local/state/gpuledger'))));
    expect((await enter('find', SERVICE, '-type', 'f')).stdout).toBe('');
    const own = join(homes, 'user/.local/state/gpuledger');
    const hidden = await as('user', 'status');
    expect([hidden.exitCode, hidden.stderr]).toEqual([
      77,
      expect.stringContaining(`you have one of your own: --state-dir ${own}\n`),
    ]);
    expect((await as('user', 'status', '--state-dir', own)).stdout).toMatch(/^not running; /);
  });

  test('what root does to its spool leaves nothing that the service could not write', async () => {
    await collect('service', SERVICE);
    expect(await as('root', 'spool', 'replay')).toMatchObject({ exitCode: 75 });
    expect((await as('root', 'spool', 'drop', '--yes')).stdout).toMatch(
      /gpu_profiling: [1-9]\d* rows given up/,
    );
    expect(await owners()).toEqual(['64990']);
    expect(await as('service', 'spool', 'drop', '--yes')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('a pause is asked for by operators, and by jobs where they may', async () => {
    const refused = await as('user', 'profiling', 'pause');
    expect([refused.exitCode, refused.stderr]).toEqual([
      77,
      expect.stringContaining(`${SERVICE}/profiling-pause`),
    ]);
    expect(await as('root', 'profiling', 'pause')).toMatchObject({
      exitCode: 69,
      stderr: expect.stringContaining('nobody hears the request') as string,
    });
    await collect('service', SERVICE);
    await enter('chmod', '1777', `${SERVICE}/profiling-pause`);
    expect(await as('user', 'profiling', 'pause', '--name', '7')).toEqual({
      exitCode: 0,
      stdout: 'pause of profiling requested until resumed, by "7"\n',
      stderr: 'gpuledger: whether a collector hears it cannot be told: only its group may see that\n',
    });
    expect((await as('root', 'profiling', 'status')).stdout).toBe(
      '"7" by 7, until resumed\n"operator" by operator, until resumed\n',
    );
    const others = await as('user', 'profiling', 'resume');
    expect([others.exitCode, others.stderr]).toEqual([77, expect.stringContaining('cannot be taken back')]);
    expect(await as('user', 'profiling', 'resume', '--name', '7')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('somebody whom no file of the system knows has no home, and is told the same', async () => {
    const who = ['--reuid=64993', '--regid=64993', '--clear-groups', 'env', '--unset=HOME', process.execPath];
    const run = (...args: readonly string[]): Promise<Ended> =>
      enter('setpriv', ...who, `${ROOT}bin/gpuledger.js`, ...args);
    expect(await run('devices', '--source', 'synthetic')).toMatchObject({ exitCode: 0, stderr: '' });
    const { exitCode, stderr } = await run('status');
    expect([exitCode, stderr]).toEqual([77, expect.stringContaining(NOT_YOURS)]);
  });

  test('what is configured stands above it', async () => {
    const other = join(homes, 'service/other');
    execFileSync('install', ['-d', '-o', '64990', other]);
    writeFileSync(
      env['GPULEDGER_CONFIG']!,
      `state_dir: ${other}\nquestdb: {client_conf: "http::addr=127.0.0.1:9;"}\n`,
    );
    await collect('service', other);
    expect((await as('root', 'status')).stdout).toMatch(/^not running; /);
    expect((await enter('find', SERVICE, '-type', 'f')).stdout).toBe('');
  });
});
