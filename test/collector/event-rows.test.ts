import { beforeEach, expect, it } from 'vitest';
import { createEventRows, type EventRows } from '../../src/collector/event-rows.ts';
import type { NoticeEvent } from '../../src/core/base/notice.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { noticeOfLoss } from '../../src/delivery/drop-episode.ts';
import type { EventRow } from '../../src/questdb/rows/small-tables.ts';

const START = { kind: 'start', node: 'n1', gpu: 'GPU-a', run: 0, share: 1, source: 'journal' } as const;
let ownership: Ownership;
let rows: EventRow[];
let events: EventRows;

beforeEach(() => {
  ownership = new Ownership();
  rows = [];
  events = createEventRows(ownership, (more) => rows.push(...more));
});

function tell(...told: NoticeEvent[]): void {
  events.hear({ level: 'debug', code: 'source.event', sentence: '', events: told });
}

const xid = (tsUs: number): NoticeEvent => ({
  tsUs,
  node: 'n1',
  gpu: 'GPU-a',
  kind: 'xid',
  subject: '',
  text: 'XID 79',
});

it('keeps what comes before the owners are known, and labels it then', () => {
  tell(xid(10));
  expect(rows).toEqual([]);
  ownership.apply({ ...START, atUs: 5, jobId: 'a' });
  events.open({ node: 'n1' });
  events.open({ node: 'n1' });
  expect(rows).toEqual([{ ...xid(10), jobId: 'a' }]);
});

it('labels each row with the owner at its own time, not at the time it is told', () => {
  ownership.apply({ ...START, atUs: 5, jobId: 'a' });
  ownership.apply({ ...START, atUs: 20, jobId: 'b' });
  events.open({ node: 'n1' });
  tell(xid(30), xid(10));
  tell(xid(2));
  expect(rows.map(({ tsUs, jobId }) => [tsUs, jobId])).toEqual([
    [30, 'b'],
    [10, 'a'],
    [2, null],
  ]);
});

it('gives what a former life lost to the node, which is known only once the source is open', () => {
  const lane = { ...defaultLanes[0]!, name: 'fast' };
  events.hear(noticeOfLoss(lane, { rows: 7, firstUs: 100.4, lastUs: 200.6, reason: 'the disk is full' }));
  tell(xid(300));
  events.open({ node: 'n1' });
  const text = 'lane fast: 7 rows are lost: the disk is full';
  expect(rows).toEqual([
    { tsUs: 100, endUs: 201, node: 'n1', kind: 'drop', subject: 'fast', text, jobId: null },
    { ...xid(300), jobId: null },
  ]);
});

it('calls a loss of which nothing is known unknown, and not none', () => {
  const lane = { ...defaultLanes[0]!, name: 'fast' };
  const loss = { firstUs: 1, lastUs: 2, reason: 'its ring journal is not there', isLeast: true } as const;
  expect(noticeOfLoss(lane, { ...loss, rows: 0 })).toMatchObject({
    sentence: 'lane fast: nobody can tell how many rows are lost: its ring journal is not there',
    data: { rows: null },
  });
  expect(noticeOfLoss(lane, { ...loss, rows: 3 })).toMatchObject({
    sentence: 'lane fast: at least 3 rows are lost: its ring journal is not there',
    data: { rows: 3 },
  });
});

it('puts every row into the cluster of the node, where that is known', () => {
  tell(xid(10));
  events.open({ cluster: 'alpha', node: 'n1' });
  expect(rows).toEqual([{ ...xid(10), cluster: 'alpha', jobId: null }]);
});

it('takes no row of a notice that is none', () => {
  events.open({ node: 'n1' });
  events.hear({ level: 'warn', code: 'delivery.held', sentence: '' });
  expect(rows).toEqual([]);
});

it('ends nothing before it began: the clock was set back meanwhile', () => {
  events.open({ node: 'n1' });
  tell({ ...xid(30), endUs: 10 }, { ...xid(30), endUs: 40 }, xid(30));
  expect(rows.map(({ endUs }) => endUs)).toEqual([30, 40, undefined]);
});
