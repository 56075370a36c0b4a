import {
  chmodSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { bashCompletion } from '../../src/cli/completion/bash.ts';
import { fishCompletion } from '../../src/cli/completion/fish.ts';
import { placesOf } from '../../src/cli/completion/places.ts';
import { zshCompletion } from '../../src/cli/completion/zsh.ts';
import type { Machine } from './machine.ts';
import { manPages } from './man-pages.ts';
import { npmPart } from './npm-part.ts';
import { ROOT, run } from './steps.ts';

/** What every file of one build is made from. */
export interface Made {
  readonly version: string;
  /** Seconds since 1970: the time of every file. */
  readonly epochS: number;
  readonly commands: Command;
}

/** Programs; all other files are read. */
const PROGRAMS = ['usr/bin/gpuledger', 'usr/lib/gpuledger/node', 'usr/libexec/gpuledger/gpuledger-hook'];
/** What `gpuledger doctor` holds the installed unit against. */
const UNIT = 'infra/systemd/gpuledger.service';
/** How it was made, and what it costs, which no user has to know. */
const DEVELOPERS_PAGES = ['design.md', 'decisions.md', 'benchmarks.md', 'hardware.md', 'api.md'];

/** Writes all files as they are to lie below `/`, for one machine. */
export function writeTree(directory: string, machine: Machine, made: Made): void {
  rmSync(directory, { recursive: true, force: true });
  const usr = join(directory, 'usr');
  writeProgram(join(usr, 'lib/gpuledger'), machine);
  const launcher = readFileSync(join(ROOT, 'infra/packages/gpuledger'), 'utf8');
  write(join(usr, 'bin/gpuledger'), launcher.replaceAll('@MACHINE@', machine.machine));
  copy('infra/slurm/gpuledger-hook', join(usr, 'libexec/gpuledger/gpuledger-hook'));
  for (const unit of globSync('infra/systemd/*.{service,timer,path}', { cwd: ROOT }))
    copy(unit, join(usr, unit.replace('infra/systemd', 'lib/systemd/system')));
  copy('infra/systemd/gpuledger.sysusers', join(usr, 'lib/sysusers.d/gpuledger.conf'));
  copy('infra/slurm/gpuledger-tmpfiles.conf', join(usr, 'lib/tmpfiles.d/gpuledger.conf'));
  // Without a setting, and the same in every version: dpkg asks whether to keep what people changed where a package brings something else.
  copy('infra/packages/gpuledger.yaml', join(directory, 'etc/gpuledger/gpuledger.yaml'));
  const places = placesOf(made.commands);
  write(join(usr, 'share/bash-completion/completions/gpuledger'), bashCompletion(places));
  write(join(usr, 'share/zsh/site-functions/_gpuledger'), zshCompletion(places));
  write(join(usr, 'share/fish/vendor_completions.d/gpuledger.fish'), fishCompletion(places));
  for (const [name, page] of manPages(made)) write(join(usr, 'share/man/man1', `${name}.gz`), packed(page));
  writeDocumentation(join(usr, 'share/doc/gpuledger'));
  makeAlike(directory, made.epochS);
}

/** Node without its symbols, the built code, and what that reads beside itself. */
function writeProgram(lib: string, { arch, machine }: Machine): void {
  const node = npmPart(`node-linux-${arch}`);
  mkdirSync(lib, { recursive: true });
  run(`${machine}-linux-gnu-strip`, ['-o', join(lib, 'node'), join(node, 'bin/node')]);
  cpSync(join(node, 'LICENSE'), join(lib, 'LICENSE.node'));
  // Its first line is for those who call it without the launcher.
  const entry = readFileSync(join(ROOT, 'bin/gpuledger.js'), 'utf8');
  write(join(lib, 'bin/gpuledger.js'), entry.replace(/^#!.*\n/, ''));
  for (const path of ['package.json', 'infra/page', 'infra/questdb/pom.xml', 'infra/questdb/queries', UNIT])
    copy(path, join(lib, path));
  const built = join(ROOT, 'dist');
  cpSync(built, join(lib, 'dist'), {
    recursive: true,
    filter: (path) => path === built || !/\/\.(compile-cache|sources-sha256)$/.test(path),
  });
  const modules = join(lib, 'node_modules');
  cpSync(join(ROOT, 'node_modules/koffi'), join(modules, 'koffi'), {
    recursive: true,
    // What it is compiled from stays out.
    filter: (path) =>
      !/\/koffi\/(?:vendor|doc|lib|cnoke\.cjs|CHANGELOG\.md)$|trampolines\.cjs$|\.(cc|hh|inc|S|asm|d\.ts)$/.test(
        path,
      ),
  });
  const native = `@koromix/koffi-linux-${arch}`;
  // Its other build is for another C library than this Node's.
  cpSync(npmPart(native), join(modules, native), {
    recursive: true,
    filter: (path) => !path.endsWith(`musl_${arch}`),
  });
  // What is loaded only for a text that needs it is not in dist.
  for (const name of ['string-width', 'strip-ansi', 'ansi-regex', 'get-east-asian-width'])
    cpSync(join(ROOT, 'node_modules', name), join(modules, name), {
      recursive: true,
      filter: (path) => !/\.d\.ts$|\/readme\.md$/.test(path),
    });
  for (const file of ['package.json', 'LICENSE', 'dist/uPlot.min.css', 'dist/uPlot.iife.min.js'])
    copy(`node_modules/uplot/${file}`, join(modules, 'uplot', file));
}

/** As in the repository, so that what links to something finds it. */
function writeDocumentation(folder: string): void {
  for (const name of ['README.md', 'SECURITY.md']) copy(name, join(folder, name));
  write(join(folder, 'changelog.gz'), packed(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')));
  for (const path of globSync('docs/*.md', { cwd: ROOT }))
    if (!DEVELOPERS_PAGES.some((page) => path.endsWith(`/${page}`))) copy(path, join(folder, path));
  for (const path of globSync('infra/*', { cwd: ROOT }))
    if (!/^infra\/(packages|docker|page|systemd)$/.test(path))
      cpSync(join(ROOT, path), join(folder, path), {
        recursive: true,
        filter: (source) => !source.endsWith('/.env'),
      });
  write(
    join(folder, 'copyright'),
    `gpuledger is under the Apache License 2.0 (/usr/share/common-licenses/Apache-2.0, where there is one).

It brings along Node.js (/usr/lib/gpuledger/LICENSE.node), koffi and uplot (their folders in /usr/lib/gpuledger/node_modules)
and the packages of /usr/lib/gpuledger/dist/THIRD-PARTY-NOTICES.txt, each under the licence that stands there.
`,
  );
}

/** One mode for programs and directories, another one for what is read, and one time for all, whoever builds it. */
function makeAlike(directory: string, epochS: number): void {
  // What is inside comes before what it is in: writing changes the time of a directory.
  for (const path of globSync('**', { cwd: directory }).sort().reverse()) {
    const absolute = join(directory, path);
    const isProgram = PROGRAMS.includes(path) || lstatSync(absolute).isDirectory();
    chmodSync(absolute, isProgram ? 0o755 : 0o644);
    utimesSync(absolute, epochS, epochS);
  }
}

function packed(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

function copy(from: string, to: string): void {
  cpSync(join(ROOT, from), to, { recursive: true });
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
