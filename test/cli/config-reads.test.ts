import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { nameInCode } from '../../src/config/shape.ts';
import { CONFIGURED_COMMANDS, flaggedSettings, type ConfiguredCommand } from '../../src/cli/config-flags.ts';
import type * as ConfigFile from '../../src/config/config-file.ts';
import type * as Slot from '../../src/drain/slot.ts';
import { configuredCommand } from '../helpers/configured-command.ts';

/**
 * Every command runs by a configuration that keeps a list of what is read of it. The world is away: whatever would reach a
 * device, an engine or a store ends the command there, with all that it had read until then.
 */

const { read, away, given } = vi.hoisted(() => ({
  read: new Set<string>(),
  away: () => {
    throw new Error('the world is away');
  },
  given: { file: '' },
}));

vi.mock('../../src/config/config-file.ts', async (original) => {
  const { loadConfig } = await original<typeof ConfigFile>();
  return {
    loadConfig: async () => {
      const loaded = await loadConfig({ file: given.file, env: {}, flags: [] });
      const config = new Proxy(loaded.config, {
        get(target, name) {
          read.add(String(name));
          return target[name as keyof Config];
        },
      });
      return { ...loaded, config };
    },
  };
});
vi.mock('../../src/cli/require-library.ts', () => ({ requireLibrary: () => undefined }));
vi.mock('../../src/sampler/sampler.ts', () => ({
  startSampler: away,
  listInWorker: away,
  callEngineInWorker: away,
}));
vi.mock('../../src/drain/slot.ts', async (original) => ({
  ...(await original<typeof Slot>()),
  startSlot: () => undefined,
  createWarmSlots: () => ({ close: () => undefined }),
}));
vi.mock('../../src/drain/drain.ts', () => ({ drain: away }));
vi.mock('../../src/serve/server.ts', () => ({ createServer: away }));
vi.mock('../../src/questdb/http.ts', () => ({
  openQuestDb: () => ({ where: 'nowhere', checkServer: () => ({ version: '' }), close: () => undefined }),
}));

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-reads-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  return () => {
    vi.restoreAllMocks();
    process.exitCode = undefined;
  };
});

const ARGUMENTS: Readonly<Partial<Record<ConfiguredCommand, readonly string[]>>> = {
  'spool drop': ['--yes'],
  'report job': ['4217'],
  'report user': ['ada'],
  'report bill': ['--month', '2026-10'],
  'watch-idle': ['--tell'],
  'query show': ['gaps'],
  'query run': ['gaps'],
  devices: ['--devices', 'g:0'],
};
/** They take the whole configuration. */
const WHOLE: readonly ConfiguredCommand[] = ['run', 'collect', 'config check', 'config print'];

async function run(name: ConfiguredCommand, source: string): Promise<void> {
  given.file = join(directory, `${source}.yaml`);
  writeFileSync(given.file, `source: ${source}\nstate_dir: state\ndcgm: {engine: nowhere}\n`);
  const command = await configuredCommand(name);
  try {
    await command.parseAsync([...(ARGUMENTS[name] ?? [])], { from: 'user' });
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(Error);
  }
}

test.each(CONFIGURED_COMMANDS.filter((name) => !WHOLE.includes(name)))(
  '%s reads what its flags are about',
  async (name) => {
    read.clear();
    for (const source of ['dcgm', 'nvml', 'synthetic']) await run(name, source);
    const offered = flaggedSettings(name).map(({ key }) => nameInCode(key.split('.')[0]!, undefined));
    expect([...new Set(offered)].filter((part) => !read.has(part))).toEqual([]);
  },
);
