import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { existsSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT, runCommand, runToEnd } from '../helpers/run-process.ts';

/** The manifests of infra/, judged by the tools that will read them. */

const INSTALLED = '/usr/bin/gpuledger';
const KUBERNETES_VALIDATE = join(ROOT, 'build/python-tools/bin/kubernetes-validate');

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const filesOf = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).sort();

describe('systemd units', () => {
  let directory = '';
  const units = filesOf('infra/systemd/*.{service,timer}');
  const installed = (unit: string): string => join(directory, basename(unit));

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'gpuledger-units-'));
    // The packages put the command there; here it is the checkout's.
    for (const unit of units)
      writeFileSync(installed(unit), read(unit).replaceAll(INSTALLED, join(ROOT, 'bin/gpuledger.js')));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  test('there is a resident service, and a drain with its timer', () => {
    const wanted = ['gpuledger-drain.service', 'gpuledger-drain.timer', 'gpuledger.service'];
    expect(units.map((unit) => basename(unit))).toEqual(expect.arrayContaining(wanted));
  });

  test('systemd reads them without a word', async () => {
    const verified = await runToEnd('systemd-analyze', ['verify', '--man=no', ...units.map(installed)]);
    expect(verified).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('systemd would complain of a misspelt key and of a missing program', async () => {
    const wrong = join(directory, 'wrong.service');
    writeFileSync(wrong, '[Service]\nType=oneshot\nExecStart=/opt/nothing/here\nProtectHomes=yes\n');
    const { stderr } = await runToEnd('systemd-analyze', ['verify', '--man=no', wrong]);
    expect(stderr).toContain("Unknown key 'ProtectHomes'");
    expect(stderr).toContain('/opt/nothing/here is not executable');
  });

  test.each([
    ['gpuledger.service', 2],
    ['gpuledger-drain.service', 2],
    ['gpuledger-jobs-push.service', 2],
    ['gpuledger-watch-idle.service', 2],
    ['gpuledger-serve.service', 2],
  ])('%s is exposed less than %d of 10', async (unit, most) => {
    const args = ['security', '--offline=true', '--no-pager', join(directory, unit)];
    const { stdout } = await runToEnd('systemd-analyze', args);
    const score = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    process.stderr.write(`systemd-analyze security: ${unit} ${score ?? '?'}\n`);
    expect(Number(score)).toBeLessThan(most);
  });

  test('the resident service sees whose processes are on a GPU', () => {
    // What is not said is off.
    const hidden = /^ProtectProc=(?!default$)|^ProcSubset=(?!all$)|^PrivatePIDs=(?!no$)/m;
    expect(read('infra/systemd/gpuledger.service')).not.toMatch(hidden);
  });

  test.each(['gpuledger.service', 'gpuledger-drain.service'])(
    '%s declares its directories, and keeps what the hooks wrote across its own restarts',
    (unit) => {
      const text = read(`infra/systemd/${unit}`);
      for (const line of [
        'StateDirectory=gpuledger',
        'LogsDirectory=gpuledger',
        'ReadWritePaths=-/run/gpuledger',
      ]) {
        expect(text.split('\n')).toContain(line);
      }
      // systemd would take over what root and SlurmUser wrote.
      expect(text).not.toMatch(/^RuntimeDirectory/m);
      expect(text).toMatch(/^After=.*nvidia-dcgm\.service/m);
      expect(text).not.toMatch(/^(Requires|BindsTo)=/m);
    },
  );
});

