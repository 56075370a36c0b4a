/** `gpuledger run` as a process of its own with a lane, a table and a state directory of its own, and whether every row is in the store once. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { readLedger } from '../../src/disk/ledger-file.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { ROOT } from './run-process.ts';

export interface Place {
  readonly directory: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly node: string;
  readonly table: string;
}

let placeCount = 0;

/** @param yaml further keys of the configuration; goes away with the test */
export function createPlace(yaml: string, lane = '{ interval: 100ms, fields: [155, 156, 252] }'): Place {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-resident-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  placeCount += 1;
  const name = `f${process.pid}_${placeCount}_${Date.now().toString(36)}`;
  const [stateDir, configFile] = [join(directory, 'state'), join(directory, 'gpuledger.yaml')];
  writeFileSync(
    configFile,
    `node: ${name}
state_dir: ${stateDir}
flush: { interval: 1s }
lanes: [${lane.replace('{', `{ name: ${name},`)}]
log: { format: json }
${yaml}
`,
  );
  return { directory, stateDir, configFile, node: name, table: `gpu_${name}` };
}

interface LogLine {
  readonly event: string;
  readonly text: string;
}

export interface Resident {
  readonly child: ChildProcess;
  readonly log: () => readonly LogLine[];
  /** Resolves when a line of the log has this event. */
  readonly logged: (event: string) => Promise<void>;
  /** Resolves with the exit code, and what ended it. */
  readonly ended: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;
}

/** Ends with the test. */
export function startResident(
  { configFile }: Place,
  conf: string,
  env: Readonly<Record<string, string>> = {},
): Resident {
  const child = spawn(process.execPath, [`${ROOT}bin/gpuledger.js`, 'run', '--force'], {
    env: { ...process.env, QDB_CLIENT_CONF: conf, GPULEDGER_CONFIG: configFile, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const lines = (): readonly LogLine[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (line.startsWith('{') ? (JSON.parse(line) as LogLine) : { event: '', text: line }));
  return {
    child,
    log: () => lines(),
    logged: async (event) => {
      await expect.poll(() => text).toContain(`"event":"${event}"`);
    },
    ended: once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  };
}

export async function withStore<T>(conf: string, work: (db: QuestDb) => Promise<T>): Promise<T> {
  const db = await openQuestDb(conf, { requestTimeoutMs: 60_000 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** Rows that queries see; 0 while there is no table, or no server. */
export async function countRows(db: QuestDb, table: string): Promise<number> {
  try {
    const { rows } = await db.exec(`SELECT count() FROM ${table}`);
    return Number(rows[0]![0]);
  } catch {
    return 0;
  }
}

/**
 * When the collector has ended: all that it sampled, over all its lives, is in the store, each row once, no dt is negative,
 * and every row bears the job that `gpu_ownership` names for its time.
 * @param lostRows that had to be lost, as the account has to say
 */
export async function expectEachRowOnce(
  conf: string,
  { stateDir, table, node }: Place,
  lostRows = 0,
): Promise<void> {
  const kept = readLedger(realDisk, join(stateDir, 'delivery', table, 'account'));
  const sampledRows = kept?.ledger.sampledRows ?? NaN;
  expect(kept).toMatchObject({
    lives: [],
    ledger: {
      acknowledgedRows: sampledRows - lostRows,
      ...{ heldRows: 0, spooledRows: 0, refusedRows: 0, droppedRows: lostRows },
    },
  });
  await withStore(conf, async (db) => {
    await waitForVisible(db, table);
    await waitForVisible(db, 'gpu_ownership');
    const { rows } = await db.exec(
      `SELECT count(), min(dt_us), count_distinct(gpu), cast(min(ts) AS LONG) FROM ${table}`,
    );
    const distinct = await db.exec(`SELECT count() FROM (SELECT DISTINCT ts, gpu FROM ${table})`);
    expect({ stored: rows[0]![0], distinct: distinct.rows[0]![0] }).toEqual({
      stored: sampledRows - lostRows,
      distinct: sampledRows - lostRows,
    });
    expect(sampledRows).toBeGreaterThan(0);
    expect(Number(rows[0]![1])).toBeGreaterThanOrEqual(0);
    expect(await mislabelledRows(db, table, node)).toEqual([]);
  });
}

/** Samples that bear another job than the one that the stays of their GPU name, or none: at most ten. */
async function mislabelledRows(db: QuestDb, table: string, node: string): Promise<readonly unknown[]> {
  const stays = await db.exec(
    `SELECT gpu, job_id, cast(ts AS LONG), cast(end_ts AS LONG) FROM gpu_ownership WHERE node = '${node}'`,
  );
  const samples = await db.exec(`SELECT gpu, cast(ts AS LONG), job_id, owners FROM ${table}`);
  const staysOf = Map.groupBy(stays.rows, ([gpu]) => gpu);
  return samples.rows
    .filter(([gpu, tsUs, jobId, owners]) => {
      const jobs = (staysOf.get(gpu) ?? [])
        .filter(([, , fromUs, endUs]) => {
          const toUs = endUs === null ? Infinity : Number(endUs);
          return Number(fromUs) < Number(tsUs) && Number(tsUs) <= toUs;
        })
        .map(([, job]) => job);
      return Number(owners) !== jobs.length || (jobs.length === 1 && jobs[0] !== jobId);
    })
    .slice(0, 10);
}
