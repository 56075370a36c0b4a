import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestQuestdb, type TestQuestdb } from './questdb.ts';

/** A server as it comes: it makes tables and columns for rows that come for none, which ours is told not to do. */
export async function startStockQuestdb(): Promise<TestQuestdb> {
  const server = await startTestQuestdb();
  const settings = 'line.auto.create.new.tables=true\nline.auto.create.new.columns=true\n';
  // The last line of a key counts.
  await appendFile(join(server.dataDir, 'conf/server.conf'), `\n${settings}`);
  await server.restart();
  return server;
}
