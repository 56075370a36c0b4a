/** `gpuledger status`: what people read. */
import { describe, expect, test } from 'vitest';
import type { Status, StatusLane } from '../../schemas/status.ts';
import { statusText } from '../../src/cli/commands/status.ts';
import { addsUp } from '../../src/core/base/ledger.ts';

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
    expect(statusText(status, true, NOW_MS)).toBe(`\
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
    expect(statusText({ ...status, lanes }, true, NOW_MS)).toContain(
      'QuestDB: no QuestDB at http://127.0.0.1:9000\n',
    );
  });

  test('says when nobody is collecting, and that an account does not add up', () => {
    const lanes = [{ ...lane, heldRows: 41 }];
    expect(addsUp(lane)).toBe(true);
    const text = statusText({ ...status, lanes }, false, NOW_MS);
    expect(text).toContain('not running; it last said something at 2026-11-21 13:30:09 UTC (2.0 s ago)');
    expect(text).toContain('dropped does not hold for profiling: please report it');
  });

  test('fits a hundred columns', () => {
    for (const line of statusText(status, true, NOW_MS).split('\n'))
      expect(line.length).toBeLessThanOrEqual(105);
  });
});
