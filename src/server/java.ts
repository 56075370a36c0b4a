/** Finds a Java that can run the QuestDB server. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';

import { OperatingError } from '../core/base/errors.ts';

/** The server's classes are compiled for this version. */
const JAVA_MAJOR_MIN = 17;
/** A JVM answers `-version` in 0.1 s; a broken one may hang. */
const VERSION_TIMEOUT_MS = 20_000;
const JVM_DIRECTORY = '/usr/lib/jvm';

export interface Java {
  /** The executable. */
  path: string;
  /** 17, 21, 25, … */
  major: number;
  /** The directory that JAVA_HOME would name. */
  home: string;
}

interface Candidate {
  path: string;
  /** Where the path came from, for the error. */
  origin: string;
}

function candidatesOf(env: NodeJS.ProcessEnv): Candidate[] {
  if (env['GPULEDGER_JAVA']) return [{ path: env['GPULEDGER_JAVA'], origin: 'GPULEDGER_JAVA' }];
  const candidates: Candidate[] = [];
  if (env['JAVA_HOME']) candidates.push({ path: join(env['JAVA_HOME'], 'bin/java'), origin: 'JAVA_HOME' });
  for (const directory of (env['PATH'] ?? '').split(delimiter)) {
    if (directory !== '') candidates.push({ path: join(directory, 'java'), origin: 'PATH' });
  }
  for (const name of directoryNames(JVM_DIRECTORY)) {
    candidates.push({ path: join(JVM_DIRECTORY, name, 'bin/java'), origin: JVM_DIRECTORY });
  }
  return candidates;
}

function directoryNames(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return []; // no such directory: nothing is installed there
  }
}

/** The major version in the output of `java -version`: `"17.0.15"` → 17, `"1.8.0_412"` → 8, else undefined. */
export function parseJavaMajor(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output);
  return match ? Number(match[1]) : undefined;
}

/** What the executable says about itself, or why it could not be run. */
async function probe(path: string): Promise<number | string> {
  return await new Promise((resolve) => {
    execFile(path, ['-version'], { timeout: VERSION_TIMEOUT_MS }, (error, stdout, stderr) => {
      const major = parseJavaMajor(stderr + stdout);
      if (error) resolve(error.code === 'ENOENT' ? 'not there' : 'could not be run');
      else resolve(major ?? 'did not say its version');
    });
  });
}

/** Where was looked, in words. */
function placesOf(javaPath: string | undefined, env: NodeJS.ProcessEnv): string {
  if (javaPath !== undefined) return `--java ${javaPath}`;
  if (env['GPULEDGER_JAVA']) return `GPULEDGER_JAVA=${env['GPULEDGER_JAVA']}`;
  return `GPULEDGER_JAVA (not set), JAVA_HOME${env['JAVA_HOME'] ? '' : ' (not set)'}, PATH, ${JVM_DIRECTORY}`;
}

/**
 * The first Java that is new enough. `javaPath` (a flag) is tried alone, and so is GPULEDGER_JAVA: whoever names one
 * wants that one. Else JAVA_HOME, PATH and /usr/lib/jvm, in this order.
 * @throws OperatingError `java.not_found` that lists what was tried.
 */
export async function findJava(javaPath?: string, env: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const candidates = javaPath === undefined ? candidatesOf(env) : [{ path: javaPath, origin: '--java' }];
  const tried: string[] = [];
  const seen = new Set<string>();
  for (const { path, origin } of candidates) {
    // A name without a slash comes from a flag and is left to PATH.
    const real = await realpath(path).catch(() => path);
    if (seen.has(real)) continue;
    seen.add(real);
    const major = await probe(path);
    if (typeof major === 'number' && major >= JAVA_MAJOR_MIN)
      return { path, major, home: dirname(dirname(real)) };
    if (major === 'not there' && origin === 'PATH') continue;
    tried.push(`${path} (${origin}): ${typeof major === 'number' ? `version ${major}` : major}`);
  }
  throw new OperatingError(`no Java ${JAVA_MAJOR_MIN} or newer, which the QuestDB server needs`, {
    code: 'java.not_found',
    exit: 'unavailable',
    where: `looked for: ${placesOf(javaPath, env)}`,
    hints: [
      ...tried.map((line) => `tried ${line}`),
      'Debian/Ubuntu: apt install openjdk-17-jre-headless',
      'or name one: --java /path/to/bin/java, or GPULEDGER_JAVA',
      'or use a QuestDB that runs elsewhere: QDB_CLIENT_CONF="http::addr=host:9000;"',
    ],
  });
}
