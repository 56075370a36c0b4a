/** Starts a real QuestDB server as a child process on loopback, from its jar. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { QuestdbPorts, QuestdbState } from '../../schemas/questdb-state.ts';
import { OperatingError } from '../core/errors.ts';
import { requireFreeSpace } from './free-space.ts';
import { findJava, type Java } from './java.ts';
import { choosePorts, LOOPBACK } from './loopback-ports.ts';
import { processStartTicks } from './process-identity.ts';
import { ensureJar, QUESTDB_VERSION } from './questdb-jar.ts';
import { endProcess, spawnServer, type ServerLife } from './questdb-process.ts';
import { javaArguments, serverEnvironment, writeSettings } from './questdb-settings.ts';
import { readLiveState, removeState, statePath, writeState } from './questdb-state.ts';

/** 3 s on an idle machine; a loaded one may take ten times as long. */
const READY_TIMEOUT_MS = 90_000;
const READY_POLL_MS = 50;
const PING_TIMEOUT_MS = 2_000;
/** A port may be taken between our look and the server's. */
const START_ATTEMPTS_MAX = 3;
/** An empty server needs 30 MB; with less than this a first table would already fail. */
const DATA_FREE_BYTES_MIN = 256 * 1024 * 1024;
const LOG_TAIL_LINES = 8;

export interface StartRequest {
  dataDir: string;
  life: ServerLife;
  /** The one Java to use; default: the first that `findJava` finds. */
  javaPath?: string;
  /** See `choosePorts`. Default `usual`. */
  ports?: 'usual' | 'free' | number;
  /** Where the jar is kept; default `defaultCacheDir()`. */
  cacheDir?: string;
  /** Called with what takes long, as a clause for people. */
  onProgress?: (message: string) => void;
}

export interface RunningServer {
  /** The official client's configuration string. */
  clientConf: string;
  /** Also the address of the web console. */
  httpUrl: string;
  pid: number;
  ports: QuestdbPorts;
  dataDir: string;
  javaMajor: number;
  /** The server's version. */
  version: string;
  /** Ends the server and returns when it is gone; more than once is harmless. */
  stop: () => Promise<void>;
}

export function httpUrlOf(ports: QuestdbPorts): string {
  return `http://${LOOPBACK}:${ports.http}`;
}

export function clientConfOf(ports: QuestdbPorts): string {
  return `http::addr=${LOOPBACK}:${ports.http};`;
}

/**
 * Starts a server on `dataDir` (created if it is not there) and returns when it answers.
 * @throws OperatingError `java.not_found`, those of `ensureJar` and `choosePorts`, `questdb.data_in_use`,
 * `questdb.data_dir`, `disk.no_space`, `questdb.start_failed`
 */
export async function startServer(request: StartRequest): Promise<RunningServer> {
  const dataDir = resolve(request.dataDir);
  const java = await findJava(request.javaPath);
  const jarPath = await ensureJar({
    javaHome: java.home,
    ...(request.cacheDir === undefined ? {} : { cacheDir: request.cacheDir }),
    ...(request.onProgress === undefined ? {} : { onProgress: request.onProgress }),
  });
  await requireUnused(dataDir);
  await prepareDataDir(dataDir);
  await requireFreeSpace(dataDir, DATA_FREE_BYTES_MIN, 'for a QuestDB server');
  for (let attempt = 1; ; attempt += 1) {
    const ports = await choosePorts(request.ports ?? 'usual');
    request.onProgress?.(`starting QuestDB ${QUESTDB_VERSION} on Java ${java.major}`);
    try {
      return await startOnce(dataDir, java, jarPath, ports, request.life);
    } catch (error) {
      const isPortTaken = error instanceof OperatingError && error.code === 'questdb.port_lost';
      if (!isPortTaken || attempt >= START_ATTEMPTS_MAX) throw error;
    }
  }
}

async function requireUnused(dataDir: string): Promise<void> {
  const live = await readLiveState(dataDir);
  if (live === undefined) return;
  throw new OperatingError(`a QuestDB server (pid ${live.pid}) already serves ${dataDir}`, {
    code: 'questdb.data_in_use',
    exit: 'unavailable',
    where: statePath(dataDir),
    hints: [
      `use it: QDB_CLIENT_CONF="${clientConfOf(live.ports)}"`,
      `or stop it: gpuledger questdb stop --data ${dataDir}`,
      'or choose another directory: --data DIR',
    ],
  });
}

