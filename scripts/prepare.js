/**
 * Runs before `npm start` and `npm test` (argument: run | test), with whatever Node the system has and nothing
 * installed: looks for Java and Maven (for the tests also a C compiler, Python and systemd-analyze), installs the packages
 * of the lockfile, builds, and installs the tests' Python tools. Each step looks first, and does nothing when there is
 * nothing to do. Speaks on stderr only.
 */
import { buildIfStale } from './build.js';
import { installIfStale } from './node-modules.js';
import { installPythonToolsIfStale } from './python-tools.js';
import { Failure } from './step.js';
import { requireHome } from './home.js';
import { requirePrograms } from './system-programs.js';

const purpose = process.argv[2];

try {
  if (purpose !== 'run' && purpose !== 'test') throw new Failure('expected the argument run or test', 64);
  if (purpose === 'run') requireHome();
  requirePrograms(purpose);
  installIfStale();
  await buildIfStale();
  if (purpose === 'test') installPythonToolsIfStale();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
