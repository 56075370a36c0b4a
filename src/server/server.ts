/** Starts a real QuestDB server as a child process on loopback, from its jar. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { QuestdbPorts, QuestdbState } from '../../schemas/questdb-state.ts';
import { messageOf, OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import { requireFreeSpace } from './free-space.ts';
import { findJava, type Java } from './java.ts';
import { choosePorts } from './loopback-ports.ts';
import { makeDirectories } from '../disk/make-directories.ts';
import { processStartTicks } from '../disk/process-identity.ts';
import { ensureJar, QUESTDB_VERSION } from './jar.ts';
import { clientConfOf, httpUrlOf, pingIdentity } from './ping.ts';
import { endProcess, spawnServer, type ServerLife } from './process.ts';
import { javaArguments, serverEnvironment, writeSettings } from './settings.ts';
import { readLiveState, removeDeadRuns, removeRun, runDirectory, writeState } from './state.ts';

/** 3 s on an idle machine; a loaded one may take ten times as long. */
const READY_TIMEOUT_MS = 90_000;
const READY_POLL_MS = 50;
/** A port may be taken between our look and the server's. */
const START_ATTEMPTS_MAX = 3;
/** While it runs, a server sets aside some 100 MB of disk for the tables of its own, and as much for each of ours. */
const DATA_FREE_BYTES_MIN = 512 * 1024 * 1024;
const LOG_TAIL_LINES = 8;

export interface StartRequest {
  dataDir: string;
  life: ServerLife;
  /** The one Java to use; default: the first that `findJava` finds. */
  javaPath?: string | undefined;
  /** See `choosePorts`. Default `usual`. */
  ports?: 'usual' | 'free' | number | undefined;
  /** Where the jar is kept; default `defaultCacheDir()`. */
  cacheDir?: string | undefined;
  /** Called with what takes long, as a clause for people. */
  onProgress?: ((message: string) => void) | undefined;
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

/**
 * Starts a server on `dataDir` (created if it is not there) and returns when it answers.
 * @throws OperatingError `java.not_found`, those of `ensureJar` and `choosePorts`, `questdb.data_in_use`,
 * `questdb.data_dir`, `disk.no_space`, `questdb.start_failed`
 */
export async function startServer(request: StartRequest): Promise<RunningServer> {
  const dataDir = resolve(request.dataDir);
  const live = await readLiveState(dataDir);
  if (live !== undefined) throw inUseError(dataDir, live);
  const java = await findJava(request.javaPath);
  const { cacheDir, onProgress } = request;
  const jarPath = await ensureJar({ javaHome: java.home, cacheDir, onProgress });
  await prepareDataDir(dataDir);
  for (let attempt = 1; ; attempt += 1) {
    const ports = await choosePorts(request.ports ?? 'usual');
    onProgress?.(`starting QuestDB ${QUESTDB_VERSION} on Java ${java.major}`);
    try {
      return await startOnce(dataDir, java, jarPath, ports, request.life);
    } catch (error) {
      const isPortLost = error instanceof OperatingError && error.code === 'questdb.port_lost';
      if (!isPortLost || attempt >= START_ATTEMPTS_MAX) throw error;
    }
  }
}

function inUseError(dataDir: string, live: QuestdbState): OperatingError {
  const whose = live.life === 'private' ? ' for another gpuledger command, and ends with it' : '';
  return new OperatingError(`a QuestDB server (pid ${live.pid}) already serves ${dataDir}${whose}`, {
    code: 'questdb.data_in_use',
    exit: 'unavailable',
    where: dataDir,
    hints: [
      `use it: QDB_CLIENT_CONF="${clientConfOf(live.ports)}"`,
      `or stop it: gpuledger questdb stop --data ${dataDir}`,
      'or choose another directory: --data DIR',
    ],
  });
}

async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    for (const name of ['conf', 'log', 'run']) makeDirectories(join(dataDir, name));
    await writeSettings(dataDir);
  } catch (error) {
    throw fileError('cannot write in the data directory', error, {
      code: 'questdb.data_dir',
      exit: 'unavailable',
      where: dataDir,
      hints: ['choose a directory that you may write in: --data DIR'],
    });
  }
  await requireFreeSpace(dataDir, DATA_FREE_BYTES_MIN, 'for a QuestDB server');
}

async function startOnce(
  dataDir: string,
  java: Java,
  jarPath: string,
  ports: QuestdbPorts,
  life: ServerLife,
): Promise<RunningServer> {
  const identity = `gpuledger-${randomUUID()}`;
  const temporaryDir = runDirectory(dataDir, identity);
  await mkdir(temporaryDir);
  // One file a start and server: two that start at a time must not write into each other's.
  const outputPath = join(temporaryDir, 'output.log');
  const outputFd = openSync(outputPath, 'w');
  const javaArgs = javaArguments(java, jarPath, dataDir, temporaryDir);
  const env = { ...process.env, ...serverEnvironment(ports, identity) };
  const child = spawnServer({ javaPath: java.path, javaArgs, env, life, outputFd });
  closeSync(outputFd);
  const spawnFailure = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
  });
  const { pid } = child;
  const startTicks = pid === undefined ? undefined : processStartTicks(pid);
  const stop = async (): Promise<void> => {
    if (pid !== undefined && startTicks !== undefined) await endProcess(pid, startTicks);
    await removeRun(dataDir, identity);
  };
  const started = async (): Promise<RunningServer> => {
    if (pid === undefined) return await spawnFailure;
    if (startTicks === undefined) throw new Error('it ended at once');
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
    // Before it is ready, so that a background server can be found and stopped if we are interrupted now.
    writeState(dataDir, state);
    await removeDeadRuns(dataDir);
    await waitUntilReady(child, ports, identity);
    const { javaMajor, version } = state;
    return {
      clientConf: clientConfOf(ports),
      httpUrl: httpUrlOf(ports),
      pid,
      ports,
      dataDir,
      javaMajor,
      version,
      stop,
    };
  };
  try {
    return await Promise.race([started(), spawnFailure]);
  } catch (error) {
    const told = await startError(error, dataDir, outputPath);
    await stop();
    // Of two starts at a time, QuestDB's lock lets one through.
    const winner = await readLiveState(dataDir);
    throw winner === undefined ? told : inUseError(dataDir, winner);
  }
}

/** Ready is: our child lives, and what answers on the port is our child. */
async function waitUntilReady(child: ChildProcess, ports: QuestdbPorts, identity: string): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (child.signalCode !== null) throw new Error(`it was ended by ${child.signalCode}`);
    if ((await pingIdentity(ports)) === identity) return;
    await sleep(READY_POLL_MS);
  }
  throw new Error(`it did not answer within ${READY_TIMEOUT_MS / 1000} s`);
}

async function startError(cause: unknown, dataDir: string, outputPath: string): Promise<OperatingError> {
  const output = await readFile(outputPath, 'utf8');
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  const isPortTaken = /could not bind|errno=98|Address already in use/i.test(output);
  return new OperatingError(`QuestDB ${QUESTDB_VERSION} did not start: ${messageOf(cause)}`, {
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
