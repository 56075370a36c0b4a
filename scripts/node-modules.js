/** Brings node_modules level with the lockfile. */
import { existsSync, readFileSync, rmSync, symlinkSync } from 'fs';
import { dirname, join, relative } from 'path';

import { requireFreeDisk } from './free-disk.js';
import { announce, Failure, ROOT, run } from './step.js';

const NODE_VERSION_MIN = [22, 12];
/** Locked for the platforms that have one. */
const BUNDLED_NODE = `node_modules/node-${process.platform}-${process.arch}`;

export function installIfStale() {
  if (!isLevel()) {
    announce(
      'installing the packages of the lockfile (npm ci: about 10 s; 340 MB on disk, 270 MB of it stay)',
    );
    requireFreeDisk(ROOT, 400, 'the packages');
    runNpmCi();
    removeHeaders();
  }
  linkBundledNode();
  requireNewNode();
}

/**
 * npm keeps a lockfile of what it has really installed. Every package that we lock must be there in the same version;
 * those for other platforms are left out by npm.
 */
function isLevel() {
  const installed = readPackages(join(ROOT, 'node_modules/.package-lock.json'));
  if (installed === undefined) return false;
  const locked = readPackages(join(ROOT, 'package-lock.json'));
  return Object.entries(locked || {}).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return wanted.optional === true || wanted.devOptional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

function readPackages(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // half written: install again
    throw error;
  }
}

function runNpmCi() {
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional'];
  // Inside a script npm names itself and the Node that it runs on. That Node is not the one in node_modules, which
  // `npm ci` removes.
  const { npm_execpath: npmPath, npm_node_execpath: nodePath } = process.env;
  const isNpm = npmPath !== undefined && /npm-cli\.c?js$/.test(npmPath);
  const env = { ...process.env };
  // Flags of the outer command do not belong to this one.
  for (const flag of [
    'npm_config_global',
    'npm_config_dry_run',
    'npm_config_omit',
    'npm_config_ignore_scripts',
  ]) {
    delete env[flag];
  }
  const bundled = readPackages(join(ROOT, 'package-lock.json'))[BUNDLED_NODE];
  if (bundled !== undefined && !isNewEnough()) {
    const preload = join(ROOT, 'scripts/pretend-node.cjs').replace(/["\\]/g, '\\$&');
    env.GPULEDGER_NODE_VERSION = `v${bundled.version}`;
    env.NODE_OPTIONS = `${env.NODE_OPTIONS || ''} --require="${preload}"`;
  }
  if (isNpm) run(nodePath || process.execPath, [npmPath, ...args], { env });
  else run('npm', args, { env });
}

/** npm 9, which Debian 12 has, unpacks the Node of an optional package without linking it into .bin. */
function linkBundledNode() {
  const link = join(ROOT, 'node_modules/.bin/node');
  const bundled = join(ROOT, BUNDLED_NODE, 'bin/node');
  if (!existsSync(link) && existsSync(bundled)) symlinkSync(relative(dirname(link), bundled), link);
}

/** Of the bundled Node; whoever compiles add-ons takes them from elsewhere, and nothing here does. */
function removeHeaders() {
  rmSync(join(ROOT, BUNDLED_NODE, 'include'), { recursive: true, force: true });
}

/** The bundled Node comes with the packages; on other platforms the system's own must do. */
function requireNewNode() {
  if (existsSync(join(ROOT, 'node_modules/.bin/node')) || isNewEnough()) return;
  const platform = `${process.platform} ${process.arch}`;
  const needed = NODE_VERSION_MIN.join('.');
  throw new Failure(
    `Node ${needed} or newer is needed, this is ${process.version}, and there is no bundled one for ${platform}`,
    69,
  );
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > NODE_VERSION_MIN[0] || (major === NODE_VERSION_MIN[0] && minor >= NODE_VERSION_MIN[1]);
}
