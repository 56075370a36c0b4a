import { HOUR, type FleetRun } from '../draw/fleet.ts';
import type { LaneFacts } from './job.ts';
import { rowsBetween, type DeviceLedger } from './ledger.ts';

/**
 * The lanes in which the SM activity of a job's devices is read, by table, and how far their samples are apart, µs. A GPU that is
 * cut is looked at with all of its instances, in whole hours.
 * @param seenUs of the lane that decides time, as it was seen
 */
export function activityLanes(
  ledgers: readonly DeviceLedger[],
  { stays }: FleetRun,
  { table, othersUs }: LaneFacts,
  { startUs, endUs, seenUs }: { readonly startUs: number; readonly endUs: number; readonly seenUs: number },
): Map<string, number> {
  const own = ledgers.filter(({ device }) => stays.some(({ gpu }) => gpu === device.uuid));
  const parents = new Set(own.flatMap(({ device }) => device.instance?.parent ?? []));
  const asked = ledgers.filter(
    (one) =>
      own.includes(one) || parents.has(one.device.uuid) || parents.has(one.device.instance?.parent ?? ''),
  );
  const isCut = parents.size > 0;
  const fromUs = isCut ? Math.floor((startUs + 1) / HOUR) * HOUR : startUs + 1;
  const toUs = isCut ? (Math.floor(endUs / HOUR) + 1) * HOUR : endUs + 1;
  const tables = [...new Set(asked.flatMap(({ lanes }) => [...lanes.keys()]))].filter((lane) =>
    asked.some(({ lanes }) =>
      lanes.get(lane)?.smTimes.some((time) => time.fromUs < toUs && time.toUs > fromUs),
    ),
  );
  return new Map(
    tables.map((lane) => [
      lane,
      lane === table ? seenUs : (othersUs.get(lane) ?? meanUs(asked, lane, fromUs, toUs)),
    ]),
  );
}

/** Of a lane that no configuration has any more, in whole ms. */
function meanUs(asked: readonly DeviceLedger[], lane: string, fromUs: number, toUs: number): number {
  let [sumUs, steps] = [0, 0];
  for (const { lanes } of asked) {
    const rows = lanes.get(lane)!;
    const [first, end] = rowsBetween(rows, fromUs, toUs);
    for (const dtUs of rows.dtUs.subarray(first, end)) {
      sumUs += dtUs;
      if (dtUs > 0) steps += 1;
    }
  }
  return Math.round(sumUs / steps / 1000) * 1000;
}
