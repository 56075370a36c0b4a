import { mkdtempSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import {
  episodesPath,
  readEpisodes,
  writeEpisodes,
  type Episode,
} from '../../src/disk/idle-episodes-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-episodes-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const EPISODE: Episode = {
  ...{
    cluster: 'atlas',
    jobId: 'a"\u202e\n',
    run: 2,
    sinceUs: 1_700_000_000e6,
    toldUs: 1_700_000_900e6,
    reminders: 3,
  },
  ...{ pending: ['webhook'], by: 'run' },
};

test('what was saved is read again, and nobody else may read it', () => {
  const path = episodesPath(directory);
  expect(readEpisodes(realDisk, path)).toEqual({ episodes: [], damage: undefined });
  const homeless = { ...EPISODE };
  Reflect.deleteProperty(homeless, 'cluster');
  writeEpisodes(realDisk, path, [EPISODE, homeless]);
  expect(readEpisodes(realDisk, path)).toEqual({ episodes: [EPISODE, homeless], damage: undefined });
  expect(statSync(path).mode & 0o007).toBe(0);
  writeEpisodes(realDisk, path, []);
  expect(readEpisodes(realDisk, path)).toEqual({ episodes: [], damage: undefined });
});

const WHOLE = JSON.stringify({ version: 1, episodes: [EPISODE] });
test.each([
  ['nothing', '', 'it is no JSON'],
  ['torn text', WHOLE.slice(0, -20), 'it is no JSON'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0]), 'it is no JSON'],
  ['very deep text', '['.repeat(1_000_000), 'it is no JSON'],
  ['another thing', '[]', 'expected object'],
  ['another version', WHOLE.replace('"version":1', '"version":2'), 'version: '],
  ['a time that is none', WHOLE.replace('1700000000000000', '"soon"'), 'episodes.0.sinceUs: '],
  ['a time beyond all', WHOLE.replace('1700000000000000', '1e300'), 'episodes.0.sinceUs: '],
  ['a way to tell that there is not', WHOLE.replace('webhook', 'pigeon'), 'episodes.0.pending.0: '],
  ['a key of nobody', WHOLE.replace('"by"', '"__proto__":{"x":1},"to"'), 'episodes.0'],
  ['far too much', `${WHOLE}${' '.repeat(17 * 1024 * 1024)}`, 'it has more than 16 MiB'],
])('a file that holds %s is told, and counts for nothing', (_, content, damage) => {
  const path = join(directory, 'broken.json');
  writeFileSync(path, content);
  const read = readEpisodes(realDisk, path);
  expect(read.episodes).toEqual([]);
  expect(read.damage).toContain(damage);
});

test('so is a directory in its place', () => {
  const path = join(directory, 'directory.json');
  mkdirSync(path);
  expect(readEpisodes(realDisk, path)).toEqual({
    episodes: [],
    damage: 'it is a directory, and no file (EISDIR)',
  });
  expect(() => {
    writeEpisodes(realDisk, path, [EPISODE]);
  }).toThrow('the state of the idle watch cannot be used');
});
