/** What the server needs and may not find: each has one error that lists what was looked for and the ways out. */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { requireFreeSpace } from '../../src/server/free-space.ts';
import { findJava, parseJavaMajor } from '../../src/server/java.ts';
import { ensureJar, QUESTDB_JAR_SHA256, QUESTDB_VERSION, sha256Of } from '../../src/server/jar.ts';
import { startServer } from '../../src/server/server.ts';

const JAR_NAME = `questdb-${QUESTDB_VERSION}.jar`;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gpuledger-missing-test-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('a fetched jar with another checksum is refused and not kept', async () => {
  const sha256 = '0'.repeat(64);
  await expect(ensureJar({ cacheDir: directory, sha256 })).rejects.toMatchObject({
    code: 'questdb.checksum',
    exit: 'unavailable',
    message: expect.stringContaining(QUESTDB_JAR_SHA256) as string,
  });
  expect(await readdir(directory)).toEqual([]);
});

test('a jar in the cache that has been damaged is fetched again', async () => {
  await writeFile(join(directory, JAR_NAME), 'half a jar');
  const said: string[] = [];
  const jarPath = await ensureJar({ cacheDir: directory, onProgress: (message) => said.push(message) });
  expect(await sha256Of(jarPath)).toBe(QUESTDB_JAR_SHA256);
  expect(said[0]).toContain('wrong checksum');
  expect(await readdir(directory)).toEqual([JAR_NAME]);
});

test('without Maven: names what was looked for and the ways out', async () => {
  const request = { cacheDir: directory, mavenPath: join(directory, 'mvn') };
  await expect(ensureJar(request)).rejects.toMatchObject({
    code: 'questdb.maven_missing',
    exit: 'unavailable',
    where: expect.stringContaining(join(directory, JAR_NAME)) as string,
    hints: expect.arrayContaining(['Debian/Ubuntu: apt install maven']) as string[],
  });
});

test('a Maven that fails: its own reason, worth another try', async () => {
  const mavenPath = join(directory, 'mvn');
  await writeFile(
    mavenPath,
    '#!/bin/sh\necho "[ERROR] Could not transfer artifact: Connection refused"\nexit 1\n',
  );
  await chmod(mavenPath, 0o755);
  await expect(ensureJar({ cacheDir: join(directory, 'cache'), mavenPath })).rejects.toMatchObject({
    code: 'questdb.fetch_failed',
    exit: 'temporary',
    message: expect.stringContaining('Connection refused') as string,
  });
});

test.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['openjdk version "25" 2025-09-16 LTS', 25],
  ['java version "1.8.0_412"', 8],
  ['no such thing', undefined],
])('the version in %j', (output, major) => {
  expect(parseJavaMajor(output)).toBe(major);
});

/** An executable that says it is Java 11, as bin/java of a home of its own. */
async function writeOldJava(): Promise<string> {
  await mkdir(join(directory, 'bin'));
  const java = join(directory, 'bin/java');
  await writeFile(java, '#!/bin/sh\necho \'openjdk version "11.0.2" 2019-01-15\' >&2\n');
  await chmod(java, 0o755);
  return java;
}

test('a Java that is too old is passed over on the way to another', async () => {
  await writeOldJava();
  const env = { ...process.env, GPULEDGER_JAVA: undefined, JAVA_HOME: directory };
  expect((await findJava(undefined, env)).major).toBeGreaterThanOrEqual(17);
});

test('a Java that was named and is too old is not replaced by another', async () => {
  const java = await writeOldJava();
  const refused = {
    code: 'java.not_found',
    exit: 'unavailable',
    hints: expect.arrayContaining([expect.stringContaining('version 11')]) as string[],
  };
  await expect(findJava(java)).rejects.toMatchObject({ ...refused, where: `looked for: --java ${java}` });
  const env = { ...process.env, GPULEDGER_JAVA: java };
  await expect(findJava(undefined, env)).rejects.toMatchObject({
    ...refused,
    where: `looked for: GPULEDGER_JAVA=${java}`,
  });
});

test('too little space is said in numbers before anything is written', async () => {
  await expect(requireFreeSpace(directory, Number.MAX_SAFE_INTEGER, 'for a test')).rejects.toMatchObject({
    code: 'disk.no_space',
    exit: 'temporary',
    message: expect.stringMatching(/too little space for a test: \d+ MiB free, \d+ MiB needed/) as string,
  });
  await expect(requireFreeSpace(directory, 1, 'for a test')).resolves.toBeUndefined();
});

test('a data directory that cannot be made', async () => {
  await writeFile(join(directory, 'file'), '');
  const starting = startServer({ dataDir: join(directory, 'file/data'), life: 'private', ports: 'free' });
  await expect(starting).rejects.toMatchObject({
    code: 'questdb.data_dir',
    where: join(directory, 'file/data'),
  });
});
