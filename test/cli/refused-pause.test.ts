/** Goal: whoever asks for a pause that the collector's engine cannot make finds out by `gpuledger profiling status`. */
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Collector } from '../../src/collector/collector.ts';
import { createStatusKeeper } from '../../src/collector/status-keeper.ts';
import type { GpuEvent } from '../../src/core/sampling/event.ts';
import { readStatus, statusPath } from '../../src/disk/status-file.ts';
import { buildFake } from '../helpers/fakes.ts';
import { ROOT, runCommand, startProcess } from '../helpers/run-process.ts';

let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-state-'));
});
afterEach(() => {
  rmSync(stateDir, { recursive: true });
});

test('a collector of an engine that cannot pause says so in `profiling status`', async () => {
  const profiling = async (...args: string[]): Promise<string> => {
    const ended = await runCommand(['profiling', ...args, '--state-dir', stateDir]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    return ended.stdout;
  };
  const run = [`${ROOT}bin/gpuledger.js`, 'run', '--state-dir', stateDir, '--log-level', 'error'];
  const { child } = startProcess(process.execPath, run, {
    env: {
      GPULEDGER_DCGM_LIBRARY: buildFake('dcgm'),
      GPULEDGER_FAKE: 'gpus=1',
      QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;',
    },
  });
  await expect.poll(() => readStatus(statusPath(stateDir))?.deviceCount).toBe(1);
  expect(await profiling('status')).toBe('profiling is not paused\n');
  expect(JSON.parse(await profiling('status', '--json'))).toEqual({ requests: [], refused: null });
  await profiling('pause', '--name', 'ncu');
  await expect.poll(() => profiling('status')).toContain('refused');
  const text =
    'this engine cannot pause profiling: it answered NOT_SUPPORTED (-6); the request of ncu is withdrawn, sampling goes on';
  const status = await profiling('status');
  expect(status).toMatch(/^profiling is not paused\nrefused at 20\d\d-\d\d-\d\dT[\d:.]+Z: /);
  expect(status).toContain(`: ${text}\n`);
  const told = JSON.parse(await profiling('status', '--json')) as { refused: { tsUs: number } };
  expect(told).toEqual({ requests: [], refused: { tsUs: told.refused.tsUs, text } });
  expect(Math.abs(told.refused.tsUs / 1000 - Date.now())).toBeLessThan(600_000);
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  expect(await profiling('status')).toBe(status);
});

test('the status has the newest refusal at once, until a pause begins', () => {
  const keeper = createStatusKeeper(stateDir, { startMs: 1, store: 'http://n1:9000' }, () => undefined);
  const hear = (kind: GpuEvent['kind'], text: string): void => {
    keeper.hear({
      level: 'warn',
      code: 'source.event',
      sentence: text,
      events: [{ tsUs: 2_000, kind, subject: 'profiling', text }],
    });
  };
  const refusal = (): unknown => readStatus(statusPath(stateDir))?.pauseRefusal;
  hear('pause_refused', 'no');
  expect(readStatus(statusPath(stateDir))).toBeUndefined();
  const collector = { description: '', devices: [{ node: 'n1' }], source: 'dcgm', account: () => [] };
  keeper.write(collector as unknown as Collector, { rssBytes: 1 });
  expect(refusal()).toEqual({ atMs: 2, text: 'no' });
  hear('pause_refused', 'never');
  expect(refusal()).toEqual({ atMs: 2, text: 'never' });
  hear('gap', 'away');
  expect(refusal()).toEqual({ atMs: 2, text: 'never' });
  hear('paused', 'profiling paused');
  expect(refusal()).toBeUndefined();
});

test('a status that cannot be written is told once, until it can', () => {
  const told: string[] = [];
  const keeper = createStatusKeeper(
    stateDir,
    { startMs: 1, store: 'http://n1:9000' },
    ({ level, code }) => level !== 'debug' && told.push(code),
  );
  const collector = { description: '', devices: [{ node: 'n1' }], source: 'dcgm', account: () => [] };
  const write = (): void => {
    keeper.write(collector as unknown as Collector, { rssBytes: 1 });
  };
  const path = statusPath(stateDir);
  mkdirSync(path);
  write();
  write();
  expect(told).toEqual(['state.disk']);
  rmdirSync(path);
  write();
  expect(told).toHaveLength(1);
  rmSync(path);
  mkdirSync(path);
  write();
  expect(told).toHaveLength(2);
});
