#!/bin/sh
//bin/sh -c :; me=$(readlink -f -- "$0"); root=${me%/*/*}; command -v node >/dev/null && exec node "$me" "$@"; for node in "$root"/node_modules/node-linux-*/bin/node "$root"/../node-linux-*/bin/node; do [ -x "$node" ] && exec "$node" "$me" "$@"; done; echo 'error: gpuledger needs Node 22.12 or newer, and there is none here: neither on the PATH nor among its packages (npm ci)' >&2; exit 69
/**
 * The line above is a comment of JavaScript, and of a shell the way to a Node: the system's, else the one that comes along.
 *
 * The entry of the `gpuledger` command: plain JavaScript that an old Node can read too, so that it gets as far as saying
 * what is wrong. Checks the Node version, answers --version, and only then loads the command line.
 */
import { spawn } from 'child_process';
import { existsSync, mkdirSync, readFileSync } from 'fs';
import { homedir } from 'os';
import { join } from 'path';
import { fileURLToPath } from 'url';
import module from 'module';
import { setFlagsFromString } from 'v8';

const NODE_VERSION_MIN = [22, 12];
const EXIT_UNAVAILABLE = 69;
const RESIDENT_COMMANDS = ['run', 'collect', 'exporter'];
const PARENT_POLL_MS = 250;
/** After this the shutdown is not waited for any longer. */
const SHUTDOWN_DEADLINE_MS = 10000;

function pathOf(relative) {
  return fileURLToPath(new URL(`../${relative}`, import.meta.url));
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NODE_VERSION_MIN[0] || (major === NODE_VERSION_MIN[0] && minor >= NODE_VERSION_MIN[1]);
}

function fail(lines) {
  process.stderr.write(`error: ${lines.join('\n  ')}\n`);
  process.exitCode = EXIT_UNAVAILABLE;
}

/** Ends this process when the one that started it is gone, however that ended (a signal cannot be relied on). */
function endWithParent(parent) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), SHUTDOWN_DEADLINE_MS).unref();
  }, PARENT_POLL_MS);
  watch.unref();
}

/** Hands over to the Node that `npm ci` brings along. Ctrl-C reaches both processes, so it is the child's to act on. */
function runUnder(node) {
  const env = Object.assign({}, process.env, { GPULEDGER_END_WITH_PARENT: String(process.pid) });
  const child = spawn(node, [fileURLToPath(import.meta.url)].concat(process.argv.slice(2)), {
    stdio: 'inherit',
    env,
  });
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail([`${node} could not be run: ${error.message}`]));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

/** Built here from its sources, and not installed: the build leaves its stamp, which no package brings along. */
function isCheckout() {
  return existsSync(pathOf('dist/.sources-sha256'));
}

/** A user whom no file of the system knows, as of a container, has no home directory. Whoever asks Node for it gets an error, so it is the root. */
function haveHome() {
  try {
    homedir();
  } catch {
    process.env.HOME = '/';
  }
}

/**
 * Keeps V8's code of this process and of those that it starts: a tenth of a short command's time. It would cost a resident
 * one memory. In a checkout it lies beside the built code; what was installed is left as the installer made it, so there it
 * lies among what the user's programs can make again.
 */
function keepCompiled() {
  if (!module.enableCompileCache) return;
  if (!process.env.NODE_COMPILE_CACHE) {
    const directory = isCheckout() ? pathOf('dist/.compile-cache') : userCache();
    if (directory === undefined) return;
    process.env.NODE_COMPILE_CACHE = directory;
  }
  module.enableCompileCache();
}

/** A directory of the user's that is there; undefined where there can be none, which costs time and nothing else. */
function userCache() {
  let directory = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  // One by one: Node's own way of making all of them never ends on a file system that refuses each name (/proc).
  for (const name of ['', 'gpuledger', 'compiled']) {
    directory = join(directory, name);
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (error.code !== 'EEXIST') return undefined;
    }
  }
  return directory;
}

/** `--version` alone, for scripts; with `-v` for whoever wants to know which of several installations that was. */
function writeVersion(isVerbose) {
  const { version } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8'));
  const { execPath, platform, arch, versions } = process;
  process.stdout.write(
    isVerbose
      ? `gpuledger ${version} in ${pathOf('.')}\nNode ${versions.node} (${platform} ${arch}): ${execPath}\n`
      : `${version}\n`,
  );
}

function main() {
  const [first, second] = process.argv.slice(2);
  if (first === '--version' || first === '-V' || (first === '-v' && second === '--version')) {
    writeVersion(first === '-v' || second === '-v');
    return;
  }
  if (!isNewEnough(process.versions.node)) {
    const name = `node-${process.platform}-${process.arch}/bin/node`;
    // Among its own packages, or beside it among those of whoever depends on it.
    const bundled = [pathOf(`node_modules/${name}`), pathOf(`../${name}`)].find((path) => existsSync(path));
    if (bundled !== undefined) runUnder(bundled);
    else
      fail([
        `gpuledger needs Node ${NODE_VERSION_MIN.join('.')} or newer, and this is Node ${process.versions.node}`,
      ]);
    return;
  }
  // `npm start` killed with SIGKILL cannot tell its child; nothing of it may stay behind.
  const isNpmStart =
    process.env.npm_lifecycle_event === 'start' && process.env.npm_package_name === 'gpuledger';
  if (process.env.GPULEDGER_END_WITH_PARENT) endWithParent(Number(process.env.GPULEDGER_END_WITH_PARENT));
  else if (isNpmStart) endWithParent(process.ppid);
  delete process.env.GPULEDGER_END_WITH_PARENT;
  haveHome();
  // V8 lets its space for young objects grow to 16 MB in the bustle of a start and keeps it. Sampling allocates next to
  // nothing: with the first megabyte, and size before speed, a resident collector is 20 MB smaller (docs/benchmarks.md).
  if (RESIDENT_COMMANDS.includes(first)) {
    setFlagsFromString('--semi-space-growth-factor=1');
    setFlagsFromString('--optimize-for-size');
  } else {
    // What is left of a queue of hundreds of MB would fill 150 MB before V8 clears it away. (Set before code is kept: it is
    // kept apart for other flags.)
    if (first === 'jobs') setFlagsFromString('--optimize-for-size');
    keepCompiled();
  }
  const commandLine = 'dist/main.js';
  if (!existsSync(pathOf(commandLine))) {
    fail(
      existsSync(pathOf('scripts/build.js'))
        ? [`${pathOf(commandLine)} is missing: the sources are not built`, 'build them: npm run build']
        : [`${pathOf(commandLine)} is missing: a part of the installation was removed`, 'install it again'],
    );
    return;
  }
  import(`../${commandLine}`)
    .then((cli) => cli.main(process.argv.slice(2)))
    .then((exitCode) => {
      process.exitCode = exitCode;
    });
}

main();
