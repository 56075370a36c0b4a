import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Ownership } from '../../../src/core/jobs/ownership.ts';
import { UNOWNED } from '../../../src/core/jobs/label.ts';
import { affectedWindow, RelabelBacklog } from '../../../src/core/jobs/relabel.ts';
import type { JobFact } from '../../../src/core/jobs/job-fact.ts';
import { relabelSamples } from '../../../src/questdb/rows/relabel-samples.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { sendRows } from '../../helpers/send-rows.ts';

const HOUR_US = 3600e6;
function fact(kind: JobFact['kind'], atUs: number, jobId: string, share = 1): JobFact {
  return { kind, atUs, node: 'n1', gpu: 'GPU-0', jobId, run: 0, share, source: 'test' };
}

describe('which samples a late fact concerns', () => {
  test.each([
    {
      what: 'a new interval: all of it',
      before: [],
      fact: fact('start', 10, '7'),
      windows: [[10, Infinity]],
    },
    {
      what: 'an end: what comes after it',
      before: [fact('start', 10, '7')],
      fact: fact('end', 20, '7'),
      windows: [[20, Infinity]],
    },
    {
      what: 'an earlier end: what lies between the two',
      before: [fact('start', 10, '7'), fact('end', 30, '7')],
      fact: fact('end', 20, '7'),
      windows: [[20, 30]],
    },
    {
      what: 'a handover: the rest of the one, and the other',
      before: [fact('start', 10, '7')],
      fact: fact('start', 20, '8'),
      windows: [
        [20, Infinity],
        [20, Infinity],
      ],
    },
    {
      what: 'a share: all of the stay, whose owner set is another one',
      before: [fact('start', 10, '7', NaN), fact('end', 30, '7')],
      fact: fact('start', 10, '7', 0.5),
      windows: [[10, 30]],
    },
    {
      what: 'a start that is taken back: all of it',
      before: [fact('start', 10, '7', NaN), fact('end', 30, '7')],
      fact: fact('void', 10, '7', NaN),
      windows: [[10, 30]],
    },
    { what: 'nothing new', before: [fact('start', 10, '7')], fact: fact('start', 10, '7'), windows: [] },
  ])('$what', ({ before, fact: late, windows }) => {
    const ownership = new Ownership();
    for (const one of before) ownership.apply(one);
    const affected = ownership.apply(late).map(affectedWindow);
    expect(affected.map(({ fromUs, toUs }) => [fromUs, toUs])).toEqual(windows);
  });
});

describe('the backlog', () => {
  const ownership = (): Ownership => new Ownership();

  test('samples that were not labelled yet need nothing', () => {
    const backlog = new RelabelBacklog();
    backlog.record(ownership().apply(fact('start', 100, '7')), 100, -Infinity);
    expect([backlog.isEmpty, backlog.hasOlder]).toEqual([true, false]);
  });

  test('windows end where the labels do; what lies before the time that is remembered is apart', () => {
    const backlog = new RelabelBacklog();
    const rememberedFromUs = 6e9 - HOUR_US;
    backlog.record(ownership().apply(fact('start', 5e9, '7')), 6e9, rememberedFromUs);
    const other = ownership();
    const start = { ...fact('start', 0, '7'), gpu: 'GPU-1' };
    backlog.record(other.apply(start), 6e9, rememberedFromUs);
    expect(backlog.take()).toEqual([
      { gpu: 'GPU-0', fromUs: 5e9, toUs: 6e9 },
      { gpu: 'GPU-1', fromUs: rememberedFromUs, toUs: 6e9 },
    ]);
    expect([backlog.isEmpty, backlog.hasOlder]).toEqual([true, true]);
    expect(backlog.takeOlder()).toEqual([
      { gpu: 'GPU-1', fromUs: 0, toUs: rememberedFromUs, isFirstTold: true },
    ]);
    expect(backlog.hasOlder).toBe(false);
    const end = { ...fact('end', 1e9, '7'), gpu: 'GPU-1' };
    backlog.record(other.apply(end), 6e9, rememberedFromUs);
    expect(backlog.takeOlder()).toEqual([
      { gpu: 'GPU-1', fromUs: 1e9, toUs: rememberedFromUs, isFirstTold: false },
    ]);
  });

  test('touching windows become one; what could not be done comes back', () => {
    const backlog = new RelabelBacklog();
    backlog.add([
      { gpu: 'GPU-0', fromUs: 10, toUs: 20 },
      { gpu: 'GPU-0', fromUs: 40, toUs: 50 },
      { gpu: 'GPU-0', fromUs: 15, toUs: 40 },
    ]);
    expect(backlog.take()).toEqual([{ gpu: 'GPU-0', fromUs: 10, toUs: 50 }]);
  });

  test('a flood of windows is bounded', () => {
    const backlog = new RelabelBacklog();
    for (let at = 0; at < 5000; at += 2) backlog.add([{ gpu: 'GPU-0', fromUs: at * 10, toUs: at * 10 + 1 }]);
    const windows = backlog.take();
    expect(windows.length).toBeLessThanOrEqual(257);
    expect(Math.max(...windows.map((window) => window.toUs))).toBe(4998 * 10 + 1);
  });
});

