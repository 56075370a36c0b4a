/**
 * Bundles the TypeScript sources and the packages they need into dist/ when they have changed since the last time. One
 * file a command and a few that they share: loading some hundred modules one by one would cost each start 50 ms and more
 * (docs/decisions.md).
 */
import { createHash } from 'crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'fs';
import { join } from 'path';
import { fileURLToPath } from 'url';

import { announce, ROOT } from './step.js';
import { thirdPartyNotices } from './third-party.js';

const SOURCES = [
  ...['src', 'schemas', 'native', 'jobs', 'package.json', 'package-lock.json', 'LICENSE'],
  ...['scripts/build.js', 'scripts/third-party.js'],
];
const STAMP = 'dist/.sources-sha256';
const NOTICES = 'THIRD-PARTY-NOTICES.txt';

/** What is loaded by its name: the command line, threads and processes of our own, the package's export, the benchmark. */
const ENTRIES = [
  'src/cli/main.ts',
  'src/sampler/sampler-worker.ts',
  'src/source/nvml/event-worker.ts',
  'src/source/nvml/process-use-worker.ts',
  'src/source/dcgm/nudge-worker.ts',
  'src/drain/engine-child.ts',
  'src/handler.ts',
  'src/collector/play.ts',
];

/** Packages in CommonJS ask for node's own modules by require. */
const REQUIRE =
  "import { createRequire as createGpuledgerRequire } from 'node:module'; const require = createGpuledgerRequire(import.meta.url);";

export async function buildIfStale() {
  const wanted = hashOf(SOURCES);
  const stampPath = join(ROOT, STAMP);
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === wanted) return;
  announce('building');
  // Into a new directory that is then put in place, so that no file of an older source stays behind. Types are checked
  // by `npm run check`; here only the code is wanted.
  const fresh = join(ROOT, `build/dist-${process.pid}`);
  const { build } = await import('esbuild');
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outdir: fresh,
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    // Native: it loads a file that lies beside its own.
    external: ['koffi'],
    banner: { js: REQUIRE },
    logLevel: 'error',
    metafile: true,
  });
  writeFileSync(join(fresh, NOTICES), thirdPartyNotices(metafile));
  writeFileSync(join(fresh, '.sources-sha256'), wanted);
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  renameSync(fresh, join(ROOT, 'dist'));
}

/** SHA-256 over the names and contents of files and folders. */
function hashOf(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    const absolute = join(ROOT, path);
    if (!existsSync(absolute)) return;
    const content = readFileOrUndefined(absolute);
    if (content === undefined) {
      for (const name of readdirSync(absolute).sort()) add(join(path, name));
    } else {
      hash.update(`${path}\0${content.length}\0`).update(content);
    }
  };
  paths.forEach(add);
  return hash.digest('hex');
}

/** Undefined for a folder. */
function readFileOrUndefined(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'EISDIR') return undefined;
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildIfStale();
