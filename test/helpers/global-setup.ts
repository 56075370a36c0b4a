/** Before the first test: refuses an old Node, and starts the QuestDB that the test files share. */
import type { TestProject } from 'vitest/node';

import { startTestQuestdb } from './questdb.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 12)) {
    throw new Error(
      `the tests need Node 22.12 or newer and run on ${process.version}: start them with npm test`,
    );
  }
  // A server that already runs saves 3 s a run while one works on a single file: GPULEDGER_TEST_QUESTDB=127.0.0.1:9000
  const running = process.env['GPULEDGER_TEST_QUESTDB'];
  if (running !== undefined) {
    project.provide('questdbConf', `http::addr=${running};`);
    project.provide('questdbUrl', `http://${running}`);
    return () => Promise.resolve();
  }
  const server = await startTestQuestdb();
  project.provide('questdbConf', server.conf);
  project.provide('questdbUrl', server.httpUrl);
  return server.stop;
}
