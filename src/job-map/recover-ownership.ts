import type { Device } from '../core/devices/device.ts';
import { UNRESOLVED_JOB_ID } from '../core/jobs/label.ts';
import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { REMEMBERED_US } from '../core/jobs/relabel.ts';
import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readNodeOwnership } from '../questdb/reads/stored-ownership.ts';
import type { OwnershipSession } from './session.ts';

export interface RecoverOptions {
  readonly devices: readonly Device[];
  /** Sample tables, in which a device was last seen. */
  readonly tables: readonly string[];
  /** Epoch µs of this boot of the node; -Infinity where it is not known. */
  readonly bootUs: number;
  /** Epoch µs at which this life began. */
  readonly lifeStartUs: number;
  /** Whether the inputs that show who is there now were read: then nobody else is there. */
  readonly arePicturesRead: boolean;
}

/** Inputs that show who is there now, and cannot tell of one who left while nobody looked. */
const PICTURE_SOURCES = new Set(['map-dir', 'gpustat']);
const RECOVERED_SOURCES = ['journal', ...PICTURE_SOURCES];

/**
 * Takes over what a former life has stored of these devices, and closes what that life could not close: jobs of a node that
 * went down (journal and map files in /run are gone with it), and jobs that left a map while no collector looked. Both ended
 * when the device was last sampled.
 *
 * @returns intervals whose stored row is no longer right. What is stored already is no change.
 * @throws OperatingError when the store does not answer; nothing is taken over then.
 */
export async function recoverOwnership(
  db: QuestDb,
  session: OwnershipSession,
  options: RecoverOptions,
): Promise<OwnershipChange[]> {
  const sinceUs = options.lifeStartUs - REMEMBERED_US;
  const stored = await readNodeOwnership(db, options.devices, RECOVERED_SOURCES, sinceUs);
  const endsUs = new Map<Interval, number>();
  for (const interval of stored) {
    const untilUs = goneBeforeUs(interval, session.ownership, options);
    if (untilUs === undefined) continue;
    endsUs.set(interval, await lastSampleUs(db, options.tables, interval, untilUs));
  }
  return session.adopt(stored, endsUs);
}

/** The time, epoch µs, before which the job of an open interval had gone; undefined when it may still be there. */
function goneBeforeUs(
  { startUs, endUs, source, gpu, jobId }: Interval,
  ownership: Ownership,
  { bootUs, lifeStartUs, arePicturesRead }: RecoverOptions,
): number | undefined {
  if (endUs !== Infinity) return undefined;
  if (startUs < bootUs) return bootUs;
  if (!arePicturesRead) return undefined;
  if (!PICTURE_SOURCES.has(source) && jobId !== UNRESOLVED_JOB_ID) return undefined;
  const isThere = ownership.ownersAt(gpu, lifeStartUs).some((owner) => owner.jobId === jobId);
  return isThere ? undefined : lifeStartUs;
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
