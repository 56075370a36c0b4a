import { asClusterName } from '../core/devices/cluster-name.ts';
import type { Device } from '../core/devices/device.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { RelabelWindow } from '../core/jobs/relabel.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import { differ } from '../core/jobs/job-runs.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import type { Interval } from '../core/jobs/interval.ts';
import { relabelStored } from './late-facts.ts';
import { createJobFiguresWriter } from './job-figures.ts';
import { createLateWork, type LateWorkDone } from './late-work.ts';
import { readBoot } from '../ownership/boot.ts';
import { loadJobInputs, newestLife, openForeignJournal } from '../ownership/open-inputs.ts';
import { readProcDevices, withNeighbours } from '../ownership/proc-devices.ts';
import { recoverOwnership } from './recover-ownership.ts';
import { quoteText } from '../../schemas/tables.ts';
import type { DevicesOfCluster } from '../ownership/scheduler.ts';
import type { QuestDb } from '../questdb/http.ts';
import { withKnownSets } from '../questdb/rows/known-sets.ts';
import { withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly } from '../disk/dead-letter.ts';
import { createSmallTables, type SmallTables } from '../questdb/rows/small-tables.ts';
import { keyOf, openOwnership, type OwnershipSession } from './session.ts';

export interface PushOptions {
  readonly node: string;
  /** Of what the journal tells without one; absent: as the node's devices are recorded. */
  readonly cluster?: string | undefined;
  /** The journal. */
  readonly directory: string;
  /** Sample tables, whose labels follow. */
  readonly tables: readonly string[];
  /** Position in the scheduler's list of GPUs → device UUID, where the site knows better than gres.conf. */
  readonly deviceMap?: ReadonlyMap<number, string>;
  /** Lanes of these tables: figures of ended runs of long ago are written again where late facts changed them. Absent: they are not. */
  readonly lanes?: readonly Lane[];
  /** Hears how far samples of long ago are labelled again. */
  readonly onProgress?: (words: string) => void;
  readonly tell: Tell;
}

export interface PushOutcome {
  readonly intervals: number;
  readonly openIntervals: number;
  readonly jobRows: number;
  readonly relabelledRows: number;
  /**
   * Records that are cut off or not as expected; all of a journal of which nobody can tell which cluster's it is. `problems`
   * says why of each.
   */
  readonly refusedRecords: number;
  readonly problems: readonly OperatingError[];
  readonly isAllWritten: boolean;
}

const NOTHING_PUSHED = { intervals: 0, openIntervals: 0, jobRows: 0, relabelledRows: 0, isAllWritten: true };

/**
 * Writes what a journal says to the store, in one short run: for nodes whose samples are fetched from elsewhere, and for
 * the controller. Running it again writes the same rows.
 * @throws OperatingError when the store does not answer
 */
export async function pushJournal(db: QuestDb, options: PushOptions): Promise<PushOutcome> {
  const { tables, tell } = options;
  const { devices, isHere, inputs, cluster, refusal } = await openJournal(db, options);
  if (refusal !== undefined)
    return { ...NOTHING_PUSHED, refusedRecords: refusal.records, problems: [refusal.error] };
  const nowUs = Date.now() * 1000;
  const session = openOwnership({
    inputs,
    ownership: new Ownership(),
    labelledUntilUs: nowUs,
    cluster,
  });
  const recovered = await recoverOwnership(db, session, {
    devices,
    tables,
    lifeStartUs: nowUs,
    arePicturesRead: false,
    // A node that somebody else speaks for had its own boots.
    bootUs: isHere ? readBoot().timeUs : -Infinity,
  });
  const { facts, changes, records, problems } = await session.readOnce(nowUs);
  // All that the journal tells is written, though the store may have it: a run that was cut off is made good by the next.
  const touched = new Set([
    ...facts.map(({ atUs, gpu, jobId }) => keyOf({ startUs: atUs, gpu, jobId })),
    ...[...recovered, ...changes].map(({ interval }) => keyOf(interval)),
  ]);
  const ownerSets = session.takeOwnerSets();
  const own = createSmallTables(withBisect(db, toldOnly(tell), tell), tell);
  const small = withMergedJobs(db, withKnownSets(db, own, tell), tell);
  const areSetsWritten = ownerSets.length === 0 || (await small.writeOwnerSets(ownerSets));
  const relabelled = areSetsWritten ? await relabelAll(db, session, small, options) : NOTHING_DONE;
  const intervals = session.ownership.intervals().filter((interval) => touched.has(keyOf(interval)));
  const rows = [...relabelled.corrected, ...intervals];
  // After the samples: what is stored as it is told is in them, and is not looked at again.
  const isWritten =
    relabelled.isDone &&
    (rows.length === 0 || (await small.writeOwnership(rows))) &&
    (records.length === 0 || (await small.writeJobs(records)));
  if (isWritten) session.acknowledge(nowUs);
  if (isWritten) await renewFigures(db, relabelled.windows, options);
  return {
    intervals: intervals.length,
    openIntervals: intervals.filter((interval) => interval.endUs === Infinity).length,
    jobRows: records.length,
    relabelledRows: relabelled.rows,
    refusedRecords: problems.filter(({ error }) => isRefusal(error)).length,
    problems: problems.map(({ error }) => error),
    isAllWritten: isWritten,
  };
}