async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    for (const name of ['conf', 'log', 'tmp']) await mkdir(join(dataDir, name), { recursive: true });
    await writeSettings(dataDir);
  } catch (error) {
    throw new OperatingError(`cannot write in the data directory: ${(error as Error).message}`, {
      code: 'questdb.data_dir',
      exit: 'unavailable',
      where: dataDir,
      hints: ['choose a directory that you may write in: --data DIR'],
      cause: error,
    });
  }
}

async function startOnce(
  dataDir: string,
  java: Java,
  jarPath: string,
  ports: QuestdbPorts,
  life: ServerLife,
): Promise<RunningServer> {
  const identity = `gpuledger-${randomUUID()}`;
  const temporaryDir = await mkdtemp(join(dataDir, 'tmp', 'server-'));
  const outputPath = join(dataDir, 'log', 'start.log');
  const outputFd = openSync(outputPath, 'w');
  const child = spawnServer({
    javaPath: java.path,
    javaArgs: javaArguments(java, jarPath, dataDir, temporaryDir),
    env: { ...process.env, ...serverEnvironment(ports, identity) },
    life,
    outputFd,
  });
  closeSync(outputFd);
  let spawnError: Error | undefined;
  child.once('error', (error) => {
    spawnError = error;
  });
  const pid = child.pid;
  const startTicks = pid === undefined ? undefined : processStartTicks(pid);
  const stop = async (): Promise<void> => {
    if (pid !== undefined && startTicks !== undefined) {
      await endProcess(pid, startTicks);
      await removeState(dataDir, pid);
    }
    await rm(temporaryDir, { recursive: true, force: true });
  };
  try {
    await waitUntilReady(child, ports, identity, () => spawnError);
  } catch (error) {
    await stop();
    throw await startError(error, dataDir, outputPath);
  }
  if (pid === undefined || startTicks === undefined) throw new Error('a server that answers has a pid');
  const state: QuestdbState = {
    format: 1,
    pid,
    processStartTicks: startTicks,
    life,
    ports,
    identity,
    version: QUESTDB_VERSION,
    javaMajor: java.major,
    startedAt: new Date().toISOString(),
  };
  await writeState(dataDir, state);
  return {
    clientConf: clientConfOf(ports),
    httpUrl: httpUrlOf(ports),
    pid,
    ports,
    dataDir,
    javaMajor: java.major,
    version: QUESTDB_VERSION,
    stop,
  };
}

/** Ready is: our child lives, and what answers on the port is our child. */
async function waitUntilReady(
  child: ChildProcess,
  ports: QuestdbPorts,
  identity: string,
  spawnErrorOf: () => Error | undefined,
): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const spawnError = spawnErrorOf();
    if (spawnError !== undefined) throw spawnError;
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (child.signalCode !== null) throw new Error(`it was ended by ${child.signalCode}`);
    if ((await pingIdentity(ports)) === identity) return;
    await sleep(READY_POLL_MS);
  }
  throw new Error(`it did not answer within ${READY_TIMEOUT_MS / 1000} s`);
}

/** How the server on these ports calls itself in its answer to /ping; undefined when nobody answers. */
export async function pingIdentity(ports: QuestdbPorts): Promise<string | undefined> {
  return await new Promise((resolveIdentity) => {
    const url = `${httpUrlOf(ports)}/ping`;
    const request = get(url, { agent: false, timeout: PING_TIMEOUT_MS }, (response) => {
      response.resume();
      const header = response.headers['x-influxdb-version'];
      resolveIdentity(response.statusCode === 204 && typeof header === 'string' ? header : undefined);
    });
    request.once('timeout', () => request.destroy());
    // Refused or broken off: not ready yet, which is what the caller waits through.
    request.once('error', () => {
      resolveIdentity(undefined);
    });
  });
}

async function startError(cause: unknown, dataDir: string, outputPath: string): Promise<OperatingError> {
  const output = await readFile(outputPath, 'utf8');
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  const isPortTaken = /could not bind|errno=98|Address already in use/i.test(output);
  return new OperatingError(`QuestDB ${QUESTDB_VERSION} did not start: ${(cause as Error).message}`, {
    code: isPortTaken ? 'questdb.port_lost' : 'questdb.start_failed',
    exit: 'unavailable',
    where: dataDir,
    hints: [
      ...lines.slice(-LOG_TAIL_LINES).map((line) => `it said: ${line}`),
      `its log: ${join(dataDir, 'log')}`,
      'or use a QuestDB that runs elsewhere: QDB_CLIENT_CONF="http::addr=host:9000;"',
    ],
    cause,
  });
}
