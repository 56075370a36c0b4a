import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { existsSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { blocksOf } from '../helpers/page-steps.ts';
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

interface Probe {
  httpGet: { path: string; port: string };
}

const KUBERNETES_SECTION = 'Kubernetes: the Helm chart, and the GPU operator';

interface DaemonSet {
  spec: { template: PodTemplate };
}

interface PodTemplate {
  metadata: { labels: object };
  spec: {
    volumes: object[];
    containers: {
      name: string;
      env: { name: string; value: string }[];
      volumeMounts: { mountPath: string }[];
      ports: { name: string; containerPort: number }[];
      livenessProbe: Probe;
      readinessProbe: Probe;
    }[];
  };
}

describe('Kubernetes manifests', () => {
  const manifests = filesOf('infra/kubernetes/*/{daemonset,cronjob,service}.yaml');

  test('kubernetes-validate accepts them, strictly', async () => {
    expect(manifests).toHaveLength(3);
    const { exitCode, stdout, stderr } = await runToEnd(KUBERNETES_VALIDATE, [
      '--strict',
      ...manifests.map((path) => join(ROOT, path)),
    ]);
    expect(`${stdout}${stderr}`).not.toMatch(/WARN|ERROR/);
    expect(`${stdout}${stderr}`.match(/ passed /g)).toHaveLength(3);
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

  test('Prometheus finds the port at which the resident serves, and the kubelet asks there', () => {
    const folder = 'infra/kubernetes/resident';
    const yamlOf = (name: string): unknown => parse(read(join(folder, name)));
    const { metrics } = yamlOf('gpuledger.yaml') as { metrics: { listen: string } };
    const { template } = (yamlOf('daemonset.yaml') as DaemonSet).spec;
    const [container] = template.spec.containers;
    const service = yamlOf('service.yaml') as {
      metadata: { labels: object };
      spec: { selector: object; ports: { name: string; targetPort: string }[] };
    };
    const monitor = yamlOf('servicemonitor.yaml') as {
      spec: { selector: { matchLabels: object }; endpoints: { port: string; path: string }[] };
    };
    const [port] = container!.ports;
    expect(metrics.listen).toBe(`:${port!.containerPort}`);
    expect(template.metadata.labels).toMatchObject(service.spec.selector);
    expect(service.spec.ports.map(({ targetPort }) => targetPort)).toEqual([port!.name]);
    expect(service.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
    expect(monitor.spec.endpoints).toMatchObject([{ port: service.spec.ports[0]!.name, path: '/metrics' }]);
    for (const probe of [container!.livenessProbe, container!.readinessProbe])
      expect(probe.httpGet).toEqual({ path: '/health', port: port!.name });
  });

  test('the page for those of the GPU operator adds what Kubernetes and gpuledger take', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpuledger-manifests-'));
    const patch = parse(blocksOf('from-dcgm-exporter.md', KUBERNETES_SECTION, 'yaml patch')) as DaemonSet;
    const patched = parse(read('infra/kubernetes/resident/daemonset.yaml')) as DaemonSet;
    const [into, added] = [patched, patch].map(({ spec }) => spec.template.spec);
    expect(added!.containers[0]!.name).toBe(into!.containers[0]!.name);
    into!.containers[0]!.env.push(...added!.containers[0]!.env);
    into!.containers[0]!.volumeMounts.push(...added!.containers[0]!.volumeMounts);
    into!.volumes.push(...added!.volumes);
    const path = join(directory, 'daemonset.yaml');
    writeFileSync(path, JSON.stringify(patched));
    const { exitCode, stdout } = await runToEnd(KUBERNETES_VALIDATE, ['--strict', path]);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0 });
    const env = Object.fromEntries(added!.containers[0]!.env.map(({ name, value }) => [name, value]));
    const printed = await runCommand(['config', 'print'], { env });
    const [line] = /^jobs\.hpc_job_mapping_dir .*$/m.exec(printed.stdout)!;
    expect(line.split(/ +/)[1]).toBe(added!.containers[0]!.volumeMounts[0]!.mountPath);
    rmSync(directory, { recursive: true, force: true });
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