/** Brings all that was told into the samples. @returns rows of `gpu_ownership` that are not right beside those that were told */
async function relabelAll(
  db: QuestDb,
  session: OwnershipSession,
  small: Pick<SmallTables, 'writeOwnerSets'>,
  { tables, onProgress, tell }: PushOptions,
): Promise<LateWorkDone & { readonly isDone: boolean }> {
  const corrected: Interval[] = [];
  const windows: RelabelWindow[] = [];
  let olderRows = 0;
  const late = createLateWork({
    db,
    tables,
    session,
    areRowsLast: true,
    tell,
    storeSets: (sets) => small.writeOwnerSets(sets),
    onRead: ({ firstTold }) => {
      session.adopt(firstTold);
    },
    onDone: (done) => {
      corrected.push(...done.corrected);
      windows.push(...done.windows);
      olderRows += done.rows;
    },
  });
  if (!(await late.finish(onProgress))) return { ...NOTHING_DONE, rows: olderRows };
  const { rows, isDone } = await relabelStored(session, db, tables, tell);
  return { rows: rows + olderRows, isDone, corrected, windows };
}

const NOTHING_DONE = { rows: 0, isDone: false, corrected: [], windows: [] };

async function renewFigures(
  db: QuestDb,
  windows: readonly RelabelWindow[],
  { lanes, tell }: PushOptions,
): Promise<void> {
  if (lanes === undefined || windows.length === 0) return;
  const writer = createJobFiguresWriter({ db, lanes, gpus: [], nowUs: () => Date.now() * 1000, tell });
  writer.renew(windows, 0);
  for (let left = Infinity; writer.piecesLeft > 0 && writer.piecesLeft < left;) {
    left = writer.piecesLeft;
    await writer.settle(0);
  }
}

/** Whether it tells why records were not taken in. */
export function isRefusal({ code }: OperatingError): boolean {
  return code === 'journal.bad_record' || code === 'journal.no_cluster';
}

interface OpenedJournal {
  readonly devices: readonly Device[];
  readonly isHere: boolean;
  readonly inputs: readonly JobInput[];
  /** Of what the journal tells without one. */
  readonly cluster: string | undefined;
  readonly refusal?: { readonly records: number; readonly error: OperatingError };
}

/** The journal, read as what it is: this machine's, or another one's. */
async function openJournal(
  db: QuestDb,
  { node, cluster: configured, directory, deviceMap }: PushOptions,
): Promise<OpenedJournal> {
  const life = newestLife(directory);
  const told = life.cluster ?? configured;
  const recorded = await recordedDevices(db, node);
  const local = readProcDevices(node);
  const { devices, isHere, isForeign } = whoseJournal({
    ...{ recorded: ofCluster(recorded, told), local },
    isOfThisBoot: life.boot.id === readBoot().id,
  });
  const clusters = new Set(devices.flatMap(({ cluster }) => (cluster ? asClusterName(cluster) : [])));
  const found = { devices, isHere, cluster: told ?? devices.find(({ cluster }) => cluster)?.cluster };
  if (told === undefined && clusters.size > 1 && life.records > 0) {
    const error = ambiguousNode(node, [...clusters].sort(), life.records, directory);
    return { ...found, inputs: [], refusal: { records: life.records, error } };
  }
  const map = deviceMap === undefined ? {} : { deviceMap };
  if (!isForeign && local.length > 0) {
    const open = await loadJobInputs({ journalDir: directory, ...map });
    return { ...found, inputs: open(devices) };
  }
  const devicesOf: DevicesOfCluster = (cluster) => ofCluster(recorded, cluster ?? told);
  const all = newestOfEach([undefined, ...life.clusters].flatMap(devicesOf));
  const inputs = isForeign
    ? await openForeignJournal(directory, all, { devicesOf, ...map })
    : (await loadJobInputs({ journalDir: directory, ...map }))(all, devicesOf);
  return { ...found, devices: all, inputs };
}

function ambiguousNode(
  node: string,
  clusters: readonly string[],
  records: number,
  directory: string,
): OperatingError {
  const what = records === 1 ? '1 record was' : `${records} records were`;
  return new OperatingError(
    `${node} is a node of ${clusters.length} clusters (${clusters.join(', ')}), and nothing tells of which this journal is: ${what} refused`,
    {
      code: 'journal.no_cluster',
      exit: 'data',
      where: directory,
      hints: ["set cluster: in the configuration to the node's own, and push again"],
    },
  );
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

/**
 * Two clusters may each have a node of one name, and a node may be moved from one to the other.
 * @param recorded the newest first
 */
function ofCluster(recorded: readonly Device[], cluster: string | undefined): readonly Device[] {
  const nameOf = (one: Device): string | undefined => one.cluster && asClusterName(one.cluster);
  const its = recorded.filter((one) => nameOf(one) === cluster);
  return newestOfEach([...its, ...recorded.filter((one) => !differ(nameOf(one), cluster))]);
}

/** @param devices the newest first; one may be there more than once */
function newestOfEach(devices: readonly Device[]): readonly Device[] {
  return devices.filter((one, at) => devices.findIndex(({ uuid }) => uuid === one.uuid) === at);
}

/** What a collector or a drain has recorded of a node in each cluster, MIG instances with it, the newest first. */
async function recordedDevices(db: QuestDb, node: string): Promise<readonly Device[]> {
  const { rows } = await db.exec(
    'SELECT gpu, gpu_index, model, memory_bytes, parent, gpu_instance, compute_instance, mig_profile, pci_bus_id, cluster, minor' +
      ` FROM (SELECT * FROM gpu_inventory WHERE node = ${quoteText(node)} LATEST ON ts PARTITION BY gpu, cluster) ORDER BY ts DESC`,
  );
  const text = (cell: unknown): string => (typeof cell === 'string' ? cell : '');
  return rows.map(
    ([gpu, index, model, memory, parent, instance, compute, profile, bus, cluster, minor]): Device => ({
      uuid: text(gpu),
      ...(cluster === null ? {} : { cluster: text(cluster) }),
      node,
      index: Number(index),
      // Rows of former versions have none, nor have those of a source that cannot ask for it.
      ...(minor === null ? {} : { minor: Number(minor) }),
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
