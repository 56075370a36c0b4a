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
    [...readFileSync(path, 'utf8').matchAll(/(?:gpuledger:|newTag: )(\d+\.\d+\.\d+)/g)].map(([, tag]) => tag),
  );
  expect(tags.length).toBeGreaterThan(3);
  expect(new Set(tags)).toEqual(new Set([version]));
});
