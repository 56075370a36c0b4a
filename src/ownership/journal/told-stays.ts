import type { Interval } from '../../core/jobs/interval.ts';
import type { JobFact } from '../../core/jobs/job-fact.ts';

/** A stay of a job on a device, as it is known now. */
export interface KnownStay extends Interval {
  /** No prolog told of it. */
  readonly isInferred: boolean;
  readonly uid: number | undefined;
}

interface ToldStay {
  stay: KnownStay;
  revision: number;
  isTakenBack: boolean;
}

/**
 * What was told of the stays of one job, so that what is known now can be told as news, and what was told too early be taken
 * back. Whoever takes these facts in, in whatever order, knows the stays that were told last.
 */
export class ToldStays {
  readonly #told = new Map<string, ToldStay>();

  /**
   * @param stays all that are known of the job now
   * @param replaced those that a former life, which knew less, may have told: taken back, unless they are known
   */
  tell(stays: readonly KnownStay[], replaced: readonly KnownStay[]): JobFact[] {
    const known = new Map<string, KnownStay>();
    for (const stay of stays) {
      const key = keyOf(stay);
      const other = known.get(key);
      if (other === undefined || (other.isInferred && !stay.isInferred)) known.set(key, stay);
    }
    for (const stay of replaced) {
      const key = keyOf(stay);
      if (!known.has(key) && !this.#told.has(key))
        this.#told.set(key, { stay, revision: 0, isTakenBack: false });
    }
    const facts: JobFact[] = [];
    for (const [key, told] of this.#told) {
      if (known.has(key) || told.isTakenBack) continue;
      told.isTakenBack = true;
      facts.push(factOf('void', told.stay.startUs, told));
    }
    for (const [key, stay] of known) facts.push(...this.#tellOne(key, stay));
    return facts;
  }

  /** Bounds the memory: these are told no more, nor taken back. */
  forget(stays: readonly Pick<Interval, 'gpu' | 'startUs'>[]): void {
    for (const stay of stays) this.#told.delete(keyOf(stay));
  }

  #tellOne(key: string, stay: KnownStay): JobFact[] {
    const before = this.#told.get(key);
    // What a former life has stored may be that it was taken back; what is inferred now stands against it.
    const told = before ?? { stay, revision: stay.isInferred ? 1 : 0, isTakenBack: false };
    this.#told.set(key, told);
    const was = before?.stay;
    const isAmended =
      was !== undefined && (told.isTakenBack || stay.endUs > was.endUs || !Object.is(stay.run, was.run));
    if (isAmended) told.revision += 1;
    told.stay = stay;
    told.isTakenBack = false;
    const isAnew = was === undefined || isAmended;
    const facts: JobFact[] = [];
    if (isAnew || !Object.is(stay.share, was.share)) facts.push(factOf('start', stay.startUs, told));
    if (stay.endUs !== Infinity && (isAnew || stay.endUs !== was.endUs))
      facts.push({ ...factOf('end', stay.endUs, told), ofStartUs: stay.startUs });
    return facts;
  }
}

function keyOf({ gpu, startUs }: Pick<Interval, 'gpu' | 'startUs'>): string {
  return `${startUs} ${gpu}`;
}

function factOf(kind: JobFact['kind'], atUs: number, { stay, revision }: ToldStay): JobFact {
  const { cluster, node, gpu, jobId, run, share, source, uid } = stay;
  const where = { ...(cluster === undefined ? {} : { cluster }), node, gpu };
  const known = { ...(uid === undefined ? {} : { uid }), ...(revision === 0 ? {} : { revision }) };
  return { kind, atUs, ...where, jobId, run, share, source, ...known };
}
