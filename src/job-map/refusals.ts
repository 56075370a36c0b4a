import type { Tell } from '../core/base/notice.ts';

/** Of the rows that are refused for one thing, so many are told one by one. */
const EXAMPLES_MAX = 3;

interface Refused {
  /** The same for all rows that are refused for this. */
  readonly expected: string;
  readonly found: string;
  readonly jobId?: string | undefined;
}

/**
 * What was wrong with refused rows, in a sentence for each thing: how many there were, and the first of them.
 * @param toldBefore things of which nothing more is told; what is told is added
 */
export function createRefusals(
  from: string,
  tell: Tell,
  toldBefore = new Set<string>(),
): { readonly add: (row: Refused) => void; readonly tellAll: () => void } {
  const byKind = new Map<string, { rows: number; readonly examples: string[] }>();
  return {
    add({ expected, found, jobId }) {
      const kind = byKind.get(expected) ?? { rows: 0, examples: [] };
      byKind.set(expected, kind);
      kind.rows += 1;
      if (kind.rows <= EXAMPLES_MAX)
        kind.examples.push(`${found}${jobId === undefined ? '' : ` (job ${jobId})`}`);
    },
    tellAll() {
      for (const [expected, { rows, examples }] of byKind) {
        if (toldBefore.has(expected)) continue;
        toldBefore.add(expected);
        const count = rows === 1 ? `a row of ${from} is` : `${rows} rows of ${from} are`;
        const more = rows > examples.length ? `, and ${rows - examples.length} more` : '';
        const sentence = `${count} left out: ${expected}, found ${examples.join(', ')}${more}`;
        tell({ level: 'warn', code: 'jobs.refused', sentence });
      }
    },
  };
}
