/** Before the first test that needs a store: starts the two QuestDBs that the test files share. */
import type { TestProject } from 'vitest/node';

import { startTestQuestdb } from './questdb.ts';

/**
 * Hundreds of tables of as many tests, each with its rollups: kept open for as long as in operation, they are more files than a
 * process may have where busy cores keep the server from closing them. Milliseconds.
 */
const LET_GO = {
  QDB_CAIRO_INACTIVE_READER_TTL: '1000',
  QDB_CAIRO_INACTIVE_WRITER_TTL: '1000',
  QDB_CAIRO_WAL_INACTIVE_WRITER_TTL: '1000',
  QDB_CAIRO_IDLE_CHECK_INTERVAL: '500',
};

/**
 * A report looks into every lane of its store. So tests of reports share a server of their own, where there are no lanes of
 * collectors that others have started: one question would open the files of all of them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  Object.assign(process.env, LET_GO, project.config.env);
  const [server, reports] = await Promise.all([startTestQuestdb(), startTestQuestdb()]);
  // Servers that a test starts for itself are as in operation.
  for (const name of Object.keys(LET_GO)) Reflect.deleteProperty(process.env, name);
  project.provide('questdbConf', server.conf);
  project.provide('questdbUrl', server.httpUrl);
  project.provide('reportsConf', reports.conf);
  project.provide('reportsUrl', reports.httpUrl);
  return async () => {
    await Promise.all([server.stop(), reports.stop()]);
  };
}
