import PQueue from 'p-queue';
import type { Asked } from './query-cells.ts';

/** The server of a node has two threads for questions; while they answer, figures are made of the answer before. */
const QUESTIONS_AT_ONCE = 3;

/**
 * The same store, for a report whose parts ask side by side: some questions are under way at a time, the others wait for their
 * turn, with which their deadline begins. After one that failed no more are asked.
 */
export function sideBySide(db: Asked): Asked {
  const queue = new PQueue({ concurrency: QUESTIONS_AT_ONCE });
  let failed: { readonly thrown: unknown } | undefined;
  return {
    ...db,
    exec: async (sql, options) =>
      await queue.add(async () => {
        if (failed !== undefined) throw failed.thrown;
        try {
          return await db.exec(sql, options);
        } catch (thrown) {
          failed ??= { thrown };
          throw thrown;
        }
      }),
  };
}
