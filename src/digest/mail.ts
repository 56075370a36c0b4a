import { OperatingError } from '../core/base/errors.ts';
import { harmless } from '../report/text/table-text.ts';
import { runCommand } from '../site-command/run-command.ts';
import type { Digest } from './digest.ts';
import type { DigestFile } from './files.ts';

/** A mail server may take its time. */
const TIME_MS_MAX = 120_000;

const VARIABLES: Readonly<Record<DigestFile, string>> = {
  page: 'GPULEDGER_DIGEST_PAGE',
  capacity: 'GPULEDGER_DIGEST_CAPACITY',
  bill: 'GPULEDGER_DIGEST_BILL',
};

/** The text with the paths of the files below it. */
export function digestMessage({ text, paths }: Pick<Digest, 'text' | 'paths'>): string {
  const lines = Object.values(paths).map((path) => `  ${harmless(path)}\n`);
  return `${text}\n${lines.join('')}`;
}

/**
 * Runs the command with the message on its stdin, and month and paths in its environment.
 * @param timeMsMax for tests
 * @throws OperatingError `digest.mail`
 */
export async function mailDigest(
  words: readonly [string, ...string[]],
  digest: Digest,
  { closing, timeMsMax = TIME_MS_MAX }: { readonly closing: AbortSignal; readonly timeMsMax?: number },
): Promise<void> {
  const variables = {
    GPULEDGER_DIGEST_MONTH: digest.month,
    ...Object.fromEntries(
      Object.entries(digest.paths).map(([file, path]) => [VARIABLES[file as DigestFile], path]),
    ),
  };
  const failure = await runCommand(words, { text: digestMessage(digest), variables }, { timeMsMax, closing });
  if (failure === undefined) return;
  throw new OperatingError(
    `the digest of ${digest.month} is written and not mailed: ${words[0]} ${failure}`,
    {
      code: 'digest.mail',
      exit: 'temporary',
      hints: ['digest.mail_command in the configuration', 'again: gpuledger digest --mail'],
    },
  );
}
