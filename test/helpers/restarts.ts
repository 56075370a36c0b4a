/** A collector that is started again and again on one state directory, and whether its rows add up over all its lives. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { readRingJournal } from '../../src/disk/ring-journal-read.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { ROOT, startProcess, waitUntilGone } from './run-process.ts';

export interface PlannedLife {
  /** How it ends. */
  readonly signal: 'SIGTERM' | 'SIGKILL';
  /** Its store does not answer: what it samples waits on disk for the next life. */
  readonly isStoreAway?: boolean;
  /** How long nobody runs after it; default: not at all. */
  readonly pauseMs?: number;
}

export interface Restarts {
  readonly conf: string;
  /** Of the lane and its table: of this test only. */
  readonly lane: string;
  readonly intervalMs: number;
  readonly source: 'dcgm' | 'nvml';
  /** Address of a host engine, which outlives the collector. */
  readonly engine?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ticksPerLife: number;
  readonly lives: readonly PlannedLife[];
}

const NOBODY = 'http::addr=127.0.0.1:1;';

/** Plays the lives one after the other; the last one must end in order and with its store. */
export async function playLives(plan: Restarts): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-restarts-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const config = join(directory, 'gpuledger.yaml');
  const lane = `{ name: ${plan.lane}, schedule: continuous, interval: ${plan.intervalMs}ms, fields: ['155', '156'] }`;
  const jobs = `jobs: { journal_dir: ${join(directory, 'jobs')} }`;
  writeFileSync(
    config,
    `node: n1\nsource: ${plan.source}\n${jobs}\nflush: { interval: 1s }\nlanes:\n  - ${lane}\n`,
  );
  const engine = plan.engine === undefined ? [] : ['-r', plan.engine];
  const table = join(directory, 'delivery', `gpu_${plan.lane}`);
  const journals = (): string[] => realDisk.list(table).filter((name) => name.endsWith('.journal'));
  for (const { signal, isStoreAway = false, pauseMs = 0 } of plan.lives) {
    const former = new Set(journals());
    const args = [`${ROOT}bin/gpuledger.js`, 'run', '--config', config, '--state-dir', directory, ...engine];
    const env = { ...plan.env, QDB_CLIENT_CONF: isStoreAway ? NOBODY : plan.conf };
    const { child, pid } = startProcess(process.execPath, args, { env });
    let ticks = 0;
    while (ticks < plan.ticksPerLife) {
      await sleep(20);
      expect(child.exitCode).toBeNull();
      const own = journals().find((name) => !former.has(name));
      if (own !== undefined) ticks = readRingJournal(realDisk, join(table, own), Infinity)?.toTick ?? 0;
    }
    process.kill(pid, signal);
    await waitUntilGone(pid);
    await sleep(pauseMs);
  }
  expect(readdirSync(table).filter((name) => name.endsWith('.journal'))).toEqual([]);
}

export interface DeviceSums {
  readonly gpu: string;
  readonly rows: number;
  /** Σ dt and Σ told gaps, µs, and from the first row to the last one. */
  readonly dtUs: number;
  readonly toldUs: number;
  readonly spanUs: number;
  /** Rows without dt, beside the first one, and gaps that were told. */
  readonly breaks: number;
  readonly gaps: number;
  /** Σ rises, and the counter's last reading less its first one. */
  readonly riseJoules: number;
  readonly counterJoules: number;
  /** Rows without a reading of the counter. */
  readonly blanks: number;
}

export async function sumsOf({ conf, lane }: Restarts): Promise<DeviceSums[]> {
  const db = await openQuestDb(conf, { requestTimeoutMs: 30_000 });
  try {
    await waitForVisible(db, `gpu_${lane}`);
    await waitForVisible(db, 'gpu_events');
    const { rows } = await db.exec(
      `SELECT gpu, count(), sum(dt_us), cast(min(ts) AS LONG), cast(max(ts) AS LONG), sum(CASE WHEN dt_us = 0 THEN 1 ELSE 0 END),` +
        ` sum(energy_rise_joules), min(energy_joules), max(energy_joules), sum(CASE WHEN energy_joules IS NULL THEN 1 ELSE 0 END)` +
        ` FROM gpu_${lane} GROUP BY gpu ORDER BY gpu`,
    );
    const told = await db.exec(
      `SELECT gpu, count(), sum(cast(end_ts AS LONG) - cast(ts AS LONG)) FROM gpu_events WHERE kind = 'gap' AND subject = '${lane}' GROUP BY gpu`,
    );
    const gapsOf = new Map(told.rows.map(([gpu, ...numbers]) => [gpu, numbers.map(Number)]));
    return rows.map(([gpu, ...cells]) => {
      const [count, dtUs, firstUs, lastUs, without, riseJoules, least, most, blanks] = cells.map(Number);
      const [gaps = 0, toldUs = 0] = gapsOf.get(gpu) ?? [];
      return {
        ...{ gpu: String(gpu), rows: count!, dtUs: dtUs!, toldUs, spanUs: lastUs! - firstUs!, gaps },
        ...{ breaks: without! - 1, riseJoules: riseJoules!, counterJoules: most! - least!, blanks: blanks! },
      };
    });
  } finally {
    await db.close();
  }
}

/** Every microsecond is seen or told, once; and every joule that the counter rose by is in one row. */
export function expectAddedUp(sums: readonly DeviceSums[], devices: number): void {
  expect(sums.length).toBe(devices);
  for (const { gpu, dtUs, toldUs, spanUs, breaks, gaps, riseJoules, counterJoules } of sums) {
    expect({ gpu, us: dtUs + toldUs, gaps }).toEqual({ gpu, us: spanUs, gaps: breaks });
    expect(counterJoules).toBeGreaterThan(0);
    // Doubles that are subtracted and added: the last digits of the counter's own size.
    expect(Math.abs(riseJoules - counterJoules)).toBeLessThan(1e-9 * counterJoules + 1e-4);
  }
}
