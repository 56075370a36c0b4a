import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { LANE_KEYS } from '../../src/config/keys.ts';
import { ALL_SETTINGS, SETTINGS } from '../../src/config/settings.ts';
import { nameInCode, unwrapped } from '../../src/config/shape.ts';
import * as values from '../../src/config/values.ts';
import { loadConfig } from '../../src/config/config-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-keys-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function loaded(name: string, text: string) {
  const file = join(directory, name);
  writeFileSync(file, text);
  return await loadConfig({ file, env: { XDG_STATE_HOME: '/state' }, flags: [] });
}

describe('the table of keys', () => {
  test('names every choice where it is described', () => {
    for (const { key, type, doc } of SETTINGS) {
      const inner = unwrapped(type(values));
      if (!(inner instanceof z.ZodEnum)) continue;
      for (const choice of inner.options) expect(doc, key).toContain(`\`${choice}\``);
    }
  });

  test("gives no secret a flag, which everybody could read, nor an example that is somebody's", () => {
    const secrets = SETTINGS.filter(({ secretIn }) => secretIn !== undefined);
    expect(secrets.map(({ key }) => key)).toEqual(['questdb.client_conf', 'idle_watch.webhook']);
    for (const { flag, example = 'example.org' } of secrets) {
      expect(flag).toBeUndefined();
      expect(example).toContain('example.org');
    }
  });

  test('gives no two keys one flag or one variable', () => {
    for (const name of ['flag', 'variable'] as const) {
      const used = ALL_SETTINGS.flatMap((setting) => setting[name] ?? []);
      expect(new Set(used).size).toBe(used.length);
    }
  });
});

describe('what is generated of it', () => {
  test('is what the generator makes', () => {
    const check = (): string =>
      execFileSync(process.execPath, ['scripts/generate-configuration.ts', '--check'], { encoding: 'utf8' });
    expect(check).not.toThrow();
  });

  test('the example shows every key behind a #, each with its default or a value that is right', async () => {
    const example = readFileSync('infra/gpuledger.example.yaml', 'utf8');
    const [settings = '', lanes = ''] = example.split('#lanes:');
    // The two ways to name QuestDB cannot stand together, nor the two ways to tell of CO2e.
    const written = settings
      .replace(/^ *#(client_conf|grams)_file: .*$/gm, '')
      .replace(/^( *)#(?=\w)/gm, '$1');
    const { config, shown } = await loaded('whole.yaml', written);
    const absent = shown().filter(({ key, origin }) => origin === 'default' && !key.startsWith('lanes.'));
    expect(absent.map(({ key }) => key)).toEqual(['questdb.client_conf_file', 'costs.grams_file']);
    const { config: defaults } = await loaded('empty.yaml', '');
    const held = SETTINGS.filter(({ type }) => {
      const made = type(values);
      return made instanceof z.ZodDefault || made instanceof z.ZodPrefault;
    });
    expect(held.length).toBeGreaterThan(20);
    for (const section of new Set(held.map(({ key }) => nameInCode(key.split('.')[0]!, undefined))))
      expect(config).toMatchObject({ [section]: defaults[section as keyof typeof defaults] });
    for (const key of Object.keys(LANE_KEYS)) expect(lanes).toMatch(new RegExp(`^#[ -]+${key}: `, 'm'));
  });

  test('the lanes of the example are right', async () => {
    writeFileSync(join(directory, 'counters.csv'), 'DCGM_FI_DEV_GPU_TEMP,gauge,\n');
    const example = readFileSync('infra/gpuledger.example.yaml', 'utf8');
    const lanes = example.slice(example.indexOf('#lanes:')).replace(/^#/gm, '');
    const { config } = await loaded('lanes.yaml', lanes);
    expect(config.lanes.map(({ name, table }) => [name, table])).toEqual([
      ['profiling', 'gpu_profiling'],
      ['device', 'gpu_device'],
    ]);
  });
});

describe('time_zone', () => {
  test('is kept as it was written, and UTC where nothing is', async () => {
    expect((await loaded('zone.yaml', 'time_zone: Asia/Kolkata')).config.timeZone).toBe('Asia/Kolkata');
    expect((await loaded('none.yaml', 'source: nvml')).config.timeZone).toBe('UTC');
  });

  test.each([
    ['Europe/Berln', 'did you mean: Europe/Berlin'],
    ['berlin', 'did you mean: Europe/Berlin'],
    ['Los Angeles', 'did you mean: America/Los_Angeles'],
    ['+02:00', 'UTC is one, too'],
  ])('%s is refused, and the nearest named', async (zone, hint) => {
    await expect(loaded('wrong.yaml', `time_zone: "${zone}"`)).rejects.toMatchObject({
      message: expect.stringContaining('time zone of the tz database such as Europe/Berlin') as string,
      hints: expect.arrayContaining([expect.stringContaining(hint) as string]) as string[],
    });
  });
});
