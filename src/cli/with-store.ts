import type { Config } from '../config/config.ts';
import type { ConfigUse } from '../config/reading/usual-files.ts';
import type { Asked } from '../figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../questdb/http.ts';
import { configFrom } from './config-flags.ts';
import { whileShown } from './progress.ts';

/** What those need who ask it, beside it. */
export type StoreConfig = Pick<
  Config,
  'lanes' | 'timeZone' | 'idle' | 'costs' | 'findings' | 'idleWatch' | 'digest' | 'serve' | 'stateDir' | 'log'
>;

/**
 * Asks the store of the configuration that these flags make. Shows on stderr how far it is where that takes longer than two seconds.
 * @param flags as commander has parsed them
 * @param use whose files are read where none is named
 */
export async function withStore<T>(
  flags: object,
  work: (db: Asked, config: StoreConfig, store: QuestDb) => Promise<T>,
  use: ConfigUse = 'reader',
): Promise<T> {
  const { config } = await configFrom({ ...flags }, use);
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
  });
  let answers = 0;
  try {
    return await whileShown('asking QuestDB', async (update) => {
      const counting: Asked = {
        where: db.where,
        exec: async (sql) => {
          const answer = await db.exec(sql);
          answers += 1;
          update(`asking QuestDB, ${answers} ${answers === 1 ? 'answer' : 'answers'} so far`);
          return answer;
        },
      };
      return await work(counting, config, db);
    });
  } finally {
    await db.close();
  }
}
