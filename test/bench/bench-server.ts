import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';

export interface BenchServer {
  readonly conf: string;
  readonly db: QuestDb;
  readonly pid: number;
  close(): Promise<void>;
}

/** A QuestDB of this bench's own, empty, on loopback. */
export async function startBenchServer(requestTimeoutMs = 60_000): Promise<BenchServer> {
  const server: TestQuestdb = await startTestQuestdb();
  const db = await openQuestDb(server.conf, { requestTimeoutMs });
  return {
    conf: server.conf,
    db,
    pid: server.pid,
    close: async () => {
      await db.close();
      await server.stop();
    },
  };
}
