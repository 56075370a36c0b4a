/** Before the first test that needs a store: starts the QuestDB that the test files share. */
import type { TestProject } from 'vitest/node';

import { startTestQuestdb } from './questdb.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestQuestdb();
  project.provide('questdbConf', server.conf);
  project.provide('questdbUrl', server.httpUrl);
  return server.stop;
}
