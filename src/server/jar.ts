/** The QuestDB server's jar: fetched once by Maven from the pinned pom, kept in a cache, checked on every use. */
import { execFile, type ExecFileException } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { OperatingError } from '../core/base/errors.ts';
import { installedPath } from '../disk/installed-path.ts';
import { makeDirectories } from '../disk/make-directories.ts';
import { requireFreeSpace } from './free-space.ts';

export const QUESTDB_VERSION = '9.3.4';
/** SHA-256 of the jar on Maven Central. A new version means: this line, the one above, and infra/questdb/pom.xml. */
export const QUESTDB_JAR_SHA256 = '939bc53ab22f93dbaa6545143a6e7c536d4904c07b7f2d381e8eef10436be062';

/** The jar is 29.8 MB; Maven keeps a second copy in its own repository, beside a few plugins. */
const FETCH_FREE_BYTES_MIN = 120 * 1024 * 1024;
/** Seconds with a warm Maven, minutes on a slow line. */
const FETCH_TIMEOUT_MS = 15 * 60_000;

export interface JarRequest {
  /** Default: $XDG_CACHE_HOME/gpuledger, else ~/.cache/gpuledger. */
  cacheDir?: string | undefined;
  /** Java's home for Maven, which would otherwise look for its own. */
  javaHome?: string | undefined;
  /** Maven's executable; default `mvn` from PATH. */
  mavenPath?: string | undefined;
  /** Expected SHA-256 in hexadecimal; default the pinned one. */
  sha256?: string | undefined;
  onProgress?: ((message: string) => void) | undefined;
}

function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gpuledger');
}

/** SHA-256 of a file in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/**
 * The path of a jar whose checksum is right: from the cache, or fetched into it.
 * @throws OperatingError `questdb.maven_missing`, `questdb.fetch_failed`, `questdb.checksum`, `disk.no_space`
 */
export async function ensureJar(request: JarRequest = {}): Promise<string> {
  const cacheDir = request.cacheDir ?? defaultCacheDir();
  const expected = request.sha256 ?? QUESTDB_JAR_SHA256;
  const jarName = `questdb-${QUESTDB_VERSION}.jar`;
  const jarPath = join(cacheDir, jarName);
  if (existsSync(jarPath)) {
    if ((await sha256Of(jarPath)) === expected) return jarPath;
    request.onProgress?.(`${jarPath} has a wrong checksum and is fetched again`);
  }
  makeDirectories(cacheDir);
  await requireFreeSpace(cacheDir, FETCH_FREE_BYTES_MIN, 'to fetch QuestDB');
  const fetchDir = await mkdtemp(join(cacheDir, 'fetch-'));
  try {
    request.onProgress?.(
      `fetching QuestDB ${QUESTDB_VERSION} (30 MB, and 20 MB of Maven's own) with Maven into ${cacheDir}`,
    );
    await runMaven(fetchDir, jarPath, request);
    const fetched = join(fetchDir, jarName);
    const actual = await sha256Of(fetched);
    if (actual !== expected) throw checksumError(actual, expected, jarPath);
    await rename(fetched, jarPath);
  } finally {
    await rm(fetchDir, { recursive: true, force: true });
  }
  return jarPath;
}

function checksumError(actual: string, expected: string, jarPath: string): OperatingError {
  return new OperatingError(
    `the fetched QuestDB jar is not the pinned one: expected SHA-256 ${expected}, came ${actual}`,
    {
      code: 'questdb.checksum',
      exit: 'unavailable',
      where: `org.questdb:questdb:${QUESTDB_VERSION}`,
      hints: [
        'nothing was kept; a proxy or a mirror may have changed the file: ask whoever runs it',
        `Maven's own copy: rm -r ~/.m2/repository/org/questdb/questdb/${QUESTDB_VERSION}, then try again`,
        `or put the right jar at ${jarPath}`,
      ],
    },
  );
}

function pomPath(): string {
  const path = installedPath('infra/questdb/pom.xml');
  if (path !== undefined) return path;
  throw new OperatingError('infra/questdb/pom.xml of this installation is missing', {
    code: 'questdb.pom_missing',
    exit: 'unavailable',
    hints: ['install gpuledger again'],
  });
}

async function runMaven(outputDirectory: string, jarPath: string, request: JarRequest): Promise<void> {
  const maven = request.mavenPath ?? 'mvn';
  const args = [
    '-B',
    '-ntp',
    '-f',
    pomPath(),
    'dependency:copy-dependencies',
    `-DoutputDirectory=${outputDirectory}`,
  ];
  const env = request.javaHome === undefined ? process.env : { ...process.env, JAVA_HOME: request.javaHome };
  const startedMs = performance.now();
  const ticking = setInterval(() => {
    request.onProgress?.(`fetching QuestDB: ${Math.round((performance.now() - startedMs) / 1000)} s so far`);
  }, 5000);
  try {
    await new Promise<void>((resolve, reject) => {
      execFile(
        maven,
        args,
        { env, timeout: FETCH_TIMEOUT_MS, maxBuffer: 1 << 24 },
        (error, stdout, stderr) => {
          if (error) reject(mavenError(error, stdout + stderr, maven, jarPath));
          else resolve();
        },
      );
    });
  } finally {
    clearInterval(ticking);
  }
}

function mavenError(
  error: ExecFileException,
  output: string,
  maven: string,
  jarPath: string,
): OperatingError {
  const waysOut = [
    `or put the jar (SHA-256 ${QUESTDB_JAR_SHA256}) at ${jarPath}`,
    'or use a QuestDB that runs elsewhere: QDB_CLIENT_CONF="http::addr=host:9000;"',
  ];
  if (error.code === 'ENOENT') {
    return new OperatingError(
      `QuestDB ${QUESTDB_VERSION} is not in the cache, and Maven, which fetches it, was not found`,
      {
        code: 'questdb.maven_missing',
        exit: 'unavailable',
        where: `looked for: ${jarPath}, and ${maven}${maven.includes('/') ? '' : ' on PATH'}`,
        hints: ['Debian/Ubuntu: apt install maven', ...waysOut],
        cause: error,
      },
    );
  }
  const reasons = output.split('\n').filter((line) => line.startsWith('[ERROR]'));
  return new OperatingError(
    `Maven could not fetch QuestDB ${QUESTDB_VERSION}: ${reasons[0]?.slice(8) ?? error.message}`,
    {
      code: 'questdb.fetch_failed',
      exit: 'temporary',
      where: `org.questdb:questdb:${QUESTDB_VERSION}`,
      hints: ['a proxy or a mirror is set in ~/.m2/settings.xml', ...waysOut],
      cause: error,
    },
  );
}
