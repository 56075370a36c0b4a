import type { Device } from '../../core/devices/device.ts';
import type { JobFact, JobRecord } from '../../core/jobs/job-fact.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';

/** A job on a device, as it was told. */
interface Tenure {
  readonly sinceUs: number;
  readonly revision: number;
}

interface LiveJob {
  readonly cluster: string | undefined;
  /** Earliest of its devices; fixed once it was told, since it is the key of the job's row. */
  startUs: number;
  isTold: boolean;
  readonly gpus: Set<string>;
}

/**
 * For inputs that only tell who is there now (a map file, a gpustat file): compares each picture of a device with the
 * one before, and makes starts and ends out of the difference.
 */
export class OwnerSets {
  readonly #source: string;
  /** Device UUID → job id → its tenure. */
  readonly #owners = new Map<string, Map<string, Tenure>>();
  /** A file that is back with its old time says that nobody had left: what is told of a start later stands. */
  #revision = 0;
  readonly #jobs = new Map<string, LiveJob>();
  #facts: JobFact[] = [];
  #records: JobRecord[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  /** From `atUs` (epoch µs) on, exactly `jobIds` own `devices`. @param uid of the user whose they are, where that is told */
  set(devices: readonly Device[], jobIds: readonly string[], atUs: number, uid?: number): void {
    for (const device of devices) this.#setOne(device, jobIds, atUs, uid);
  }

  /** Facts and records with a time up to `nowUs` that were not taken yet. */
  take(nowUs: number): { facts: JobFact[]; records: JobRecord[] } {
    const facts = this.#facts.filter((fact) => fact.atUs <= nowUs);
    this.#facts = this.#facts.filter((fact) => fact.atUs > nowUs);
    for (const [jobId, job] of this.#jobs) {
      if (job.isTold || job.startUs > nowUs) continue;
      job.isTold = true;
      this.#records.push(recordOf(jobId, job));
    }
    const isDue = (record: JobRecord): boolean => (record.endUs ?? record.startUs) <= nowUs;
    const records = this.#records.filter(isDue);
    this.#records = this.#records.filter((record) => !isDue(record));
    return { facts, records };
  }

  #setOne(device: Device, jobIds: readonly string[], atUs: number, uid: number | undefined): void {
    const before = this.#owners.get(device.uuid) ?? new Map<string, Tenure>();
    const after = new Map<string, Tenure>();
    for (const [jobId, tenure] of before) {
      if (jobIds.includes(jobId)) after.set(jobId, tenure);
      else this.#leave(device, jobId, tenure, atUs);
    }
    for (const jobId of jobIds)
      if (!before.has(jobId)) after.set(jobId, this.#enter(device, jobId, atUs, uid));
    this.#owners.set(device.uuid, after);
  }

  #enter(device: Device, jobId: string, atUs: number, uid: number | undefined): Tenure {
    this.#revision += 1;
    const tenure = { sinceUs: atUs, revision: this.#revision };
    const start = this.#fact('start', device, jobId, tenure, atUs);
    this.#facts.push(uid === undefined ? start : { ...start, uid });
    if (jobId === UNRESOLVED_JOB_ID) return tenure;
    let job = this.#jobs.get(jobId);
    if (job === undefined) {
      job = { cluster: device.cluster, startUs: atUs, isTold: false, gpus: new Set() };
      this.#jobs.set(jobId, job);
    }
    if (!job.isTold) job.startUs = Math.min(job.startUs, atUs);
    job.gpus.add(device.uuid);
    return tenure;
  }

  #leave(device: Device, jobId: string, tenure: Tenure, changedUs: number): void {
    // A change time can lie before the start when the clock was set back; an owner never leaves before it came.
    const atUs = Math.max(changedUs, tenure.sinceUs);
    this.#facts.push(this.#fact('end', device, jobId, tenure, atUs));
    const job = this.#jobs.get(jobId);
    if (job === undefined) return;
    job.gpus.delete(device.uuid);
    if (job.gpus.size > 0) return;
    this.#records.push({ ...recordOf(jobId, job), endUs: Math.max(atUs, job.startUs) });
    this.#jobs.delete(jobId);
  }

  #fact(kind: 'start' | 'end', device: Device, jobId: string, tenure: Tenure, atUs: number): JobFact {
    const { uuid: gpu, node, cluster } = device;
    const { sinceUs, revision } = tenure;
    const where = { ...(cluster === undefined ? {} : { cluster }), node, gpu };
    const ofStart = kind === 'end' ? { ofStartUs: sinceUs } : {};
    // Nobody counts here how often a job was started: each stay stands for itself.
    return { kind, atUs, ...where, ...ofStart, revision, jobId, run: NaN, share: NaN, source: this.#source };
  }
}

function recordOf(jobId: string, { cluster, startUs }: LiveJob): JobRecord {
  return { ...(cluster === undefined ? {} : { cluster }), jobId, startUs };
}
