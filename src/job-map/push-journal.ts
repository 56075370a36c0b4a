import type { Device } from '../core/devices/device.ts';
import type { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { relabelStored } from './late-facts.ts';
import { readBoot } from '../ownership/boot.ts';
import { loadJobInputs } from '../ownership/open-inputs.ts';
import { readProcDevices, withNeighbours } from '../ownership/proc-devices.ts';
import { recoverOwnership } from './recover-ownership.ts';
import { quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';
import { withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly } from '../disk/dead-letter.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';
import { keyOf, openOwnership } from './session.ts';

interface PushOptions {
  readonly node: string;
  /** The journal. */
  readonly directory: string;
  /** Sample tables, whose labels follow. */
  readonly tables: readonly string[];
  /** Position in the scheduler's list of GPUs → device UUID, where the site knows better than gres.conf. */
  readonly deviceMap?: ReadonlyMap<number, string>;
  readonly tell: Tell;
}

export interface PushOutcome {
  readonly intervals: number;
  readonly openIntervals: number;
  readonly jobRows: number;
  readonly relabelledRows: number;
  readonly problems: readonly OperatingError[];
  readonly isAllWritten: boolean;
}

/**
 * Writes what a journal says to the store, in one short run: for nodes whose samples are fetched from elsewhere, and for
 * the controller. Running it again writes the same rows.
 * @throws OperatingError when the store does not answer
 */
export async function pushJournal(db: QuestDb, options: PushOptions): Promise<PushOutcome> {
  const { node, directory, tables, deviceMap, tell } = options;
  const local = readProcDevices(node);
  const devices = await devicesOf(db, node, local);
  const openInputs = await loadJobInputs({
    journalDir: directory,
    ...(deviceMap === undefined ? {} : { deviceMap }),
  });
  const nowUs = Date.now() * 1000;
  const session = openOwnership({
    inputs: openInputs(devices),
    ownership: new Ownership(),
    labelledUntilUs: nowUs,
  });
  // A node that a controller speaks for had its own boots.
  const isHere = local.some((one) =>
    devices.some(({ uuid, parentUuid }) => one.uuid === (parentUuid ?? uuid)),
  );
  const recovered = await recoverOwnership(db, session, {
    ...{ devices, tables, lifeStartUs: nowUs, arePicturesRead: false },
    bootUs: isHere ? readBoot().timeUs : -Infinity,
  });
  const { facts, changes, records, problems } = await session.readOnce(nowUs);
  // All that the journal tells is written, though the store may have it: a run that was cut off is made good by the next.
  const touched = new Set([
    ...facts.map(({ atUs, gpu, jobId }) => keyOf({ startUs: atUs, gpu, jobId })),
    ...[...recovered, ...changes].map(({ interval }) => keyOf(interval)),
  ]);
  const intervals = session.ownership.intervals().filter((interval) => touched.has(keyOf(interval)));
  const small = withMergedJobs(db, createSmallTables(withBisect(db, toldOnly(tell), tell), tell), tell);
  const isWritten =
    (intervals.length === 0 || (await small.writeOwnership(intervals))) &&
    (records.length === 0 || (await small.writeJobs(records)));
  const relabelled = isWritten ? await relabelStored(session, db, tables, tell) : { rows: 0, isDone: false };
  if (isWritten) session.acknowledge(nowUs);
  return {
    intervals: intervals.length,
    openIntervals: intervals.filter((interval) => interval.endUs === Infinity).length,
    jobRows: records.length,
    relabelledRows: relabelled.rows,
    problems: problems.map(({ error }) => error),
    isAllWritten: relabelled.isDone,
  };
}

/** The GPUs as the driver lists them here, and what a collector has recorded of this node, MIG instances with it. */
async function devicesOf(db: QuestDb, node: string, local: readonly Device[]): Promise<readonly Device[]> {
  const { rows } = await db.exec(
    'SELECT gpu, gpu_index, model, memory_bytes, parent, mig_profile, pci_bus_id FROM' +
      ` (SELECT * FROM gpu_inventory WHERE node = ${quoteText(node)} LATEST ON ts PARTITION BY gpu)`,
  );
  const text = (cell: unknown): string => (typeof cell === 'string' ? cell : '');
  const recorded = rows.map(([gpu, index, model, memory, parent, profile, bus]): Device => {
    const device = {
      uuid: text(gpu),
      node,
      index: Number(index),
      model: text(model),
      memoryBytes: Number(memory),
    };
    const minor = local.find((one) => one.uuid === device.uuid)?.minor;
    return {
      ...device,
      ...(minor === undefined ? {} : { minor }),
      ...(bus === null ? {} : { pciBusId: text(bus) }),
      ...(parent === null ? {} : { parentUuid: text(parent) }),
      ...(profile === null ? {} : { migProfile: text(profile) }),
    };
  });
  // What was recorded may have been taken out since; where the driver can be asked, it knows what is there.
  const isThere = ({ uuid, parentUuid }: Device): boolean =>
    local.length === 0 || local.some((one) => one.uuid === (parentUuid ?? uuid));
  return withNeighbours(recorded.filter(isThere), local);
}
