import type { HadSpan } from '../../core/queue/had-and-asked.ts';
import type { KnownDevice } from '../capacity/devices.ts';
import { spansOfNode, type NodeStateSpan } from '../fleet-states/node-states.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { common, joined, without } from '../spans.ts';
import { quoteTime } from '../sql-text.ts';
import { timesOfTable } from '../table-times.ts';
import type { DeviceTime } from './figures.ts';

/** A busy cluster begins some hundred thousand stays a week. */
const PORTION_US = 7 * 24 * 3600e6;

/** When each device was somebody's in a window, by its stays; a device without any is left out. @throws what `ask` throws */
export async function readOwned(db: Asked, { fromUs, toUs }: Span): Promise<Map<string, Span[]>> {
  const stays = new Map<string, Span[]>();
  let sinceUs = -Infinity;
  const begun = await timesOfTable(db, 'gpu_ownership', { fromUs, toUs });
  for (
    let untilUs = Math.min(begun.fromUs + PORTION_US, toUs);
    ;
    untilUs = Math.min(untilUs + PORTION_US, toUs)
  ) {
    const since = sinceUs === -Infinity ? '' : ` AND ts >= ${quoteTime(sinceUs)}`;
    const rows = await ask(
      db,
      'SELECT gpu, cast(ts AS LONG) AS from_us, cast(end_ts AS LONG) AS to_us FROM gpu_ownership' +
        ` WHERE ts < ${quoteTime(untilUs)}${since} AND (end_ts IS NULL OR end_ts > ${quoteTime(fromUs)})`,
    );
    for (const row of rows) {
      const gpu = row.text('gpu') ?? '';
      const own = stays.get(gpu) ?? [];
      stays.set(gpu, own);
      own.push({ fromUs: row.number('from_us')!, toUs: row.number('to_us') ?? Infinity });
    }
    if (untilUs >= Math.min(begun.toUs, toUs)) break;
    sinceUs = untilUs;
  }
  // A stay of no time only overwrites a start that was corrected.
  return new Map([...stays].map(([gpu, own]) => [gpu, joined(own.filter((one) => one.toUs > one.fromUs))]));
}

/** Whose the time of these devices was, and when each was free. */
export function deviceTimeOf(
  devices: readonly KnownDevice[],
  owned: ReadonlyMap<string, readonly Span[]>,
  states: readonly NodeStateSpan[],
  cellOf: ReadonlyMap<string, number>,
): { readonly time: DeviceTime; readonly free: readonly HadSpan[] } {
  const statesOf = spansOfNode(states);
  const time = { knownUs: 0, ownedUs: 0, freeUs: 0, outOfUseUs: 0, untoldUs: 0 };
  const free: HadSpan[] = [];
  for (const { gpu, cluster, nodes, fromUs, toUs } of devices) {
    const known = [{ fromUs, toUs }];
    const own = common(owned.get(gpu) ?? [], known);
    const rest = without(known, own);
    const told = statesOf(cluster, nodes.at(-1) ?? '');
    const up = common(
      rest,
      told.filter(({ state }) => state === 'up'),
    );
    const out = common(
      rest,
      told.filter(({ state }) => state === 'drained' || state === 'down'),
    );
    time.knownUs += toUs - fromUs;
    time.ownedUs += lengthOf(own);
    time.freeUs += lengthOf(up);
    time.outOfUseUs += lengthOf(out);
    time.untoldUs += lengthOf(rest) - lengthOf(up) - lengthOf(out);
    const cell = cellOf.get(gpu)!;
    for (const span of up) free.push({ cell, fromUs: span.fromUs, toUs: span.toUs, gpus: 1 });
  }
  return { time, free };
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
}
