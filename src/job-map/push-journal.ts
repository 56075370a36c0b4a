import { uptime } from 'node:os';
import type { Device } from '../core/devices/device.ts';
import type { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { OwnershipChange } from '../core/jobs/interval.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { createLateFacts } from './late-facts.ts';
import { readBoot } from '../ownership/boot.ts';
import { createJournalInput } from '../ownership/journal/journal.ts';
import { readProcDevices, withNeighbours } from '../ownership/proc-devices.ts';
import { askScontrol } from '../ownership/slurm/scontrol.ts';
import { quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from '../questdb/http.ts';
import { withMergedJobs } from '../questdb/rows/merged-jobs.ts';
import { createSmallTables } from '../questdb/rows/small-tables.ts';

export interface PushOptions {
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

/** A scheduler that is asked about devices answers within this time, or not in this run. */
const SCHEDULER_WAIT_MS = 10_000;
const POLL_MS = 50;

/**
 * Writes what a journal says to the store, in one short run: for nodes whose samples are fetched from elsewhere, and for
 * the controller. Running it again writes the same rows.
 */
export async function pushJournal(db: QuestDb, options: PushOptions): Promise<PushOutcome> {
  const { node, directory, tables, deviceMap, tell } = options;
  const devices = await devicesOf(db, node);
  let asked = 0;
  const input = createJournalInput({
    directory,
    devices,
    boot: readBoot(),
    uptimeUs: () => uptime() * 1e6,
    ...(deviceMap === undefined ? {} : { deviceMap }),
    askScheduler: async (conf, jobId) => {
      asked += 1;
      try {
        return await askScontrol(conf, jobId);
      } finally {
        asked -= 1;
      }
    },
  });
  const nowUs = Date.now() * 1000;
  const first = input.read(nowUs);
  const endMs = performance.now() + SCHEDULER_WAIT_MS;
  while (asked > 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  const rest = input.read(Date.now() * 1000);

  const ownership = new Ownership();
  const lateFacts = createLateFacts(db, ownership, tables, nowUs, tell);
  const changes: OwnershipChange[] = [];
  for (const fact of [...first.facts, ...rest.facts]) changes.push(...ownership.apply(fact));
  lateFacts.note(changes);
  const intervals = ownership.intervals();
  const jobs = [...first.records, ...rest.records];
  const small = withMergedJobs(db, createSmallTables(db, { tell }), tell);
  const isWritten =
    (intervals.length === 0 || (await small.writeOwnership(intervals))) &&
    (jobs.length === 0 || (await small.writeJobs(jobs)));
  const isRelabelled = isWritten && (await lateFacts.relabel());
  if (isWritten) input.acknowledge?.(nowUs);
  return {
    intervals: intervals.length,
    openIntervals: intervals.filter((interval) => interval.endUs === Infinity).length,
    jobRows: jobs.length,
    relabelledRows: lateFacts.relabelledRows,
    problems: [...(first.problems ?? []), ...(rest.problems ?? [])],
    isAllWritten: isWritten && isRelabelled,
  };
}

/** The GPUs as the driver lists them here, and what a collector has recorded of this node, MIG instances with it. */
async function devicesOf(db: QuestDb, node: string): Promise<Device[]> {
  const local = readProcDevices(node);
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
