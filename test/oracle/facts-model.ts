import { SHARED_CLUSTER, type HookRecord } from './facts-world.ts';

/** The rules of docs/ownership.md, read slowly: one record after the other, in the order of time. Nothing of gpuledger is used. */

/** One stay on one device; no end: it is open. */
export interface Stay {
  readonly cluster: string;
  readonly node: string;
  readonly gpu: string;
  readonly jobId: string;
  /** NaN: nobody could tell. */
  readonly count: number;
  readonly user: string;
  readonly startUs: number;
  endUs?: number;
  /** No prolog told of it. */
  readonly isInferred: boolean;
}

const S = 1e6;
/** So far apart the clocks of nodes and controller may be. */
const CLOCKS_APART_US = 60 * S;

/** What can be known of the devices from the records of one journal. */
export function staysOf(records: readonly HookRecord[]): Stay[] {
  const inTime = [...records].sort((a, b) => a.atUs - b.atUs);
  const stays: Stay[] = [];
  for (const record of inTime.filter(({ node }) => node !== '')) {
    const { gpus, atUs, count } = record;
    if (record.event === 'start') {
      place(stays, record, { gpus, startUs: atUs, count });
      continue;
    }
    const ended = stays.findLast((stay) => isOfJob(stay, record) && isOfRun(stay, record));
    const known = startBefore(inTime, record);
    if (ended === undefined || isLaterThan(known.us, ended)) {
      const countOf = known.isCounted || isCounted(stays, record) ? known.count : NaN;
      if (known.isCertain)
        place(stays, record, { gpus, startUs: known.startUs, count: countOf, endUs: atUs });
      continue;
    }
    for (const stay of stays)
      if (stay.endUs === undefined && isOfJob(stay, record) && stay.startUs === ended.startUs)
        stay.endUs = atUs;
  }
  return stays;
}

function isOfJob(stay: Stay, { node, run }: HookRecord): boolean {
  return stay.cluster === run.cluster && stay.node === node && stay.jobId === run.jobId;
}

/** A requeue counts up before the epilog. */
function isOfRun(stay: Stay, { run, count }: HookRecord): boolean {
  return stay.user === run.user && (Number.isNaN(stay.count) || [count, count - 1].includes(stay.count));
}

/** It ends what begins nowhere in the stay, nor within what clocks may be apart. */
function isLaterThan(us: number, { startUs, endUs = Infinity }: Stay): boolean {
  return us >= Math.min(endUs, startUs + CLOCKS_APART_US);
}

/** A job runs once at a time on a node, and a whole device has one owner. */
function place(
  stays: Stay[],
  { run, node }: HookRecord,
  told: { gpus: readonly string[]; startUs: number; count: number; endUs?: number },
): void {
  const { cluster, jobId, user } = run;
  const { startUs, count } = told;
  const added: Stay[] = [];
  for (const gpu of told.gpus) {
    const excludes = (stay: Stay): boolean =>
      stay.cluster === cluster &&
      ((stay.node === node && stay.jobId === jobId) || (cluster !== SHARED_CLUSTER && stay.gpu === gpu));
    const others = stays.filter(excludes);
    for (const other of others)
      if (other.startUs < startUs) other.endUs = Math.min(other.endUs ?? Infinity, startUs);
    const laterUs = others.map((other) => other.startUs).filter((us) => us > startUs);
    const endUs = Math.min(told.endUs ?? Infinity, ...laterUs);
    const isInferred = told.endUs !== undefined;
    const known = { cluster, node, gpu, jobId, count, user, startUs, isInferred };
    added.push({ ...known, ...(endUs === Infinity ? {} : { endUs }) });
  }
  stays.push(...added);
  stays.sort((a, b) => a.startUs - b.startUs);
}

