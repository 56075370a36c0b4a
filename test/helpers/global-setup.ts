/** Before the first test: refuses an old Node, builds, and starts the QuestDB that the test files share. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

import { startTestQuestdb } from './questdb.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 12)) {
    throw new Error(
      `the tests need Node 22.12 or newer and run on ${process.version}: start them with npm test`,
    );
  }
  execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/build.js', import.meta.url))]);
  if (!(await isWanted(project))) return () => Promise.resolve();
  const server = await startTestQuestdb();
  project.provide('questdbConf', server.conf);
  project.provide('questdbUrl', server.httpUrl);
  return server.stop;
}

/**
 * Whether a test file of this run asks for the server, by `inject(…)` in the file itself. A run of one pure file takes a
 * second instead of five. When in doubt the answer is yes: words on the command line that name no file are ignored.
 */
async function isWanted(project: TestProject): Promise<boolean> {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-') && word !== 'run');
  const { testFiles } = await project.globTestFiles(words);
  const contents = await Promise.all(testFiles.map(async (path) => await readFile(path, 'utf8')));
  return contents.length === 0 || contents.some((content) => content.includes('inject('));
}
