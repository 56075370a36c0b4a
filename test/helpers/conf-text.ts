import { parseConf } from '../../src/ownership/slurm/conf-lines.ts';
import type { ConfText } from '../../src/ownership/slurm/conf-reader.ts';

/** The text of a file without includes, as the reader would give it. */
export function confText(text: string): ConfText {
  const statements = [...parseConf(text)];
  return {
    lines: statements.flatMap((one) =>
      one.kind === 'words' ? [{ where: `conf:${one.line}`, words: one.words }] : [],
    ),
    faults: statements.flatMap((one) =>
      one.kind === 'words' ? [] : [{ where: `conf:${one.line}`, message: 'not read here' }],
    ),
  };
}
