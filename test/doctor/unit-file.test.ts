/** What a service has in its environment, as its unit and drop-ins say it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { limitFrom, serviceEnvironment } from '../../src/doctor/node/unit-file.ts';

test.each([
  ['A=1', { A: '1' }],
  ['A=1 B=2', { A: '1', B: '2' }],
  ['"A=one two" B=2', { A: 'one two', B: '2' }],
  ["'A=one two'", { A: 'one two' }],
  ['A="one two" B=', { A: 'one two', B: '' }],
  ['A=http::addr=h:9000;username=u;', { A: 'http::addr=h:9000;username=u;' }],
])('Environment=%s', (line, expected) => {
  const root = mkdtempSync(join(tmpdir(), 'gpuledger-unit-'));
  onTestFinished(() => {
    rmSync(root, { recursive: true });
  });
  const units = join(root, 'etc/systemd/system');
  mkdirSync(units, { recursive: true });
  writeFileSync(join(units, 'gpuledger.service'), `[Service]\nEnvironment=${line}\n`);
  const clockErrorUs = (): Promise<undefined> => Promise.resolve(undefined);
  expect(serviceEnvironment({ root, env: {}, hostname: 'n1', clockErrorUs })).toEqual(expected);
});

test.each([
  ['1024', 1024],
  ['64K', 65_536],
  ['1M', 1_048_576],
  ['infinity', Infinity],
  ['many', undefined],
  ['', undefined],
])('a limit of %s', (value, expected) => {
  expect(limitFrom(value)).toBe(expected);
});
