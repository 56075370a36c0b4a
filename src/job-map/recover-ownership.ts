import type { Device } from '../core/devices/device.ts';
import { UNRESOLVED_JOB_ID } from '../core/jobs/label.ts';
import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';

export interface RecoverOptions {
  readonly devices: readonly Device[];
  /** Sample tables, in which a device was last seen. */
  readonly tables: readonly string[];
  /** Epoch µs of this boot, and of this life of the collector. */
  readonly bootUs: number;
  readonly lifeStartUs: number;
  /** How far back closed intervals matter: late facts may still change them. */
  readonly windowUs: number;
}

/** Inputs that show who is there now, and cannot tell of one who left while nobody looked. */
const PICTURE_SOURCES = new Set(['map-dir', 'gpustat']);
const RECOVERED_SOURCES = ['journal', ...PICTURE_SOURCES];

/**
 * Takes over what a former life of the collector has stored of these devices, and closes what that life could not close:
 * jobs of a node that went down (journal and map files in /run are gone with it), and jobs that left a map while no
 * collector looked. Both ended when the device was last sampled.
 *
 * @returns intervals whose stored row is no longer right. What is stored already is no change.
 * @throws OperatingError when the store does not answer; nothing is taken over then.
 */
export async function recoverOwnership(
  db: QuestDb,
  ownership: Ownership,
  options: RecoverOptions,
): Promise<OwnershipChange[]> {
  const stored = await readIntervals(db, options);
  const ends = new Map<Interval, number>();
  for (const interval of stored) {
    const lastSeenUs = await endOf(db, ownership, interval, options);
    if (lastSeenUs !== undefined) ends.set(interval, lastSeenUs);
  }
  for (const interval of stored) {
    const { startUs, endUs, ...rest } = interval;
    ownership.apply({ ...rest, kind: 'start', atUs: startUs });
    const closedUs = ends.get(interval) ?? endUs;
    if (closedUs === startUs) ownership.apply({ ...rest, kind: 'void', atUs: startUs });
    else if (closedUs !== Infinity) ownership.apply({ ...rest, kind: 'end', atUs: closedUs });
  }
  const before = new Map(stored.map((interval) => [keyOf(interval), interval]));
  return ownership.intervals().flatMap((interval): OwnershipChange[] => {
    const was = before.get(keyOf(interval));
    if (was === undefined || was.endUs === interval.endUs) return [];
    return [{ interval, previousEndUs: was.endUs }];
  });
}

/** When an open interval of a former life ended; undefined when it may still be open. */
async function endOf(
  db: QuestDb,
  ownership: Ownership,
  interval: Interval,
  options: RecoverOptions,
): Promise<number | undefined> {
  if (interval.endUs !== Infinity) return undefined;
  const { bootUs, lifeStartUs, tables } = options;
  if (interval.startUs < bootUs) return await lastSampleUs(db, tables, interval, bootUs);
  if (!PICTURE_SOURCES.has(interval.source) && interval.jobId !== UNRESOLVED_JOB_ID) return undefined;
  const isThere = ownership
    .ownersAt(interval.gpu, lifeStartUs)
    .some((owner) => owner.jobId === interval.jobId);
  return isThere ? undefined : await lastSampleUs(db, tables, interval, lifeStartUs);
}

/** Time of the last sample of the device between the start of the interval and `untilUs`; its start when there is none. */
async function lastSampleUs(
  db: QuestDb,
  tables: readonly string[],
  { gpu, startUs }: Interval,
  untilUs: number,
): Promise<number> {
  let lastUs = startUs;
  for (const table of tables) {
    const time = `ts > cast(${startUs} AS timestamp) AND ts < cast(${untilUs} AS timestamp)`;
    const { rows } = await db.exec(
      `SELECT cast(max(ts) AS LONG) FROM ${quoteName(table)} WHERE gpu = ${quoteText(gpu)} AND ${time}`,
    );
    lastUs = Math.max(lastUs, Number(rows[0]?.[0] ?? startUs));
  }
  return lastUs;
}

async function readIntervals(
  db: QuestDb,
  { devices, lifeStartUs, windowUs }: RecoverOptions,
): Promise<Interval[]> {
  const nodes = [...new Set(devices.map((device) => device.node))].map(quoteText).join(', ');
  const sources = RECOVERED_SOURCES.map(quoteText).join(', ');
  const { rows } = await db.exec(
    'SELECT cast(ts AS LONG), cast(end_ts AS LONG), node, gpu, job_id, run, share, source FROM gpu_ownership' +
      ` WHERE node IN (${nodes}) AND source IN (${sources})` +
      ` AND (end_ts IS NULL OR end_ts > cast(${lifeStartUs - windowUs} AS timestamp))`,
  );
  return (rows as [number, number | null, string, string, string, number, number | null, string][]).map(
    ([startUs, endUs, node, gpu, jobId, run, share, source]) => ({
      ...{ startUs, endUs: endUs ?? Infinity, node, gpu, jobId, run },
      ...{ share: share ?? NaN, source },
    }),
  );
}

function keyOf({ startUs, gpu, jobId }: Interval): string {
  return `${startUs} ${gpu} ${jobId}`;
}
