/**
 * Goal: a QuestDB that is named, or named no more, from one SIGHUP to the next is recorded into from then on, or no longer, and scrapes go on all
 * the while. Method: the built command on synthetic GPUs beside a real QuestDB.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openQuestDb } from '../../src/questdb/http.ts';
import { startExporter } from '../helpers/prometheus.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { countRows } from '../helpers/resident.ts';

test('SIGHUP begins recording, and ends it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-store-'));
  const server = await startTestQuestdb();
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  onTestFinished(async () => {
    await db.close();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const config = join(directory, 'gpuledger.yaml');
  const lanes = `flush: { interval: 1s }
lanes: [{ name: now, interval: 1s, fields: [power_watts] }]
`;
  writeFileSync(config, lanes);
  const { address, pid, log } = await startExporter(
    ['--source', 'synthetic', '--gpus', '1', '--config', config, '--state-dir', directory],
    { QDB_CLIENT_CONF: undefined },
  );
  const rowCount = async (): Promise<number> => await countRows(db, 'gpu_now');
  const isServed = async (): Promise<boolean> =>
    (await (await fetch(`http://${address}/metrics`)).text()).includes('DCGM_FI_DEV_POWER_USAGE{');
  const told = (words: string) => async (): Promise<boolean> => {
    expect(await isServed()).toBe(true);
    return log.some((line) => line.includes(words));
  };
  await expect.poll(isServed).toBe(true);
  expect(log.some((line) => line.includes('nothing is recorded'))).toBe(true);
  expect(await rowCount()).toBe(0);

  writeFileSync(config, `questdb: { client_conf: "${server.conf}" }\n${lanes}`);
  process.kill(pid, 'SIGHUP');
  await expect.poll(rowCount).toBeGreaterThan(0);
  expect(await isServed()).toBe(true);

  writeFileSync(config, lanes);
  process.kill(pid, 'SIGHUP');
  await expect.poll(told('nothing is recorded: no QuestDB is configured any more')).toBe(true);
  // What it had is written: no sample is missing between the first and the last.
  const rows = await db.exec('SELECT count(), count_distinct(ts), sum(dt_us) FROM gpu_now');
  expect(rows.rows[0]![0]).toBe(rows.rows[0]![1]);
  writeFileSync(config, `questdb: { client_conf: "${server.conf}" }\n${lanes}`);
  const before = await rowCount();
  process.kill(pid, 'SIGHUP');
  await expect.poll(rowCount).toBeGreaterThan(before);
  expect(await isServed()).toBe(true);
});