describe('Kubernetes manifests', () => {
  const manifests = filesOf('infra/kubernetes/*/{daemonset,cronjob}.yaml');

  test('kubernetes-validate accepts them, strictly', async () => {
    expect(manifests).toHaveLength(2);
    const { exitCode, stdout, stderr } = await runToEnd(KUBERNETES_VALIDATE, [
      '--strict',
      ...manifests.map((path) => join(ROOT, path)),
    ]);
    expect(`${stdout}${stderr}`).not.toMatch(/WARN|ERROR/);
    expect(`${stdout}${stderr}`.match(/ passed /g)).toHaveLength(2);
    expect(exitCode).toBe(0);
  });

  test('kubernetes-validate refuses a misspelt key', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpuledger-manifests-'));
    const path = join(directory, 'cronjob.yaml');
    writeFileSync(path, read('infra/kubernetes/drain/cronjob.yaml').replace('backoffLimit', 'backofLimit'));
    const { exitCode } = await runToEnd(KUBERNETES_VALIDATE, ['--strict', path]);
    rmSync(directory, { recursive: true, force: true });
    expect(exitCode).not.toBe(0);
  });

  test.each(filesOf('infra/kubernetes/*/kustomization.yaml'))('%s names files that are there', (path) => {
    const { resources, configMapGenerator } = parse(read(path)) as {
      resources: string[];
      configMapGenerator: { name: string; files: string[] }[];
    };
    const named = [...resources, ...configMapGenerator.flatMap(({ files }) => files)];
    expect(named.filter((name) => !existsSync(join(ROOT, dirname(path), name)))).toEqual([]);
    const used = resources.map((name) => read(join(dirname(path), name))).join('\n');
    for (const { name } of configMapGenerator) expect(used).toContain(`name: ${name}`);
  });

  test.each(filesOf('infra/kubernetes/*/gpuledger.yaml'))('gpuledger accepts %s', async (path) => {
    const { exitCode, stderr } = await runCommand(['config', 'check', '--config', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});

describe('container files', () => {
  test('the image is made of the tarballs, by the names that they get', () => {
    const dockerfile = read('infra/docker/Dockerfile');
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].map(([, names]) => names);
    expect(copied).toEqual([`build/package/gpuledger-${version}-linux-*.tar.gz`]);
    expect(read('scripts/package.ts')).toContain('`gpuledger-${version}-linux-${machine.arch}.tar.gz`');
    expect(dockerfile).toContain(`"/gpuledger-${version}-linux-$arch.tar.gz"`);
    expect(read('.dockerignore')).toContain('!build/package/*.tar.gz');
    expect(dockerfile).toMatch(/^USER 65532:65532$/m);
  });

  test('the compose file includes a file that is there and waits for the health check that it has', () => {
    const compose = parse(read('infra/compose.yaml')) as {
      include: string[];
      services: Record<string, { depends_on: Record<string, { condition: string }> }>;
    };
    const [included] = compose.include;
    const questdb = parse(read(join('infra', included!))) as {
      services: Record<string, { healthcheck?: unknown }>;
    };
    expect(compose.services['gpuledger']!.depends_on).toEqual({ questdb: { condition: 'service_healthy' } });
    expect(questdb.services['questdb']!.healthcheck).toBeDefined();
  });
});

/** Every command line that infra/ runs must be one that gpuledger understands. */
describe('command lines', () => {
  const commandLines = [
    ...filesOf('infra/systemd/*.service').flatMap((path) =>
      [...read(path).matchAll(/^ExecStart=\/usr\/bin\/gpuledger (.+)$/gm)].map(([, args]) => args!),
    ),
    ...[...read('infra/cron/gpuledger-drain').matchAll(/\/usr\/bin\/gpuledger (.+?) 2>&1/g)].map(
      ([, args]) => args!,
    ),
    ...filesOf('infra/kubernetes/*/{daemonset,cronjob}.yaml').map((path) => {
      const template = read(path);
      const args = /^( *)args:(?: \[(.+)\]|\n((?: +- .+\n)+))/m.exec(template)!;
      return args[2]?.replaceAll(',', '') ?? args[3]!.replaceAll(/^ +- /gm, '').trim().replaceAll('\n', ' ');
    }),
  ];

  test('are found', () => {
    expect(commandLines.length).toBeGreaterThanOrEqual(5);
    expect(new Set(commandLines.map((line) => line.split(' ')[0]))).toContain('drain');
  });

  test.each(commandLines)('%s: has options that the command knows', async (line) => {
    const [command, ...args] = line.split(/\s+/);
    const { stdout } = await runCommand([command!, '--help']);
    const known = [...stdout.matchAll(/(?<![\w-])(--?[a-z][\w-]*)/g)].map(([, flag]) => flag);
    const used = args.filter((arg) => arg.startsWith('-')).map((arg) => arg.split('=')[0]);
    expect(used.filter((flag) => !known.includes(flag))).toEqual([]);
  });
});
