/**
 * Writes build/bundle/gpuledger.mjs: the handler and all the JavaScript that it needs in one file, for function platforms.
 * koffi (native) stays outside and must lie beside it in node_modules. Prints the size. Run it with `npm run bundle`; an
 * argument names another directory.
 */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';

// Plain JavaScript, since an older Node builds with it, too.
const { thirdPartyNotices } = (await import(new URL('./third-party.js', import.meta.url).href)) as {
  thirdPartyNotices: (metafile: Metafile) => string;
};

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const directory = process.argv[2] ?? join(ROOT, 'build/bundle');
const outfile = join(directory, 'gpuledger.mjs');

// The processes that talk to engines run this very file, and then need nothing of the handler.
const ENTRY = `
  const isChild = process.env.GPULEDGER_DRAIN_CHILD === '1';
  if (isChild) await import('./src/drain/engine-child.ts');
  const load = () => import('./src/handler.ts');
  export const handler = async (event, context) => (await load()).handler(event, context);
  export const fetchHandler = async (request) => (await load()).fetchHandler(request);
  export const closeHandler = async () => (await load()).closeHandler();
  export default { fetch: fetchHandler };
`;

mkdirSync(directory, { recursive: true });
const { metafile } = await build({
  stdin: { contents: ENTRY, resolveDir: ROOT, sourcefile: 'bundle-entry.js' },
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'esm',
  minify: true,
  external: ['koffi'],
  legalComments: 'none',
  // Packages in CommonJS ask for node's own modules by require.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  absWorkingDir: ROOT,
  metafile: true,
});
writeFileSync(join(directory, 'THIRD-PARTY-NOTICES.txt'), thirdPartyNotices(metafile));
const bytes = readFileSync(outfile);
const kilobytes = (count: number): string => `${(count / 1000).toFixed(0)} kB`;
console.log(`${outfile}: ${kilobytes(statSync(outfile).size)}, ${kilobytes(gzipSync(bytes).length)} gzipped`);
