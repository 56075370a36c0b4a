import type { Device } from '../core/devices/device.ts';
import { OperatingError, sentenceOf } from '../core/base/errors.ts';
import type { JobInput, JobRecord } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Interval, OwnershipChange } from '../core/jobs/interval.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { RelabelWindow } from '../core/jobs/relabel.ts';
import { createLateWork } from './late-work.ts';
import { relabelStored } from './late-facts.ts';
import type { Outbox } from '../delivery/outbox.ts';
import { recoverOwnership } from './recover-ownership.ts';
import type { QuestDb } from '../questdb/http.ts';
import { isSameRow, keyOf, openOwnership, type OwnershipSession } from './session.ts';

/** The inputs of the job map, brought into ownership, into the rows of `gpu_ownership` and `jobs`, and into the labels. */
interface JobMap extends Pick<OwnershipSession, 'labelledUntil' | 'acknowledge'> {
  /** Takes in what the inputs have to tell. @returns the time up to which everything has been told, epoch µs. */
  refresh(): number;
  /** Takes over, once, what a former life stored and could not close. Call it when the store answers, after `refresh`. */
  recover(): Promise<void>;
  /** Whether what former lives stored is known. */
  readonly isRecovered: boolean;
  /** The labels of the devices' samples in this span, epoch µs, were given before it was. */
  doubt(span: { readonly fromUs: number; readonly toUs: number }): void;
  /**
   * Writes the rows again whose label is no longer right. Call it only when nothing of these tables is unacknowledged.
   * @returns false when the store did not do all of it; call again.
   */
  relabel(): Promise<boolean>;
}

interface JobMapOptions {
  readonly inputs: readonly JobInput[];
  readonly ownership: Ownership;
  readonly devices: readonly Device[];
  /** Sample tables. */
  readonly tables: readonly string[];
  readonly nowUs: () => number;
  /** Epoch µs of this boot of the node: no job outlives one. -Infinity where it is not known. */
  readonly bootUs: number;
  /** Beginning of this life, epoch µs. */
  readonly startUs: number;
  /** False on a virtual clock: nothing has a former life there. */
  readonly hasFormerLife: boolean;
  readonly db: QuestDb;
  readonly outbox: Pick<Outbox, 'ownerSets' | 'ownership' | 'jobs'>;
  /** Hears every change, with the time up to which facts had been told, epoch µs. */
  readonly onChanges?: (changes: readonly OwnershipChange[], atUs: number) => void;
  /** Hears whose samples of older times were labelled again, as far as they had to be, and when. */
  readonly onRelabelled?: (windows: readonly RelabelWindow[], atUs: number) => void;
  /** Hears what the inputs tell of jobs. */
  readonly onRecords?: (records: readonly JobRecord[]) => void;
  readonly tell: Tell;
}

export function createJobMap(options: JobMapOptions): JobMap {
  const { inputs, ownership, devices, tables, bootUs, startUs, db, outbox, tell } = options;
  // Without a former life there is no sample before this one whose label could be wrong.
  const labelledUntilUs = options.hasFormerLife ? startUs : -Infinity;
  const session = openOwnership({ inputs, ownership, labelledUntilUs, cluster: devices[0]?.cluster });
  let isRecovered = !options.hasFormerLife || inputs.length === 0;

  const late = createLateWork({
    db,
    tables,
    session,
    areRowsLast: false,
    onRead: ({ firstTold, corrected }) => {
      const unread = new Set(firstTold.filter((interval) => session.isUnread(interval)).map(keyOf));
      const isUnread = (interval: Interval): boolean => unread.has(keyOf(interval));
      learn(firstTold.filter(isUnread), corrected.filter(isUnread));
    },
    onDone: ({ corrected, windows }) => {
      learn(corrected, corrected);
      options.onRelabelled?.(windows, options.nowUs());
    },
    tell,
    storeSets: (sets) => {
      outbox.ownerSets(sets);
      return Promise.resolve(true);
    },
  });

  /** Takes over older stays, brought together with what was told of them. @param rows those whose row is to be written */
  function learn(stays: readonly Interval[], rows: readonly Interval[]): void {
    const before = rememberedByKey();
    const changes = session.adopt(stays.filter((stay) => before.has(keyOf(stay))));
    // What is remembered may have heard more since.
    const remembered = rememberedByKey();
    const written = [...rows, ...changes.map(({ interval }) => interval)].map(
      (interval) => remembered.get(keyOf(interval)) ?? interval,
    );
    if (written.length > 0) outbox.ownership([...new Set(written)]);
    const learnt = stays.filter((stay) => {
      const [was, is] = [before.get(keyOf(stay)), remembered.get(keyOf(stay))];
      return was !== undefined && is !== undefined && !isSameRow(was, is);
    });
    if (learnt.length === 0) return;
    // It went into the labels of samples that came since.
    const gpus = new Set(learnt.map(({ gpu }) => gpu));
    session.doubt([...gpus], { fromUs: session.rememberedFromUs, toUs: options.nowUs() });
  }

  function rememberedByKey(): ReadonlyMap<string, Interval> {
    return new Map(ownership.intervals().map((interval) => [keyOf(interval), interval]));
  }

  function passOn(changes: readonly OwnershipChange[], atUs: number): void {
    options.onChanges?.(changes, atUs);
    outbox.ownerSets(session.takeOwnerSets());
    outbox.ownership(changes.map(({ interval }) => interval).filter((one) => !session.isUnread(one)));
  }

  return {
    refresh() {
      // The time is read before the facts: a row is labelled only when everything up to its time has been told.
      const untilUs = options.nowUs();
      const { changes, records, problems } = session.read(untilUs);
      passOn(changes, untilUs);
      options.onRecords?.(records);
      outbox.jobs(records);
      for (const { input, error } of problems) {
        tell({ level: 'warn', code: error.code, sentence: `${input}: ${sentenceOf(error)}` });
      }
      return untilUs;
    },

    async recover() {
      if (isRecovered) return;
      try {
        const times = { bootUs, lifeStartUs: startUs, arePicturesRead: true };
        passOn(await recoverOwnership(db, session, { devices, tables, ...times }), options.nowUs());
        isRecovered = true;
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        const sentence = `earlier ownership is not known yet: ${thrown.message}`;
        tell({ level: 'warn', code: thrown.code, sentence });
      }
    },

    get isRecovered() {
      return isRecovered;
    },
    doubt(span) {
      session.doubt(
        devices.map(({ uuid }) => uuid),
        span,
      );
    },
    acknowledge(nowUs) {
      // What is told of older times is told again by the inputs, if this life ends before it is in the samples.
      if (!late.isPending) session.acknowledge(nowUs);
    },
    labelledUntil: session.labelledUntil,
    async relabel() {
      const { isDone } = await relabelStored(session, db, tables, tell);
      // Whoever waits for this flush does not wait for times that are long gone.
      if (isDone) await late.step();
      return isDone;
    },
  };
}
