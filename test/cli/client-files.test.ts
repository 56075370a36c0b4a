/** A researcher on a login node types a command and nothing else: the files of readers say where the store is. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ownEtc } from '../helpers/own-etc.ts';
import { IS_ROOT } from '../helpers/pid-namespace.ts';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';

const SITE = 'questdb: {client_conf: "http::addr=site.example:9000;"}\ntime_zone: Europe/Berlin\n';

/** Runs as nobody, with these files in /etc/gpuledger and this one in the home directory. */
async function run(
  args: readonly string[],
  {
    etc = {},
    own,
    shut,
    env = {},
    prepare,
  }: {
    readonly etc?: Readonly<Record<string, string>>;
    readonly own?: string;
    /** A directory of the home that nobody may enter. */
    readonly shut?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly prepare?: (directory: string) => void;
  },
): Promise<Ended & { readonly home: string }> {
  const made = ownEtc(etc);
  onTestFinished(made.remove);
  prepare?.(made.directory);
  const home = mkdtempSync(join(tmpdir(), 'gpuledger-home-'));
  chmodSync(home, 0o755);
  onTestFinished(() => {
    rmSync(home, { recursive: true });
  });
  if (own !== undefined) {
    mkdirSync(join(home, '.config/gpuledger'), { recursive: true });
    writeFileSync(join(home, '.config/gpuledger/client.conf'), own);
  }
  if (shut !== undefined) chmodSync(join(home, shut), 0o700);
  const [program, ...before] = made.within;
  const ended = await runToEnd(program, [...before, process.execPath, `${ROOT}bin/gpuledger.js`, ...args], {
    env: {
      ...{ HOME: home, XDG_CONFIG_HOME: undefined, GPULEDGER_CONFIG: undefined, QDB_CLIENT_CONF: undefined },
      ...env,
    },
  });
  return { ...ended, home };
}

/** Key → value and where it came from, as a reader has them. */
async function shown(given: Parameters<typeof run>[1], args = ['--reader']): Promise<Map<string, string>> {
  const { stdout, stderr, exitCode, home } = await run(['config', 'print', '--json', ...args], given);
  expect([exitCode, stderr]).toEqual([0, '']);
  const rows = JSON.parse(stdout) as { key: string; value: unknown; origin: string }[];
  return new Map(
    rows.map(({ key, value, origin }) => [key, `${String(value)} (${origin.replace(home, '~')})`]),
  );
}

