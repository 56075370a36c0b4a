/**
 * Writes the licences of the packages that a bundle holds, whose terms ask for that: by what esbuild says it has taken in.
 */
import { readdirSync, readFileSync } from 'fs';
import { join } from 'path';

import { Failure, ROOT } from './step.js';

const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

/**
 * @param metafile of esbuild's result
 * @returns text: each package with its version, its licence's name, and the words of its files LICENSE, COPYING, NOTICE
 */
export function thirdPartyNotices(metafile) {
  const folders = new Set(
    Object.keys(metafile.inputs).flatMap((path) => {
      const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
      return match === null ? [] : [match[1]];
    }),
  );
  const parts = [...folders].sort().map((folder) => {
    const absolute = join(ROOT, folder);
    const { name, version, license, author } = JSON.parse(
      readFileSync(join(absolute, 'package.json'), 'utf8'),
    );
    const texts = readdirSync(absolute)
      .filter((file) => LICENCE_FILE.test(file) && !/\.[cm]?[jt]s$/.test(file))
      .map((file) => readFileSync(join(absolute, file), 'utf8').trim());
    // Some name the Apache licence, which is ours too, and leave its text out.
    if (texts.length === 0 && license === 'Apache-2.0')
      texts.push(readFileSync(join(ROOT, 'LICENSE'), 'utf8').trim());
    if (texts.length === 0 && license === 'MIT' && author !== undefined) texts.push(mitOf(author));
    if (texts.length === 0)
      throw new Failure(`${name} ${version} has no text of its licence (${license})`, 69);
    const body = texts.join('\n\n');
    return `${name} ${version} (${license})\n\n${body}\n`;
  });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  const head = 'gpuledger holds the code of these packages, by these licences.\n';
  return [head, ...parts].join(rule);
}

/** The words of the MIT licence, for packages that name it and leave its text out. @param author as npm has it */
function mitOf(author) {
  const holder = typeof author === 'string' ? author : `${author.name} <${author.email}>`;
  return `The MIT License (MIT)

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH
THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
}
