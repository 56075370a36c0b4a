/** `gpuledger status`: what people read. */
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Status, StatusLane } from '../../schemas/status.ts';
import { statusText } from '../../src/cli/commands/status.ts';
import { addsUp } from '../../src/core/base/ledger.ts';
import { lockDirectory } from '../../src/disk/state-lock.ts';
import { statusPath, writeStatus } from '../../src/disk/status-file.ts';
import { runCommand } from '../helpers/run-process.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 13, 30, 11);

const lane: StatusLane = {
  lane: 'profiling',
  table: 'gpu_profiling',
  intervalMs: 100,
  sampledRows: 1_286_400,
  acknowledgedRows: 1_286_300,
  heldRows: 40,
  spooledRows: 60,
  refusedRows: 0,
  droppedRows: 0,
  spoolBytes: 60_000,
  lastAcknowledgedMs: NOW_MS - 400,
  lastSendMs: 31.2,
  ringFillRatio: 0.1,
};

const status: Status = {
  pid: 4_242,
  atMs: NOW_MS - 2_000,
  startMs: NOW_MS - (4 * 60 + 28) * 60_000,
  node: 'n1',
  source: 'dcgm',
  description: 'source dcgm 4.6.0 embedded',
  deviceCount: 8,
  store: 'http://127.0.0.1:9000',
  lanes: [
    lane,
    { ...lane, lane: 'device', intervalMs: 10_000, sampledRows: 12_864, acknowledgedRows: 12_764 },
  ],
  cpuRatio: 0.009,
  rssBytes: 108e6,
};

describe('status', () => {
  test('shows where every row is, and what it costs', () => {
    expect(statusText(status, status.pid, NOW_MS)).toBe(`\
collecting since 2026-11-21 09:02:11 UTC (4 h 28 min) · source dcgm 4.6.0 embedded · 8 GPUs · node n1
  lane        every    sampled  acknowledged  held  spooled  refused  dropped  last ack
  profiling  100 ms  1,286,400     1,286,300    40       60        0        0  0.4 s ago
  device       10 s     12,864        12,764    40       60        0        0  0.4 s ago
  sampled = acknowledged + held + spooled + refused + dropped ✓
QuestDB http://127.0.0.1:9000 ok, 31 ms a flush
this process 0.9 % of a core, 108 MB
`);
  });

  test('says what is in the way of the rows, once', () => {
    const lanes = status.lanes.map((each) => ({ ...each, problem: 'no QuestDB at http://127.0.0.1:9000' }));
    expect(statusText({ ...status, lanes }, status.pid, NOW_MS)).toContain(
      'QuestDB: no QuestDB at http://127.0.0.1:9000\n',
    );
  });

  test('says when nobody is collecting, and that an account does not add up', () => {
    const lanes = [{ ...lane, heldRows: 41 }];
    expect(addsUp(lane)).toBe(true);
    const text = statusText({ ...status, lanes }, undefined, NOW_MS);
    expect(text).toContain('not running; it last said something at 2026-11-21 13:30:09 UTC (2.0 s ago)');
    expect(text).toContain('dropped does not hold for profiling: please report it');
  });

  test('fits a hundred columns', () => {
    for (const line of statusText(status, status.pid, NOW_MS).split('\n'))
      expect(line.length).toBeLessThanOrEqual(105);
  });

  test('drops no column and breaks its sentences on a narrow terminal', () => {
    const lost = new Map([['gpu_profiling', 1_204]]);
    const lines = statusText(status, status.pid, NOW_MS, { lost, width: 60 }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    const wide = statusText(status, status.pid, NOW_MS, { lost }).split(/\s+/);
    for (const word of wide) expect(lines.join('\n')).toContain(word);
    expect(lines.filter((line) => line.startsWith('  profiling '))).toHaveLength(2);
  });

  test('calls no store well that was never asked', () => {
    const lanes = status.lanes.map((each) => ({ ...each, lastSendMs: 0 }));
    const storeLine = (of: readonly StatusLane[]): string | undefined =>
      statusText({ ...status, lanes: [...of] }, status.pid, NOW_MS)
        .split('\n')
        .find((line) => line.startsWith('QuestDB'));
    expect(storeLine(lanes)).toBe('QuestDB http://127.0.0.1:9000 not asked yet');
    expect(storeLine([lanes[0]!, { ...lane, lastSendMs: 0.3 }])).toBe(
      'QuestDB http://127.0.0.1:9000 ok, 0 ms a flush',
    );
  });

  test('tells the age of figures that are old, and whose they are', () => {
    const linesAt = (owner: number, nowMs: number): string[] => statusText(status, owner, nowMs).split('\n');
    const atMs = status.atMs;
    for (const owner of [status.pid, 0]) {
      expect(linesAt(owner, atMs + 30_000)[1]).toMatch(/^ {2}lane /);
      expect(linesAt(owner, atMs + 31_000).slice(0, 2)).toEqual([
        'collecting since 2026-11-21 09:02:11 UTC (4 h 28 min) · source dcgm 4.6.0 embedded · 8 GPUs · node n1',
        'as of 2026-11-21 13:30:09 UTC (31 s ago): it could not write its status since, or it hangs',
      ]);
    }
    expect(linesAt(7, atMs + 5_000).slice(0, 2)).toEqual([
      'process 7 runs and has written no status yet (a collector, or gpuledger spool) · node n1',
      'what follows is of a collector before it, which last said something at 2026-11-21 13:30:09 UTC (5.0 s ago)',
    ]);
  });
});

describe('a collector that cannot write its status', () => {
  let stateDir: string;
  let release: () => void;
  const ask = async (...args: string[]): ReturnType<typeof runCommand> =>
    await runCommand(['status', ...args, '--state-dir', stateDir]);

  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-state-'));
    release = await lockDirectory(join(stateDir, 'delivery'));
  });
  afterEach(() => {
    release();
    rmSync(stateDir, { recursive: true });
  });

  test('runs all the same', async () => {
    const none = await ask();
    expect(none).toMatchObject({ exitCode: 75, stdout: '' });
    expect(none.stderr).toContain(
      `error: a collector runs (process ${process.pid}) and has written no status yet`,
    );
    writeStatus(statusPath(stateDir), { ...status, atMs: Date.now() - 60_000 });
    const former = await ask('--json');
    expect(former).toMatchObject({ exitCode: 0, stderr: '' });
    const told = JSON.parse(former.stdout) as { ageMs: number };
    expect(told).toMatchObject({ running: true, ofFormerLife: true, addsUp: true });
    expect(told.ageMs).toBeGreaterThanOrEqual(60_000);
  });

  test('runs also where its lock does not tell who it is', async () => {
    truncateSync(join(stateDir, 'delivery', 'lock'));
    writeStatus(statusPath(stateDir), status);
    const { exitCode, stdout } = await ask('--json');
    expect(JSON.parse(stdout)).toMatchObject({ running: true, ofFormerLife: false });
    expect(exitCode).toBe(0);
    release();
    expect(await ask()).toMatchObject({ exitCode: 69 });
  });
});
