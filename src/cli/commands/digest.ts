import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { OperatingError } from '../../core/base/errors.ts';
import { lastEndedMonth, type Month } from '../../core/calendar/month.ts';
import { writeDigest } from '../../digest/digest.ts';
import { digestMessage, mailDigest } from '../../digest/mail.ts';
import { addConfigFlags } from '../config-flags.ts';
import { monthArgument } from '../report/flags.ts';
import { reportCosts } from '../report-costs.ts';
import { withStore, type StoreConfig } from '../with-store.ts';

const EXAMPLES = `
Examples:
  gpuledger digest                            the last ended month, into digest.directory of the configuration
  gpuledger digest --month 2026-10 --directory /srv/gpu-digest
  gpuledger digest --mail                     and runs digest.mail_command with the text (docs/digest.md)

It writes the page of the fleet, whose the time was by account as CSV, and the month's bill where one was issued; it issues none. Files
that are there are replaced. Months are of the time zone of the configuration (time_zone).

Exit codes: 0 written, and mailed where --mail stands; 64 usage, or a month that has not ended; 69 nothing was sampled in it, or the
            store has no such table; 75 no QuestDB, a full disk, a command that fails or hangs, another one that writes: try again later;
            77 the directory may not be written; 78 the configuration is wrong, or names no directory or no command
`;

interface DigestFlags {
  readonly month?: Month;
  readonly directory?: string;
  readonly mail?: true;
}

export function command(): Command {
  const digest = new Command('digest')
    .description('A month of the fleet, as files and as a mail.')
    .addOption(
      new Option('--month <month>', 'such as 2026-10 (default: the last that has ended)').argParser(
        monthArgument,
      ),
    )
    .option('--directory <dir>', 'where the files go (default: digest.directory)')
    .option('--mail', 'run digest.mail_command with the text')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: DigestFlags) => {
      await digestByHand(flags);
    });
  return addConfigFlags(digest, 'digest');
}

async function digestByHand(flags: DigestFlags): Promise<void> {
  const { directory: named, month, mail } = flags;
  // Nothing is no directory, and not the one that somebody happens to be in.
  const own = named === undefined || named.trim() === '' ? undefined : resolve(named);
  const { digest, words } = await withStore(
    flags,
    async (db, config) => {
      const directory =
        own ?? config.digest.directory ?? refuse('digest.directory', 'or name one: --directory DIR');
      const words = mail === true ? commandOf(config) : undefined;
      const nowUs = Date.now() * 1000;
      const asked = month ?? lastEndedMonth(nowUs, config.timeZone);
      const costs = reportCosts(config);
      return { digest: await writeDigest(db, config, { month: asked, directory, nowUs, costs }), words };
    },
    'service',
  );
  process.stdout.write(digestMessage(digest));
  if (words !== undefined) await mailDigest(words, digest, { closing: new AbortController().signal });
}

function commandOf({ digest: { mailCommand } }: StoreConfig): readonly [string, ...string[]] {
  return mailCommand ?? refuse('digest.mail_command', 'or leave --mail out');
}

function refuse(key: string, hint: string): never {
  throw new OperatingError(`expected ${key} in the configuration, came nothing`, {
    code: 'digest.not_configured',
    exit: 'config',
    hints: [hint],
  });
}
