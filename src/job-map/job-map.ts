import type { Device } from '../core/devices/device.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import type { OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { createLateFacts, RELABEL_WINDOW_US, type LateFacts } from './late-facts.ts';
import { readBoot } from '../ownership/boot.ts';
import type { Outbox } from '../delivery/outbox.ts';
import { recoverOwnership } from './recover-ownership.ts';
import type { QuestDb } from '../questdb/http.ts';

/** The inputs of the job map, brought into ownership, into the rows of `gpu_ownership` and `jobs`, and into the labels. */
export interface JobMap extends Pick<LateFacts, 'labelledUntil' | 'relabel'> {
  /** Takes in what the inputs have to tell. @returns the time up to which everything has been told, epoch µs. */
  refresh(): number;
  /** Takes over, once, what a former life stored and could not close. Call it when the store answers, after `refresh`. */
  recover(): Promise<void>;
  /** Everything that was told so far is in the store. */
  acknowledge(nowUs: number): void;
}

export interface JobMapOptions {
  readonly inputs: readonly JobInput[];
  readonly ownership: Ownership;
  readonly devices: readonly Device[];
  /** Sample tables. */
  readonly tables: readonly string[];
  readonly nowUs: () => number;
  /** Beginning of this life, epoch µs. */
  readonly startUs: number;
  /** False on a virtual clock: nothing has a former life there. */
  readonly hasFormerLife: boolean;
  readonly db: QuestDb;
  readonly outbox: Pick<Outbox, 'ownership' | 'jobs'>;
  /** Hears every change, with the time up to which facts had been told, epoch µs. */
  readonly onChanges?: (changes: readonly OwnershipChange[], atUs: number) => void;
  readonly tell: Tell;
}

/** Intervals that no sample and no late fact can need any more are forgotten this often. */
const FORGET_EVERY_US = 3600 * 1e6;

export function createJobMap(options: JobMapOptions): JobMap {
  const { inputs, ownership, devices, tables, startUs, db, outbox, tell } = options;
  // Without a former life there is no sample before this one whose label could be wrong.
  const formerUs = options.hasFormerLife ? startUs : -Infinity;
  const lateFacts = createLateFacts(db, ownership, tables, formerUs, tell);
  let isRecovered = !options.hasFormerLife || inputs.length === 0;
  let forgottenUs = startUs;

  function note(changes: readonly OwnershipChange[], atUs: number): void {
    options.onChanges?.(changes, atUs);
    lateFacts.note(changes);
    outbox.ownership(changes.map(({ interval }) => interval));
  }

  return {
    refresh() {
      // The time is read before the facts: a row is labelled only when everything up to its time has been told.
      const untilUs = options.nowUs();
      for (const input of inputs) {
        const news = input.read(untilUs);
        note(
          news.facts.flatMap((fact) => ownership.apply(fact)),
          untilUs,
        );
        outbox.jobs(news.records);
        for (const problem of news.problems ?? []) {
          tell({ level: 'warn', code: problem.code, sentence: `${input.name}: ${problem.message}` });
        }
      }
      return untilUs;
    },

    async recover() {
      if (isRecovered) return;
      try {
        const times = { bootUs: readBoot().timeUs, lifeStartUs: startUs, windowUs: RELABEL_WINDOW_US };
        note(await recoverOwnership(db, ownership, { devices, tables, ...times }), options.nowUs());
        isRecovered = true;
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        tell({
          level: 'warn',
          code: thrown.code,
          sentence: `earlier ownership is not known yet: ${thrown.message}`,
        });
      }
    },

    acknowledge(nowUs) {
      for (const input of inputs) input.acknowledge?.(nowUs);
      if (nowUs - forgottenUs <= FORGET_EVERY_US) return;
      forgottenUs = nowUs;
      ownership.forgetBefore(nowUs - RELABEL_WINDOW_US - FORGET_EVERY_US);
    },

    labelledUntil(us) {
      lateFacts.labelledUntil(us);
    },

    relabel: () => lateFacts.relabel(),
  };
}
