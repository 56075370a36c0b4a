/** Looks for the programs that npm does not bring; installs them where that is ours to do (Debian/Ubuntu, root). */
import { spawnSync } from 'child_process';
import { accessSync, constants, existsSync, readdirSync } from 'fs';
import { delimiter, join } from 'path';
import { homedir } from 'os';

import { requireFreeDisk } from './free-disk.js';
import { announce, Failure, run } from './step.js';

const JAVA_MAJOR_MIN = 17;
/** The first one that the distribution has is taken. */
const JAVA_PACKAGES = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'openjdk-25-jre-headless'];
/** Keep level with src/server/jar.ts, which checks the file itself. */
const QUESTDB_JAR = 'questdb-9.3.4.jar';

/** `purpose`: run, or test, which needs a C compiler too. */
export function requirePrograms(purpose) {
  const missing = missingPrograms(purpose);
  if (missing.length === 0) return;
  const names = missing.map((program) => program.name).join(', ');
  if (!isOnPath('apt-get')) {
    throw new Failure(
      `${names} not found\n  ${missing.map((program) => program.elsewhere).join('\n  ')}`,
      69,
    );
  }
  const packages = missing.flatMap((program) => program.packages());
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid() !== 0) {
    throw new Failure(`${names} not found\n  install with: sudo apt-get update && sudo ${command}`, 69);
  }
  announce(`${names} not found; installing: ${command} (with what they depend on some 700 MB on disk)`);
  requireFreeDisk('/usr', 1000, names, {
    unwritable: 'install them by another way, or run it where the system may be changed',
    full: 'free some space there',
  });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  const chosen = missing.flatMap((program) => program.packages());
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...chosen], { env });
  const still = missingPrograms(purpose);
  if (still.length > 0) {
    throw new Failure(
      `still not found after ${command}: ${still.map((program) => program.name).join(', ')}`,
      69,
    );
  }
}

function missingPrograms(purpose) {
  const programs = [];
  // A server that runs elsewhere needs neither Java nor Maven here; the tests always start their own.
  if (purpose === 'test' || !process.env.QDB_CLIENT_CONF) {
    programs.push(
      {
        name: `Java ${JAVA_MAJOR_MIN} or newer`,
        isThere: hasJava,
        packages: () => [JAVA_PACKAGES.find(isInDistribution) || JAVA_PACKAGES[0]],
        elsewhere: `Java: install any JRE ${JAVA_MAJOR_MIN} or newer (headless will do), or set GPULEDGER_JAVA`,
      },
      {
        name: 'Maven',
        isThere: () => isOnPath('mvn') || hasJar(),
        packages: () => ['maven'],
        elsewhere: 'Maven: https://maven.apache.org/install.html (it fetches the QuestDB server)',
      },
    );
  }
  if (purpose === 'test') {
    programs.push({
      name: 'a C compiler',
      isThere: () => (isOnPath('cc') || isOnPath('gcc')) && existsSync('/usr/include/stdlib.h'),
      packages: () => ['gcc', 'libc6-dev'],
      elsewhere: 'a C compiler with the headers of the C library (the tests build fake GPU libraries)',
    });
    programs.push({
      name: 'Python 3 with venv',
      isThere: canMakeEnvironment,
      packages: () => ['python3', 'python3-venv'],
      elsewhere:
        'Python 3 with its modules venv and ensurepip (the tests run programs that are written in it)',
    });
    programs.push({
      name: 'systemd-analyze',
      isThere: () => isOnPath('systemd-analyze'),
      packages: () => ['systemd'],
      elsewhere: 'systemd-analyze (the tests check the systemd units)',
    });
  }
  return programs.filter((program) => !program.isThere());
}

function isInDistribution(name) {
  const result = spawnSync('apt-cache', ['show', '--no-all-versions', name], { encoding: 'utf8' });
  return result.status === 0 && result.stdout !== '';
}

function hasJar() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return existsSync(join(cache, 'gpuledger', QUESTDB_JAR));
}

/** The same places, in the same order, as src/server/java.ts. */
function hasJava() {
  const { GPULEDGER_JAVA: named, JAVA_HOME: home, PATH: path = '' } = process.env;
  // Whoever names one wants that one; no installation would change it.
  if (named) {
    if (javaMajorOf(named) >= JAVA_MAJOR_MIN) return true;
    throw new Failure(`GPULEDGER_JAVA=${named} is no Java ${JAVA_MAJOR_MIN} or newer`, 69);
  }
  const candidates = [
    ...(home ? [join(home, 'bin/java')] : []),
    ...path.split(delimiter).map((directory) => join(directory || '.', 'java')),
    ...(existsSync('/usr/lib/jvm') ? readdirSync('/usr/lib/jvm') : []).map((jvm) =>
      join('/usr/lib/jvm', jvm, 'bin/java'),
    ),
  ];
  return candidates.some((java) => existsSync(java) && javaMajorOf(java) >= JAVA_MAJOR_MIN);
}

function javaMajorOf(java) {
  const result = spawnSync(java, ['-version'], { encoding: 'utf8', timeout: 20000 });
  const match = /version "(?:1\.)?(\d+)/.exec(`${result.stderr}${result.stdout}`);
  return match ? Number(match[1]) : 0;
}

function canMakeEnvironment() {
  return spawnSync('python3', ['-c', 'import venv, ensurepip'], { timeout: 20000 }).status === 0;
}

function isOnPath(program) {
  return (process.env.PATH || '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch (error) {
      return false; // not here: the next directory
    }
  });
}
