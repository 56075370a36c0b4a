import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('docs/api.md says what the package exports', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-api.ts', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
