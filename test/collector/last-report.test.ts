/** Goal: what a collector that was stopped reported last is what it left behind. Method: the real command, a real store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { runCommand } from '../helpers/run-process.ts';

test('nothing waits in the last report of a collector that wrote all it had', async () => {
  const state = mkdtempSync(join(tmpdir(), 'gpuledger-last-'));
  const store = await startTestQuestdb();
  onTestFinished(async () => {
    await store.stop();
    rmSync(state, { recursive: true });
  });
  const env = {
    ...{ QDB_CLIENT_CONF: store.conf, GPULEDGER_STATE_DIR: state },
    // Nothing is flushed before the end.
    ...{ GPULEDGER_SOURCE: 'synthetic', GPULEDGER_FLUSH_INTERVAL: '10m' },
  };
  expect(await runCommand(['collect', '--for', '2s'], { env })).toMatchObject({ exitCode: 0 });
  const db = await openQuestDb(store.conf, { requestTimeoutMs: 60_000 });
  await waitForVisible(db, 'collector_stats');
  const { rows } = await db.exec(
    `SELECT lane, sampled_rows > 0, acknowledged_rows = sampled_rows, held_rows + spooled_rows FROM collector_stats
     WHERE lane = 'profiling' LATEST ON ts PARTITION BY lane`,
  );
  await db.close();
  expect(rows).toEqual([['profiling', true, true, 0]]);
});