describe('labels between two times', () => {
  test('one stretch after the other, without gaps', () => {
    const ownership = new Ownership();
    ownership.apply(fact('start', 10, '7', 0.5));
    ownership.apply(fact('start', 20, '8', 0.5));
    ownership.apply(fact('end', 30, '7'));
    const stretches = (fromUs: number, toUs: number): unknown[] =>
      ownership
        .labelsBetween('GPU-0', fromUs, toUs)
        .map((one) => [one.fromUs, one.toUs, one.label.jobId, one.label.owners]);
    expect(stretches(5, 40)).toEqual([
      [5, 10, null, 0],
      [10, 20, '7', 1],
      [20, 30, null, 2],
      [30, 40, '8', 1],
    ]);
    expect(stretches(10, 20)).toEqual([[10, 20, '7', 1]]);
    expect(stretches(20, 20)).toEqual([]);
    expect(ownership.labelsBetween('GPU-9', 0, 5)).toEqual([{ fromUs: 0, toUs: 5, label: UNOWNED }]);
  });
});

describe('on a real QuestDB', () => {
  const table = `relabel_${process.pid}`;
  const T0_US = 1_700_000_000_000_000;
  let db: QuestDb;
  beforeAll(async () => {
    db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    await db.exec(
      `CREATE TABLE ${table} (ts TIMESTAMP, node SYMBOL, gpu SYMBOL, job_id VARCHAR, owners LONG, owner_set LONG, dt_us LONG, x DOUBLE, y DOUBLE)
       TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, gpu)`,
    );
  });
  afterAll(async () => {
    await db.exec(`DROP TABLE ${table}`);
    await db.close();
  });

  async function rows(columns: string): Promise<unknown[][]> {
    await waitForVisible(db, table);
    return (await db.exec(`SELECT ${columns} FROM ${table} ORDER BY ts, gpu`)).rows.map((row) => [...row]);
  }

  test('whole rows are written again: labels move, values stay to the last bit', async () => {
    const lines: string[] = [];
    for (let tick = 1; tick <= 40; tick += 1) {
      for (const gpu of ['GPU-0', 'GPU-1']) {
        const y = tick % 3 === 0 ? 'NaN' : '-0.1';
        lines.push(`${table},node=n1,gpu=${gpu} owners=0i,dt_us=1i,x=${tick / 3},y=${y} ${T0_US + tick}t`);
      }
    }
    expect((await sendRows(db, `${lines.join('\n')}\n`)).unsent).toBeUndefined();
    const before = await rows('ts, node, gpu, dt_us, x, y');

    const ownership = new Ownership();
    const odd = 'a \'job\' with\nodd "name" \u{1f389}';
    ownership.apply(fact('start', T0_US + 10, odd, 0.5));
    ownership.apply(fact('end', T0_US + 25, odd));
    ownership.apply(fact('start', T0_US + 20, '8', 0.5));
    const order = { gpu: 'GPU-0', stretches: ownership.labelsBetween('GPU-0', T0_US, T0_US + 30) };
    expect(await relabelSamples(db, table, [order])).toBe(20);

    expect(await rows('ts, node, gpu, dt_us, x, y')).toEqual(before);
    const labels = (await rows('gpu, job_id, owners, cast(owner_set AS STRING)'))
      .filter(([gpu]) => gpu === 'GPU-0')
      .map(([, job, owners, set]) => [job, owners, set]);
    const setAt = (tick: number): string | null => ownership.labelAt('GPU-0', T0_US + tick).ownerSet;
    expect(new Set([11, 21, 26].map(setAt)).size).toBe(3);
    const expected = Array.from({ length: 40 }, (_, index) => {
      const tick = index + 1;
      if (tick <= 10 || tick > 30) return [null, 0, null];
      if (tick <= 20) return [odd, 1, setAt(11)];
      return tick <= 25 ? [null, 2, setAt(21)] : ['8', 1, setAt(26)];
    });
    expect(labels).toEqual(expected);
    expect((await rows('gpu, owners')).filter(([gpu, owners]) => gpu === 'GPU-1' && owners !== 0)).toEqual(
      [],
    );
    // What is right already is left alone.
    expect(await relabelSamples(db, table, [order])).toBe(0);

    // A share that is told later is another set, also where the owner stays; all of the device is none.
    const later = new Ownership();
    later.apply(fact('start', T0_US + 10, odd, 0.25));
    later.apply(fact('end', T0_US + 25, odd));
    later.apply(fact('start', T0_US + 25, '8', 1));
    const again = { gpu: 'GPU-0', stretches: later.labelsBetween('GPU-0', T0_US, T0_US + 30) };
    expect(await relabelSamples(db, table, [again])).toBe(20);
    expect(await relabelSamples(db, table, [again])).toBe(0);
    const sets = (await rows('gpu, owners, cast(owner_set AS STRING)')).filter(([gpu]) => gpu === 'GPU-0');
    expect(sets.map(([, , set]) => set)).toEqual(
      Array.from({ length: 40 }, (_, tick) => later.labelAt('GPU-0', T0_US + tick + 1).ownerSet),
    );
    expect(new Set(sets.map(([, , set]) => set)).size).toBe(2);
  });
});
