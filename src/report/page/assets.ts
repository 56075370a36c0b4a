import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { OperatingError } from '../../core/base/errors.ts';
import { installedPath } from '../../disk/installed-path.ts';
import type { PageAssets } from './page.ts';

const FOLDER = 'infra/page';

/** Styles of pages on which nothing is drawn by a script. @throws OperatingError `page.incomplete` */
export function readStillAssets(): PageAssets {
  return { styles: [readAsset(() => installedPath(`${FOLDER}/page.css`))], scripts: [] };
}

/** The same, with those of what only pages have that are served. @throws OperatingError `page.incomplete` */
export function readServedAssets({ styles, scripts }: PageAssets = readStillAssets()): PageAssets {
  return { styles: [...styles, readAsset(() => installedPath(`${FOLDER}/serve.css`))], scripts };
}

/** Styles and scripts of pages. @throws OperatingError `page.incomplete` where they are not beside the program */
export function readPageAssets(): PageAssets {
  const require = createRequire(import.meta.url);
  return {
    styles: [
      readAsset(() => require.resolve('uplot/dist/uPlot.min.css')),
      readAsset(() => installedPath(`${FOLDER}/page.css`)),
    ],
    scripts: [
      // Whoever passes a page on passes on what stands in it, and its licence asks to come along.
      `/*\n${readAsset(() => require.resolve('uplot/LICENSE'))}*/\n${readAsset(() => require.resolve('uplot/dist/uPlot.iife.min.js'))}`,
      readAsset(() => installedPath(`${FOLDER}/job.js`)),
    ],
  };
}

function readAsset(find: () => string | undefined): string {
  try {
    const path = find();
    if (path !== undefined) return readFileSync(path, 'utf8');
  } catch (cause) {
    throw incomplete(cause);
  }
  throw incomplete(undefined);
}

function incomplete(cause: unknown): OperatingError {
  return new OperatingError('what pages are made of is missing beside the program', {
    code: 'page.incomplete',
    exit: 'unavailable',
    hints: [`expected ${FOLDER} and the package uplot: install gpuledger again`],
    cause,
  });
}