// Not for root: a run as root that skips this would look as if it had been tried.
describe.skipIf(!IS_ROOT)('the files of readers', () => {
  test("a site's, then one's own, then the environment", async () => {
    const own = 'time_zone: Asia/Tokyo\ncosts: {currency: EUR, kwh: 0.3}\nquestdb: {request_timeout: 7s}\n';
    const site = await shown({ etc: { 'client.conf': SITE } });
    expect(site.get('questdb.client_conf')).toBe(
      'http::addr=site.example:9000; (/etc/gpuledger/client.conf, line 1)',
    );
    const both = await shown({ etc: { 'client.conf': SITE }, own });
    expect(both.get('questdb.client_conf')).toContain('site.example');
    expect(both.get('questdb.request_timeout')).toBe('7s (~/.config/gpuledger/client.conf, line 3)');
    expect(both.get('time_zone')).toBe('Asia/Tokyo (~/.config/gpuledger/client.conf, line 1)');
    expect(both.get('costs.kwh')).toBe('0.3 (~/.config/gpuledger/client.conf, line 2)');
    const all = await shown({ etc: { 'client.conf': SITE }, own, env: { GPULEDGER_TIME_ZONE: 'UTC' } });
    expect(all.get('time_zone')).toBe('UTC (GPULEDGER_TIME_ZONE)');
  });

  test.each([
    ['report', 'job', '1'],
    ['doctor', '--reader'],
    ['config', 'check', '--reader'],
  ])("one's own directory that may not be entered is told: %s %s %s", async (...args) => {
    const shut = '.config/gpuledger';
    const { exitCode, stdout, stderr, home } = await run(args, {
      etc: { 'client.conf': SITE },
      own: '',
      shut,
    });
    expect(exitCode).toBe(args[0] === 'doctor' ? 69 : 78);
    const said = (stdout + stderr).replaceAll(/\s+/g, ' ');
    expect(said).toContain('the configuration cannot be read: no permission (EACCES)');
    expect(said).toContain(`${home}/.config/gpuledger/client.conf`);
  });

  test('of what a directory above it holds nobody knows, and nothing is told', async () => {
    const read = await shown({ etc: { 'client.conf': SITE }, own: '', shut: '.config' });
    expect(read.get('time_zone')).toContain('Europe/Berlin (/etc');
  });

  test('are not those of services, which readers read where they have none', async () => {
    const etc = { 'client.conf': SITE, 'gpuledger.yaml': 'time_zone: America/Lima\n' };
    expect((await shown({ etc })).get('time_zone')).toContain('Europe/Berlin');
    expect((await shown({ etc }, [])).get('time_zone')).toContain('America/Lima');
    const { 'gpuledger.yaml': yaml } = etc;
    expect((await shown({ etc: { 'gpuledger.yaml': yaml } })).get('time_zone')).toContain('America/Lima');
  });

  test("an account of one's own stands in for a secret of the site that one may not read", async () => {
    const etc = {
      'client.conf': 'questdb: {client_conf_file: reader.secret}\n',
      'reader.secret': 'http::addr=a:1;',
    };
    const prepare = (directory: string): void => {
      chmodSync(join(directory, 'reader.secret'), 0o640);
    };
    const refused = await run(['report', 'job', '4217'], { etc, prepare });
    expect(refused.exitCode).toBe(78);
    expect(refused.stderr).toContain('no permission (EACCES)');
    expect(refused.stderr).toContain("it is root's, for the group root: ask root for a place in that group");
    expect(refused.stderr).toContain(`${refused.home}/.config/gpuledger/client.conf`);
    const own = 'questdb: {client_conf: "http::addr=127.0.0.1:1;"}\n';
    const asked = await run(['report', 'job', '4217'], { etc, prepare, own });
    expect(asked.exitCode).toBe(75);
    expect(asked.stderr).toContain('127.0.0.1:1');
  });

  test.each([
    ['is not there', {}, /no such file or directory \(ENOENT\)[^]*look at the path/],
    ['holds no client string', { 'reader.secret': 'ftp::x' }, /it must begin with http:: or https::/],
  ])('nobody is sent to the owner of a secret that %s', async (_, secret, says) => {
    const etc = { 'client.conf': 'questdb: {client_conf_file: reader.secret}\n', ...secret };
    const { exitCode, stderr } = await run(['report', 'job', '4217'], { etc });
    expect([exitCode, stderr]).toEqual([78, expect.stringMatching(says)]);
    expect(stderr).not.toMatch(/place in that group|for the right to read/);
  });

  test.each<[string, Parameters<typeof run>[1], readonly string[]]>([
    [
      'a directory',
      {
        prepare: (directory) => {
          mkdirSync(join(directory, 'client.conf'));
        },
      },
      ['/etc/gpuledger/client.conf', 'it is a directory, and no file'],
    ],
    [
      'a link that leads to itself',
      {
        etc: { 'gpuledger.yaml': '' },
        prepare: (directory) => {
          symlinkSync('client.conf', join(directory, 'client.conf'));
        },
      },
      ['/etc/gpuledger/client.conf', 'the links on its path have no end'],
    ],
    [
      'a link to nothing',
      {
        prepare: (directory) => {
          symlinkSync('/nonexistent', join(directory, 'client.conf'));
        },
      },
      ['/etc/gpuledger/client.conf', 'there is no such file'],
    ],
    [
      'a secret whose path has a zero byte',
      { own: 'questdb: {client_conf_file: "/tmp/a\\0b"}\n' },
      ['questdb.client_conf_file: expected a path, came one with a zero byte in it'],
    ],
    [
      'a key that every object has',
      { own: '__proto__: {x: 1}\n' },
      ['error: unknown key (text of 9 characters) at the top', '.config/gpuledger/client.conf, line 1'],
    ],
    ['no YAML', { etc: { 'client.conf': 'questdb: [\n' } }, ['/etc/gpuledger/client.conf, line', 'not YAML']],
    [
      'a list',
      { etc: { 'client.conf': SITE }, own: '- a\n- b\n' },
      ['.config/gpuledger/client.conf', 'expected'],
    ],
    [
      'an unknown key in one of two files',
      { etc: { 'client.conf': SITE }, own: 'questdb: {client_cnof: x}\n' },
      ['.config/gpuledger/client.conf, line 1', 'client_conf'],
    ],
    [
      'two ways to the store in one file',
      {
        etc: { 'client.conf': SITE },
        own: 'questdb: {client_conf: "http::addr=b:1;", client_conf_file: x}\n',
      },
      ['expected client_conf or client_conf_file, came both'],
    ],
  ])('%s is refused', async (_what, given, words) => {
    const { exitCode, stderr } = await run(['report', 'job', '4217'], given);
    expect(exitCode).toBe(78);
    for (const word of words) expect(stderr).toContain(word);
  });
});