/** What an end, or the controller, says of when its run began; NaN and nothing certain where neither does. */
function startBefore(
  records: readonly HookRecord[],
  { saysStartS, run, atUs, count, node }: HookRecord,
): { us: number; startUs: number; count: number; isCounted: boolean; isCertain: boolean } {
  if (saysStartS !== undefined) {
    const [us, startUs] = [saysStartS * S, Math.min((saysStartS + 1) * S, atUs)];
    return { us, startUs, count, isCounted: count === 0, isCertain: true };
  }
  const starts = records.filter(
    (one) =>
      one.node === '' &&
      one.event === 'start' &&
      one.run.cluster === run.cluster &&
      one.run.user === run.user,
  );
  const isOnNode = (one: HookRecord): boolean => one.run.places.some((place) => place.node === node);
  const last = starts.findLast(
    (one) => one.atUs <= atUs && [count, count - 1].includes(one.count) && isOnNode(one),
  );
  if (last === undefined) return { us: NaN, startUs: NaN, count, isCounted: false, isCertain: false };
  // That of a run before is the run's own only where it is known to have been requeued after this end.
  const isCertain = last.count === count || starts.some((one) => one.atUs > atUs && one.count === count);
  return { us: last.atUs, startUs: last.atUs, count: last.count, isCounted: true, isCertain };
}

/** A prolog has told of the run before. */
function isCounted(stays: readonly Stay[], record: HookRecord): boolean {
  return stays.some(
    (stay) =>
      !stay.isInferred &&
      isOfJob(stay, record) &&
      stay.user === record.run.user &&
      stay.count === record.count - 1,
  );
}

/** From this time on these jobs stand in the file of a device. */
export interface Picture {
  readonly cluster: string;
  readonly node: string;
  readonly gpu: string;
  readonly jobIds: readonly string[];
  readonly atUs: number;
}

/** What the hooks that were not lost made of the files: a job takes the place of another one, or stands beside it. */
export function picturesOf(records: readonly HookRecord[]): Picture[] {
  const files = new Map<string, readonly string[]>();
  return [...records]
    .sort((a, b) => a.atUs - b.atUs)
    .flatMap(({ event, atUs, node, gpus, run: { cluster, jobId } }) =>
      gpus.map((gpu) => {
        const others = (files.get(gpu) ?? []).filter((other) => other !== jobId);
        const kept = event === 'start' && cluster !== SHARED_CLUSTER ? [] : others;
        files.set(gpu, event === 'start' ? [...kept, jobId] : others);
        return { cluster, node, gpu, jobIds: files.get(gpu)!, atUs };
      }),
    );
}

export function picturedStaysOf(pictures: readonly Picture[]): Omit<Stay, 'user' | 'isInferred'>[] {
  return [...Map.groupBy(pictures, ({ gpu }) => gpu).values()].flatMap((ofDevice) =>
    ofDevice.flatMap(({ jobIds, atUs: startUs, cluster, node, gpu }, index) =>
      jobIds
        .filter((jobId) => ofDevice[index - 1]?.jobIds.includes(jobId) !== true)
        .map((jobId) => {
          const endUs = ofDevice.slice(index).find((later) => !later.jobIds.includes(jobId))?.atUs;
          const where = { cluster, node, gpu, jobId, count: NaN, startUs };
          return endUs === undefined ? where : { ...where, endUs };
        }),
    ),
  );
}

/** Of facts that know devices only: the next end of a job on a device ends its stay there, as its next start does. */
export function deviceStaysOf(records: readonly HookRecord[]): Omit<Stay, 'user' | 'isInferred'>[] {
  const stays: Omit<Stay, 'user' | 'isInferred'>[] = [];
  for (const { event, atUs, node, run, count } of [...records].sort((a, b) => a.atUs - b.atUs)) {
    const { cluster, jobId } = run;
    for (const gpu of run.places.find((place) => place.node === node)!.gpus) {
      for (const stay of stays) {
        const isTaken = event === 'start' && cluster !== SHARED_CLUSTER;
        if (stay.gpu === gpu && stay.endUs === undefined && (stay.jobId === jobId || isTaken))
          stay.endUs = atUs;
      }
      if (event === 'start') stays.push({ cluster, node, gpu, jobId, count, startUs: atUs });
    }
  }
  return stays;
}
