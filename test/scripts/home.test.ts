/** Where `npm start` cannot keep its store: the sentence, the way out, the exit code. `/proc` takes no directory of anybody, of root neither. */
import { expect, test } from 'vitest';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

const REQUIRE_HOME = `import { requireHome } from './scripts/home.js';
try { requireHome(); } catch (error) { console.log(error.message); process.exitCode = error.exitCode; }`;

test.each([
  {
    variable: 'XDG_STATE_HOME',
    other: 'XDG_CACHE_HOME',
    says: '/proc cannot be written (ENOENT), where the demo and its store go\n  choose a place that is yours: XDG_STATE_HOME=DIR npm start\n',
  },
  {
    variable: 'XDG_CACHE_HOME',
    other: 'XDG_STATE_HOME',
    says: '/proc cannot be written (ENOENT), where QuestDB and Maven go\n  choose a place that is yours: XDG_CACHE_HOME=DIR npm start\n',
  },
])('a place that cannot be written is told with the variable that names another ($variable)', async (one) => {
  const places = { [one.variable]: '/proc/of-nobody', [one.other]: ROOT };
  const { exitCode, stdout } = await runToEnd(process.execPath, ['--input-type=module', '-e', REQUIRE_HOME], {
    env: { QDB_CLIENT_CONF: undefined, ...places },
  });
  expect([exitCode, stdout]).toEqual([77, one.says]);
});

test('a store elsewhere needs no place', async () => {
  const { exitCode, stdout } = await runToEnd(process.execPath, ['--input-type=module', '-e', REQUIRE_HOME], {
    env: { QDB_CLIENT_CONF: 'http::addr=127.0.0.1:9000;', XDG_STATE_HOME: '/proc/of-nobody' },
  });
  expect([exitCode, stdout]).toEqual([0, '']);
});
