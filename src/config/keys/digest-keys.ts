import type * as values from '../values.ts';

/** What is written of each month that has ended. */
export const DIGEST_KEYS = {
  about: 'a digest of each month, as files and as a mail: docs/digest.md',
  keys: {
    schedule: {
      type: (is: typeof values) => is.cronLine.exactOptional(),
      doc: 'at these times `run` writes the digest of the last ended month, a cron line with six fields (second minute hour day month weekday) by the clock of this machine: on one machine only',
      unset: 'nobody writes it; `gpuledger digest` does by hand',
      example: '0 0 6 1 * *',
    },
    directory: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'where the files go; needed beside a schedule',
      unset: 'none',
      example: '/var/lib/gpuledger/digests',
    },
    mail_command: {
      type: (is: typeof values) => is.commandWords.exactOptional(),
      doc: 'program and its arguments, run without a shell once the files are there: the text is on its stdin, the paths are in its environment (`docs/digest.md`)',
      unset: 'none',
      example: '["/usr/bin/mail", "-s", "GPU digest", "planning@example.org"]',
    },
  },
} as const;
