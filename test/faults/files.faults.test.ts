/** Files of others that are no files, under a running collector. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { formatJournalRecord } from '../../schemas/journal-record.ts';
import { countRows, createPlace, expectEachRowOnce, startResident, withStore } from '../helpers/resident.ts';

const CONFIG = 'source: synthetic\nsynthetic: { gpus: 2 }';

async function seeRows(table: string, moreThan: number): Promise<void> {
  await withStore(inject('questdbConf'), async (db) => {
    await expect.poll(() => countRows(db, table)).toBeGreaterThan(moreThan);
  });
}

test('links, pipes, sockets and directories in the job journal hold nobody up, and forge nothing', async () => {
  const { directory } = createPlace('');
  const journal = join(directory, 'jobs');
  mkdirSync(journal);
  const record = {
    event: 'start',
    manager: 'shell',
    job: 'forged',
    devices: '0,1',
    uptime: '1',
    boot_id: '0-0',
  };
  const elsewhere = join(directory, 'elsewhere');
  writeFileSync(elsewhere, formatJournalRecord(record));
  const at = (name: string): string => join(journal, `forged.start.${name}.job`);
  symlinkSync(elsewhere, at('link'));
  symlinkSync('/dev/zero', at('endless'));
  symlinkSync('/nowhere/at/all', at('dangling'));
  execFileSync('mkfifo', [at('pipe')]);
  mkdirSync(at('directory'));
  const socket = createServer().listen(at('socket'));
  onTestFinished(() => {
    socket.close();
  });
  const place = createPlace(`${CONFIG}\njobs: { journal_dir: ${journal} }`);
  const { child, log, ended } = startResident(place, inject('questdbConf'));
  await seeRows(place.table, 40);
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  await expectEachRowOnce(inject('questdbConf'), place);
  await withStore(inject('questdbConf'), async (db) => {
    const { rows } = await db.exec(`SELECT count() FROM gpu_ownership WHERE node = '${place.node}'`);
    expect(rows).toEqual([[0]]);
  });
  const told = log()
    .filter(({ event }) => event.startsWith('journal.'))
    .map(({ text }) => text);
  for (const name of ['link', 'endless', 'dangling', 'pipe', 'directory', 'socket'])
    expect(told.filter((text) => text.includes(at(name)))).toHaveLength(1);
});
