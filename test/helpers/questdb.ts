/** Real QuestDB servers for tests, on free loopback ports, in a directory of their own that goes away with them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { OperatingError } from '../../src/core/base/errors.ts';
import { processStartTicks } from '../../src/disk/process-identity.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Configuration string of the server that all test files share. Use table names of your own on it. */
    questdbConf: string;
    /** Its address, `http://127.0.0.1:PORT`. */
    questdbUrl: string;
    /** The same of the server that all tests of reports share. A report reads every lane of it. */
    reportsConf: string;
    reportsUrl: string;
  }
}

export interface TestQuestdb {
  readonly conf: string;
  readonly httpUrl: string;
  /** Of the PostgreSQL protocol, on loopback. */
  readonly pgPort: number;
  readonly pid: number;
  readonly javaMajor: number;
  readonly dataDir: string;
  /** Stops the server and removes its data. */
  stop: () => Promise<void>;
  /** SIGKILL; returns when the process is gone. The data stay. */
  kill9: () => Promise<void>;
  /** Starts again on the same data and the same HTTP port; on another Java if one is named. */
  restart: (javaPath?: string) => Promise<void>;
}

/** A private server for one test file. Costs 3 s and 300 MB: share one in a file. */
export async function startTestQuestdb(options: { javaPath?: string } = {}): Promise<TestQuestdb> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gpuledger-questdb-'));
  const start = async (javaPath: string | undefined, ports: 'free' | number): Promise<RunningServer> =>
    await startServer({ dataDir, life: 'private', ports, ...(javaPath === undefined ? {} : { javaPath }) });
  let server = await start(options.javaPath, 'free');
  return {
    get conf() {
      return server.clientConf;
    },
    get httpUrl() {
      return server.httpUrl;
    },
    get pgPort() {
      return server.ports.pg;
    },
    get pid() {
      return server.pid;
    },
    get javaMajor() {
      return server.javaMajor;
    },
    dataDir,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
    kill9: async () => {
      await kill9(server.pid);
    },
    restart: async (javaPath) => {
      await server.stop();
      server = await whenPortIsFree(() => start(javaPath ?? options.javaPath, server.ports.http));
    },
  };
}

const PORT_TRIES_MAX = 40;

/** The port may be in use for a moment, by a connection that happens to have the same number. */
async function whenPortIsFree<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start();
    } catch (thrown) {
      const isTaken = thrown instanceof OperatingError && thrown.code === 'questdb.port_taken';
      if (!isTaken || tries === PORT_TRIES_MAX) throw thrown;
      await sleep(500);
    }
  }
}

/** Kills a process that the test has started and returns when it is gone. */
export async function kill9(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while (processStartTicks(pid) !== undefined) await sleep(5);
}
