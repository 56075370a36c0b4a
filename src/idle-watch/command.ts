import { OperatingError } from '../core/base/errors.ts';
import { runCommand } from '../site-command/run-command.ts';
import type { Channel } from './channel.ts';

const TIME_MS_MAX = 30_000;

/**
 * Runs a program for each message: the text is its stdin, `GPULEDGER_MESSAGE` the JSON. No shell sees it, and no argument is made of it.
 * @param timeMsMax for tests
 */
export function openCommand(words: readonly [string, ...string[]], timeMsMax = TIME_MS_MAX): Channel {
  return {
    async send({ text, json }, closing) {
      const given = { text, variables: { GPULEDGER_MESSAGE: json } };
      const failure = await runCommand(words, given, { timeMsMax, closing });
      if (failure === undefined) return { kind: 'told' };
      const error = new OperatingError(`the command ${words[0]} ${failure}`, {
        code: 'idle_watch.command',
        exit: 'temporary',
        hints: ['it is tried again with the next looks', 'idle_watch.command in the configuration'],
      });
      return { kind: 'failed', error };
    },
    close: () => Promise.resolve(),
  };
}
