import { asClusterName } from '../core/devices/cluster-name.ts';
import type { Device } from '../core/devices/device.ts';
import type { OperatingError } from '../core/base/errors.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import { differ } from '../core/jobs/job-runs.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { relabelStored } from './late-facts.ts';
import { readBoot } from '../ownership/boot.ts';
import { loadJobInputs, newestLife, openForeignJournal } from '../ownership/open-inputs.ts';
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
  /** Of what the journal tells without one; absent: as the node's devices are recorded. */
  readonly cluster?: string | undefined;
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
  const { tables, tell } = options;
  const { devices, isHere, inputs } = await openJournal(db, options);
  const nowUs = Date.now() * 1000;
  const session = openOwnership({
    inputs,
    ownership: new Ownership(),
    labelledUntilUs: nowUs,
    cluster: options.cluster ?? devices[0]?.cluster,
  });
  const recovered = await recoverOwnership(db, session, {
    ...{ devices, tables, lifeStartUs: nowUs, arePicturesRead: false },
    // A node that somebody else speaks for had its own boots.
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

/** The journal, read as what it is: this machine's, or another one's. */
async function openJournal(
  db: QuestDb,
  { node, cluster, directory, deviceMap }: PushOptions,
): Promise<{
  readonly devices: readonly Device[];
  readonly isHere: boolean;
  readonly inputs: readonly JobInput[];
}> {
  const life = newestLife(directory);
  const { devices, isHere, isForeign } = whoseJournal({
    recorded: ofCluster(await recordedDevices(db, node), life.cluster ?? cluster),
    local: readProcDevices(node),
    isOfThisBoot: life.boot.id === readBoot().id,
  });
  if (isForeign) return { devices, isHere, inputs: await openForeignJournal(directory, devices, deviceMap) };
  const open = await loadJobInputs({ journalDir: directory, ...(deviceMap && { deviceMap }) });
  return { devices, isHere, inputs: open(devices) };
}

/** Whether a journal is this machine's, whose boot and whose driver then count, and of which devices it tells. */
export function whoseJournal(known: {
  /** GPUs and instances of the node as a collector or a drain has recorded them. */
  readonly recorded: readonly Device[];
  /** GPUs of this machine. */
  readonly local: readonly Device[];
  /** Its newest record was written since this machine was booted, and on it. */
  readonly isOfThisBoot: boolean;
}): {
  readonly devices: readonly Device[];
  /** The node's GPUs are those of this machine. */
  readonly isHere: boolean;
  /** Another machine's: its boots are its own, and nothing here tells of its GPUs. */
  readonly isForeign: boolean;
} {
  const { recorded, local, isOfThisBoot } = known;
  const ours = recorded.filter(({ uuid, parentUuid }) =>
    local.some((one) => one.uuid === (parentUuid ?? uuid)),
  );
  const isHere = ours.length > 0;
  if (!isHere && !isOfThisBoot) return { devices: recorded, isHere, isForeign: true };
  // What was recorded may have been taken out since; where the driver can be asked, it knows what is there.
  return {
    devices: local.length === 0 ? recorded : withNeighbours(ours, local),
    isHere,
    isForeign: false,
  };
}

/** Two clusters may each have a node of one name. */
function ofCluster(recorded: readonly Device[], cluster: string | undefined): readonly Device[] {
  return recorded.filter((one) => !differ(one.cluster && asClusterName(one.cluster), cluster));
}

/** What a collector or a drain has recorded of a node, MIG instances with it. */
async function recordedDevices(db: QuestDb, node: string): Promise<readonly Device[]> {
  const { rows } = await db.exec(
    'SELECT gpu, gpu_index, model, memory_bytes, parent, gpu_instance, compute_instance, mig_profile, pci_bus_id, cluster' +
      ` FROM (SELECT * FROM gpu_inventory WHERE node = ${quoteText(node)} LATEST ON ts PARTITION BY gpu)`,
  );
  const text = (cell: unknown): string => (typeof cell === 'string' ? cell : '');
  return rows.map(
    ([gpu, index, model, memory, parent, instance, compute, profile, bus, cluster]): Device => ({
      uuid: text(gpu),
      ...(cluster === null ? {} : { cluster: text(cluster) }),
      node,
      index: Number(index),
      model: text(model),
      memoryBytes: Number(memory),
      ...(bus === null ? {} : { pciBusId: text(bus) }),
      ...(parent === null ? {} : { parentUuid: text(parent) }),
      // Rows of former versions have no number of the instance: it is one all the same, by its parent.
      ...(instance === null ? {} : { gpuInstanceId: Number(instance) }),
      ...(compute === null ? {} : { computeInstanceId: Number(compute) }),
      ...(profile === null ? {} : { migProfile: text(profile) }),
    }),
  );
}
