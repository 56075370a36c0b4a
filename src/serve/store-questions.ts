import PQueue from 'p-queue';
import { OperatingError } from '../core/base/errors.ts';
import type { Asked } from '../figures/query-cells.ts';

/** How much of the store readers may take: what samples are written by goes before them. */
export interface Bounds {
  /** Questions under way at a time, of all readers together. */
  readonly questions: number;
  /** Readers who are answered or wait for it; one more is told to come again. */
  readonly readers: number;
  /** How long a reader is answered, ms; his last question is given up then. */
  readonly readerMs: number;
  /** Bytes of one answer of the store. */
  readonly answerBytes: number;
}

/** The smallest server has two threads for what comes over HTTP, rows among it: more questions only wait there, before the rows. */
export const USUAL_BOUNDS: Bounds = {
  questions: 2,
  readers: 64,
  readerMs: 120_000,
  answerBytes: 64 * 2 ** 20,
};

/** Whoever is turned away comes again after so long. */
export const RETRY_AFTER_SECONDS = 5;

/** The store, as one reader may ask it. */
export interface ReaderStore extends Asked {
  /** Questions that have been answered. */
  answered(): number;
}

export interface StoreQuestions {
  /**
   * @param left aborts when the reader is answered, or has left: what he asked is given up then
   * @throws OperatingError `serve.busy`
   */
  for(left: AbortSignal): ReaderStore;
}

/** All readers' questions go through here: so many at a time, those of the reader who came first before all others, no longer than anybody waits for them. */
export function createStoreQuestions(db: Asked, bounds: Bounds = USUAL_BOUNDS): StoreQuestions {
  const queue = new PQueue({ concurrency: bounds.questions });
  let [readers, turns] = [0, 0];
  const storeFor = (left: AbortSignal): ReaderStore => {
    if (left.aborted) throw givenUp(db.where);
    if (readers === bounds.readers) throw busy(readers);
    readers += 1;
    turns += 1;
    const turn = turns;
    left.addEventListener('abort', () => (readers -= 1), { once: true });
    const late = AbortSignal.timeout(bounds.readerMs);
    const signal = AbortSignal.any([left, late]);
    let answers = 0;
    return {
      where: db.where,
      answered: () => answers,
      exec: async (sql, options) => {
        try {
          const answer = await queue.add(
            async () => await db.exec(sql, { bytesMax: bounds.answerBytes, ...options, signal }),
            // Else all of a crowd would come on alike, and all run out of time.
            { signal, priority: -turn },
          );
          answers += 1;
          return answer;
        } catch (thrown) {
          if (left.aborted) throw givenUp(db.where, thrown);
          throw late.aborted ? tooLong(bounds.readerMs, db.where, thrown) : thrown;
        }
      },
    };
  };
  return { for: storeFor };
}

function busy(readers: number): OperatingError {
  return new OperatingError(`${readers} readers are being answered already, which is as many as may be`, {
    code: 'serve.busy',
    exit: 'temporary',
    hints: [`again in ${RETRY_AFTER_SECONDS} s`],
  });
}

function tooLong(readerMs: number, where: string, cause: unknown): OperatingError {
  return new OperatingError(`what was asked took longer than ${readerMs / 1000} s, and was given up`, {
    code: 'serve.too_long',
    exit: 'temporary',
    where,
    hints: [
      'again, when the store has less to do',
      'or ask for less: a shorter window, one task of an array',
    ],
    cause,
  });
}

function givenUp(where: string, cause?: unknown): OperatingError {
  return new OperatingError('the reader has left, and what he asked is given up', {
    code: 'questdb.given_up',
    exit: 'temporary',
    where,
    cause,
  });
}
