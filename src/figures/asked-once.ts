import type { Asked } from './query-cells.ts';

/**
 * The same store for one page: what several of its parts ask in the same words is asked once, and all of them speak of the same
 * moment. It keeps every answer: for as long as one page is made.
 */
export function askedOnce(db: Asked): Asked {
  const answers = new Map<string, ReturnType<Asked['exec']>>();
  return {
    where: db.where,
    ...(db.samplesMax === undefined ? {} : { samplesMax: db.samplesMax }),
    async exec(sql, options) {
      // One with a deadline or an end of its own is nobody else's.
      if (options !== undefined) return await db.exec(sql, options);
      const answer = answers.get(sql) ?? db.exec(sql);
      answers.set(sql, answer);
      return await answer;
    },
  };
}
