/** Goal: a ring journal that somebody removes or cuts under a running collector is told, and begun anew, once. */
import { existsSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { realDisk } from '../../src/disk/disk.ts';
import { readRingJournal } from '../../src/disk/ring-journal-read.ts';
import { startSampler } from '../../src/sampler/sampler.ts';

test('it is told, and begun anew; the second time it is told only', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-journal-gone-'));
  const path = join(directory, '7.journal');
  const told: string[] = [];
  const sampler = await startSampler(
    {
      name: 'synthetic',
      scenario: { kind: 'steady', seed: 1, nodes: 1, gpusPerNode: 2, startUs: Date.now() * 1000 },
    },
    [
      {
        ...{ name: 'fast', intervalMs: 10, isContinuous: true, fieldIds: [155], capacityTicks: 1000 },
        journal: { id: 7, path, table: 'gpu_fast' },
      },
    ],
    { kind: 'real' },
    {
      onEvent: () => undefined,
      onMissed: () => undefined,
      onJournalFailed: (lane, message) => told.push(`${lane}: ${message}`),
    },
  );
  onTestFinished(async () => {
    sampler.control.stop();
    await sampler.ended;
    rmSync(directory, { recursive: true });
  });
  const rows = (): number => readRingJournal(realDisk, path, 0)?.rows ?? 0;
  await expect.poll(rows, { interval: 5 }).toBeGreaterThan(4);
  rmSync(path);
  const sentence = 'fast: its file was removed or cut by somebody else';
  await expect.poll(() => told, { interval: 5 }).toEqual([sentence]);
  await expect.poll(() => existsSync(path) && rows() > 4, { interval: 5 }).toBe(true);
  expect(readRingJournal(realDisk, path, 0)?.loss).toMatch(/^lacks \d+ of its ticks$/);
  truncateSync(path, 5000);
  await expect.poll(() => told, { interval: 5 }).toEqual([sentence, sentence]);
  const { sampledRows } = sampler.rings[0]!;
  await expect.poll(() => sampler.rings[0]!.sampledRows, { interval: 5 }).toBeGreaterThan(sampledRows + 4);
  expect(told).toHaveLength(2);
});
