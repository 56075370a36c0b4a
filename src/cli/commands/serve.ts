import { Command } from 'commander';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { stopSignal } from '../stop-signal.ts';

const EXAMPLES = `
Examples:
  gpuledger serve                                          on 127.0.0.1:8470
  gpuledger serve --config /etc/gpuledger/gpuledger.yaml   as a service

It reads QuestDB and writes nothing. It runs until SIGINT or SIGTERM. A store that is away is told on the page.

Exit codes: 0 stopped; 75 the port is in use; 77 the port may not be taken; 78 configuration
`;

export function command(): Command {
  const serve = new Command('serve')
    .description('Serve pages of jobs and of the fleet, read from QuestDB, until told to stop.')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      // Before anything else, since a signal without a listener ends the process.
      const stopped = stopSignal();
      const loaded = await configFrom(options);
      const { serveUntilStopped } = await import('../serve/until-stopped.ts');
      await serveUntilStopped(loaded, stopped);
    });
  return addConfigFlags(serve, 'serve');
}
