/**
 * Makes what people install into build/package: a tarball, a .deb and an .rpm, each with the Node that it runs on, for this kind of
 * machine or for those that are named. Run it with `npm run package`, or `npm run package -- x64 arm64`. The same commit makes the
 * same bytes. Prints each file and its size.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadCommandTree } from '../src/cli/main.ts';
import { writeDeb } from './package/deb.ts';
import { MACHINES, type Machine } from './package/machine.ts';
import { writeRpm } from './package/rpm.ts';
import { announce, Failure, ROOT, run } from './package/steps.ts';
import { writeTarball } from './package/tarball.ts';
import { writeTree, type Made } from './package/tree.ts';

const OUT = join(ROOT, 'build/package');
/** Of Debian: program, package. */
const PROGRAMS = [
  ['tar', 'tar'],
  ['dpkg-deb', 'dpkg'],
  ['rpmbuild', 'rpm'],
] as const;

function requireMachines(names: readonly string[]): readonly Machine[] {
  return names.map((name) => {
    const machine = MACHINES.find(({ arch }) => arch === name);
    if (machine !== undefined) return machine;
    throw new Failure(`expected ${MACHINES.map(({ arch }) => arch).join(' or ')}, came ${name}`, 64);
  });
}

function requirePrograms(machines: readonly Machine[]): void {
  const strips = machines.map(({ machine }) => {
    const suffix = machine === 'x86_64' ? 'x86-64' : machine;
    return [`${machine}-linux-gnu-strip`, `binutils-${suffix}-linux-gnu`] as const;
  });
  const missing = [...PROGRAMS, ...strips].filter(
    ([program]) => spawnSync(program, ['--version']).error !== undefined,
  );
  if (missing.length > 0)
    throw new Failure(
      `not found: ${missing.map(([program]) => program).join(', ')}\n  install with: apt-get install ${missing.map(([, name]) => name).join(' ')}`,
      69,
    );
}

/** The time of the commit, so that everybody makes the same of it. SOURCE_DATE_EPOCH stands above it. */
function epochS(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && given !== '') {
    if (/^\d{1,10}$/.test(given)) return Number(given);
    throw new Failure(`expected SOURCE_DATE_EPOCH in seconds since 1970, came ${given}`, 64);
  }
  const { status, stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0)
    throw new Failure(
      'this is no clone of git, whose commit tells the time of the files\n  set SOURCE_DATE_EPOCH',
      69,
    );
  return Number(stdout);
}

async function makeFor(machine: Machine, made: Made): Promise<void> {
  const { version } = made;
  announce(`packing ${version} for linux ${machine.arch} (some two minutes)`);
  const tree = join(OUT, `tree-${machine.arch}`);
  writeTree(tree, machine, made);
  const tarball = join(OUT, `gpuledger-${version}-linux-${machine.arch}.tar.gz`);
  const deb = join(OUT, `gpuledger_${version}-1_${machine.debian}.deb`);
  const rpm = join(OUT, `gpuledger-${version}-1.${machine.machine}.rpm`);
  await writeTarball(tarball, tree, machine, made);
  writeDeb(deb, tree, machine, made);
  writeRpm(rpm, tree, machine, made);
  rmSync(tree, { recursive: true });
  for (const path of [tarball, deb, rpm])
    console.log(`${path}: ${(statSync(path).size / 1e6).toFixed(1)} MB`);
}

try {
  const machines = requireMachines(process.argv.length > 2 ? process.argv.slice(2) : [process.arch]);
  requirePrograms(machines);
  // Modes are what the packages say, not what somebody's shell has.
  process.umask(0o022);
  run(process.execPath, ['scripts/build.js']);
  mkdirSync(OUT, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const made: Made = { version, epochS: epochS(), commands: await loadCommandTree() };
  for (const machine of machines) await makeFor(machine, made);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
