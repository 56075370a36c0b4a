/** Signals at bad moments, kills, and a second collector on one state directory. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, inject, test } from 'vitest';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { forward, httpServer, type BadServer } from '../helpers/bad-server.ts';
import { writeJournalStart } from '../helpers/journal-start.ts';
import {
  countRows,
  createPlace,
  expectEachRowOnce,
  startResident,
  withStore,
  type Place,
  type Resident,
} from '../helpers/resident.ts';

const CONFIG = 'source: synthetic\nsynthetic: { gpus: 2 }';
const SOME_ROWS = 40;
let proxy: BadServer | undefined;

afterEach(async () => {
  await proxy?.close();
  proxy = undefined;
});

async function seeRows({ table }: Place, moreThan = SOME_ROWS): Promise<void> {
  await withStore(inject('questdbConf'), async (db) => {
    await expect.poll(() => countRows(db, table)).toBeGreaterThan(moreThan);
  });
}

interface Door {
  readonly conf: string;
  readonly held: () => number;
  readonly letGo: () => void;
  /** From now on no row is taken. */
  readonly refuseRows: () => void;
  /** When a row was last offered in vain, monotonic ms. */
  readonly lastRefusedMs: () => number;
}

/** The real server behind a door that holds back what it is told to, until it is let go. */
async function openDoor(isHeld: (url: string) => boolean): Promise<Door> {
  let waiting: (() => void)[] = [];
  let [held, isOpen, isRefusing, lastRefusedMs] = [0, false, false, 0];
  proxy = await httpServer((request, response) => {
    const pass = (): void => {
      forward(inject('questdbUrl'), request, response);
    };
    if (isRefusing && request.url?.startsWith('/write') === true) {
      lastRefusedMs = performance.now();
      response.writeHead(503).end();
      return;
    }
    if (isOpen || !isHeld(request.url ?? '')) {
      pass();
      return;
    }
    held += 1;
    waiting.push(pass);
  });
  return {
    conf: `http::addr=${proxy.addr};`,
    held: () => held,
    letGo: () => {
      isOpen = true;
      for (const pass of waiting) pass();
      waiting = [];
    },
    refuseRows: () => {
      isRefusing = true;
      lastRefusedMs = performance.now();
    },
    lastRefusedMs: () => lastRefusedMs,
  };
}

test('one wish that comes three times, as timeout and shells send it, leaves nothing out', async () => {
  const place = createPlace(CONFIG);
  const { child, ended } = startResident(place, inject('questdbConf'));
  await seeRows(place);
  for (let n = 0; n < 3; n += 1) child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  await expectEachRowOnce(inject('questdbConf'), place);
});

test('a second wish ends it at once, and the next life sends what was left', async () => {
  const place = createPlace(CONFIG);
  let isStuck = false;
  const door = await openDoor((url) => isStuck && url.startsWith('/write'));
  const { child, logged, ended } = startResident(place, door.conf);
  await seeRows(place);
  isStuck = true;
  await expect.poll(door.held).toBeGreaterThan(0);
  child.kill('SIGTERM');
  await logged('run.stopping');
  // An echo of the first one is none.
  await sleep(600);
  child.kill('SIGTERM');
  expect(await ended).toEqual([143, null]);
  door.letGo();
  const next = startResident(place, inject('questdbConf'));
  await next.logged('delivery.recovered');
  await next.logged('run.started');
  next.child.kill('SIGTERM');
  expect(await next.ended).toEqual([0, null]);
  await expectEachRowOnce(inject('questdbConf'), place);
});

test('killed twice: the lock is free at once, a second collector is refused, and every row is there once', async () => {
  const place = createPlace(CONFIG);
  const conf = inject('questdbConf');
  for (let life = 1; life <= 2; life += 1) {
    const { child, ended } = startResident(place, conf);
    await seeRows(place, life * SOME_ROWS);
    const second = startResident(place, conf);
    expect(await second.ended).toEqual([75, null]);
    const words = `another gpuledger (process ${String(child.pid)})`;
    expect(second.log().some(({ text }) => text.includes(words))).toBe(true);
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
  }
  const last = startResident(place, conf);
  await last.logged('run.started');
  await seeRows(place, 3 * SOME_ROWS);
  last.child.kill('SIGTERM');
  expect(await last.ended).toEqual([0, null]);
  await expectEachRowOnce(conf, place);
});

/** A collector whose samples are about to get the label of a fact that came late: the store has not begun with it. */
async function startLate(): Promise<{
  readonly place: Place;
  readonly door: Door;
  readonly resident: Resident;
  /** So many samples of both GPUs bear it at least, also those of the seconds before it was told. */
  readonly expectLabelled: () => Promise<void>;
}> {
  const journal = join(createPlace('').directory, 'jobs');
  mkdirSync(journal);
  const place = createPlace(`${CONFIG}\njobs: { journal_dir: ${journal} }`);
  const isRelabel = (url: string): boolean =>
    decodeURIComponent(url.replaceAll('+', ' ')).includes(`INSERT INTO "${place.table}"`);
  const door = await openDoor(isRelabel);
  const resident = startResident(place, door.conf);
  await seeRows(place);
  writeJournalStart(journal, { job: 'late', devices: '0,1' }, 3);
  await expect.poll(door.held).toBeGreaterThan(0);
  const expectLabelled = async (): Promise<void> => {
    const wrong = resident
      .log()
      .filter(({ event, text }) => event !== 'store.away' && /destroyed|closed|cannot/.test(text));
    expect(wrong).toEqual([]);
    const labelled = await withStore(inject('questdbConf'), async (db) => {
      await waitForVisible(db, place.table);
      const { rows } = await db.exec(`SELECT count() FROM ${place.table} WHERE job_id = 'late'`);
      return Number(rows[0]![0]);
    });
    expect(labelled).toBeGreaterThanOrEqual(2 * 15);
  };
  return { place, door, resident, expectLabelled };
}

test('told to stop while samples get the label of a late fact: the stop waits for them', async () => {
  const { place, door, resident, expectLabelled } = await startLate();
  const { child, logged, ended } = resident;
  child.kill('SIGTERM');
  await logged('run.stopping');
  await sleep(500);
  expect(child.exitCode).toBeNull();
  door.letGo();
  expect(await ended).toEqual([0, null]);
  await expectEachRowOnce(inject('questdbConf'), place);
  await expectLabelled();
});

test('the same where the store takes no row any more: no flush waits for them, the stop does', async () => {
  const { place, door, resident, expectLabelled } = await startLate();
  const { child, logged, ended } = resident;
  door.refuseRows();
  child.kill('SIGTERM');
  await logged('run.stopping');
  // The last flush has given up.
  await expect.poll(() => performance.now() - door.lastRefusedMs()).toBeGreaterThan(1_500);
  expect(child.exitCode).toBeNull();
  door.letGo();
  expect(await ended).toEqual([75, null]);
  await expectLabelled();
  const next = startResident(place, inject('questdbConf'));
  await next.logged('run.started');
  await seeRows(place, 2 * SOME_ROWS);
  next.child.kill('SIGTERM');
  expect(await next.ended).toEqual([0, null]);
  await expectEachRowOnce(inject('questdbConf'), place);
});
