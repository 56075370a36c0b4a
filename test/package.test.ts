import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

test('docs/api.md says what the package exports', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-api.ts', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('the version is the same wherever it stands', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    version: string;
    packages: Record<string, { version: string }>;
  };
  expect([lock.version, lock.packages['']!.version]).toEqual([version, version]);
  const [newest] = /^## \[\d.*?\]/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? [];
  expect(newest).toBe(`## [${version}]`);
  const tags = globSync('infra/**/{Dockerfile,*.yaml}').flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/(?:gpuledger[:-]|newTag: )(\d+\.\d+\.\d+)/g)].map(
      ([, tag]) => tag,
    ),
  );
  expect(tags.length).toBeGreaterThan(3);
  expect(new Set(tags)).toEqual(new Set([version]));
});

test('npm pack holds what users need: the program, its data, and examples', () => {
  const { status, stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  expect(status).toBe(0);
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[];
  const paths = packed!.files.map(({ path }) => path);
  const wanted = [
    ...['package.json', 'README.md', 'LICENSE', 'bin/gpuledger.js', 'dist/main.js', 'dist/handler.js'],
    ...['dist/sampler-worker.js', 'dist/engine-child.js', 'dist/THIRD-PARTY-NOTICES.txt', 'infra/README.md'],
    ...[
      'infra/page/page.css',
      'infra/questdb/pom.xml',
      'infra/questdb/queries/gaps.sql',
      'infra/gpuledger.example.yaml',
    ],
    ...[
      'infra/slurm/gpuledger-hook',
      'infra/systemd/gpuledger.service',
      'infra/schemas/report-job.schema.json',
    ],
  ];
  expect(wanted.filter((path) => !paths.includes(path))).toEqual([]);
  const folders =
    /^(dist\/[\w.-]+\.js$|infra\/(README\.md|[\w.]+\.yaml|(ansible|cron|grafana|kubernetes|ondemand|page|prometheus|questdb|schedulers|schemas|slurm|systemd)\/))/;
  expect(paths.filter((path) => !wanted.includes(path) && !folders.test(path))).toEqual([]);
  expect(paths.filter((path) => /\/\.|~$|\.(log|map|tsx?)$/.test(path))).toEqual([]);
});

test('the licences of all packages that dist holds go with it', () => {
  const notices = readFileSync('dist/THIRD-PARTY-NOTICES.txt', 'utf8');
  const { dependencies, files } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: Record<string, string>;
    files: string[];
  };
  // Packages of their own: native code, and a script that pages hold with the words of its licence.
  const bundled = Object.entries(dependencies).filter(([name]) => name !== 'koffi' && name !== 'uplot');
  expect(bundled.length).toBeGreaterThan(8);
  for (const [name, version] of bundled)
    expect(notices).toMatch(
      new RegExp(`^${name} ${version} \\([A-Z][\\w.-]+\\)\\n\\n.*(license|copyright|permission)`, 'ims'),
    );
  expect(files).toContain('dist');
});

test.each([
  ['/proc', 1, 77, /^\/proc cannot be written \(ENOENT\), where the store go/],
  ['/dev/shm/../shm', 1e9, 75, /has \d+ MB free, and the store take 1000000000 MB\n {2}free some space/],
])(
  'a disk that will not do, %s, is told before anything is fetched',
  async (directory, megabytes, exitCode, said) => {
    const { requireFreeDisk } = (await import(new URL('../scripts/free-disk.js', import.meta.url).href)) as {
      requireFreeDisk: (directory: string, megabytes: number, what: string) => void;
    };
    let failure: unknown;
    try {
      requireFreeDisk(directory, megabytes, 'the store');
    } catch (thrown) {
      failure = thrown;
    }
    expect(failure).toMatchObject({ exitCode, message: expect.stringMatching(said) as string });
  },
);

test('a home that cannot be written: one line, and nothing else is done', () => {
  const env = { ...process.env, HOME: '/proc', XDG_STATE_HOME: '', XDG_CACHE_HOME: '', QDB_CLIENT_CONF: '' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/prepare.js', 'run'], {
    encoding: 'utf8',
    env,
  });
  expect([status, stdout]).toEqual([77, '']);
  expect(stderr).toMatch(
    /^error: \/proc cannot be written \(ENOENT\), where the demo and its store go\n {2}choose a place that is yours: XDG_STATE_HOME=DIR npm start\n$/,
  );
});
