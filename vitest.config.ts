import { globSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/**
 * Six stages: `unit` needs no server, `store` needs a QuestDB, `soak` takes minutes because it waits, `faults` is what goes
 * wrong around gpuledger, `pages` needs a Chromium, `packages` makes and judges them. `npm test` runs the first two,
 * `npm run test:soak` and its like the others.
 */
const SOAK = 'test/**/*.soak.test.ts';
const FAULTS = 'test/**/*.faults.test.ts';
const PAGES = 'test/**/*.pages.test.ts';
const PACKAGES = 'test/**/*.packages.test.ts';
const files = globSync('test/**/*.test.ts', { exclude: [SOAK, FAULTS, PAGES, PACKAGES] });
const byStage = Object.groupBy(files, (path) =>
  asksForStore(readFileSync(path, 'utf8')) ? 'store' : 'unit',
);

/** A file asks for the shared server by `inject('questdb…')` or `inject('reports…')`, or starts one of its own in one of the other ways. */
function asksForStore(text: string): boolean {
  return ["inject('questdb", "inject('reports", 'startTestQuestdb', "runCommand(['questdb'"].some((words) =>
    text.includes(words),
  );
}

/**
 * What tests with a store share. Their servers live for seconds or minutes, and the JVM compiles for days: that was a third of all CPU
 * of these tests. Its quick compiler alone is enough for them.
 */
const WITH_STORE = {
  globalSetup: ['test/helpers/store-setup.ts'],
  env: { JDK_JAVA_OPTIONS: `${process.env['JDK_JAVA_OPTIONS'] ?? ''} -XX:TieredStopAtLevel=1`.trim() },
};

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/global-setup.ts'],
    // No test asserts how long something takes. These limits only end what hangs, on the slowest machine too.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 300_000 } },
    // For two cores. `npm test` takes three: a file waits half of its time, for servers and for ticks. The other stages run beside each other.
    maxWorkers: 2,
    pool: 'forks',
    projects: [
      { extends: true, test: { name: 'unit', include: byStage.unit ?? [] } },
      { extends: true, test: { name: 'store', include: byStage.store ?? [], ...WITH_STORE } },
      { extends: true, test: { name: 'soak', include: [SOAK], ...WITH_STORE } },
      { extends: true, test: { name: 'pages', include: [PAGES], ...WITH_STORE } },
      {
        extends: true,
        test: { name: 'packages', include: [PACKAGES], globalSetup: ['test/helpers/packages-setup.ts'] },
      },
      { extends: true, test: { name: 'faults', include: [FAULTS], ...WITH_STORE } },
    ],
  },
});
