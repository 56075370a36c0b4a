import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/config-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-digest-keys-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function load(yaml: string): Promise<Config> {
  const file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, `digest:\n${yaml}`);
  return (await loadConfig({ file, env: {}, flags: [] })).config;
}

test('is off unless written, and its directory starts at the file', async () => {
  expect((await load('')).digest).toEqual({});
  expect(
    (await load('  schedule: "0 0  6 1 * *"\n  directory: d\n  mail_command: [mail, -s, a b]\n')).digest,
  ).toEqual({
    schedule: '0 0 6 1 * *',
    directory: join(directory, 'd'),
    mailCommand: ['mail', '-s', 'a b'],
  });
  // By hand, a schedule is not needed.
  expect((await load('  directory: d\n')).digest.schedule).toBeUndefined();
});

test.each([
  ['  schedule: 0 0 6 1 * *\n', 'digest.schedule: expected digest.directory beside it, came nothing'],
  ['  schedule: 0 6 1 * *\n  directory: d\n', 'digest.schedule: expected six fields'],
  ['  schedule: continuous\n  directory: d\n', 'digest.schedule: expected six fields'],
  ['  schedule: 0 0 25 1 * *\n  directory: d\n', 'digest.schedule: expected hours 0-23, came 25'],
  ['  mail_command: []\n', 'digest.mail_command: expected a program and its arguments'],
  ['  directory: ""\n', 'digest.directory: expected'],
])('%j is refused', async (yaml, sentence) => {
  await expect(load(yaml)).rejects.toThrow(sentence);
});
