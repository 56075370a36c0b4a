import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import type { MetricsOptions } from '../../exporter/metrics.ts';
import { requireAllDevices } from '../../source/source-spec.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { requireLibrary } from '../require-library.ts';
import { reloadSignals, stopSignal } from '../stop-signal.ts';

const EXAMPLES = `
Examples:
  gpuledger run --config /etc/gpuledger/gpuledger.yaml     as a service on a node
  gpuledger run --source synthetic --gpus 8                without a GPU
  gpuledger run --hpc-job-mapping-dir /var/lib/dcgm-exporter/job-mapping

It runs until SIGINT or SIGTERM, then writes what it holds. A store that is down does not stop it. SIGHUP reads the
configuration again and goes on with it; one that is wrong is told, and changes nothing.

Exit codes: 0 stopped and all written; 69 no source; 75 stopped with unwritten rows; 78 configuration
`;

/** Its code is loaded where somebody wants to be scraped. */
async function metricsOf(config: Config): Promise<MetricsOptions | undefined> {
  if (config.metrics.listen === undefined) return undefined;
  const { metricsOptionsOf } = await import('../../exporter/metrics-options.ts');
  return await metricsOptionsOf(config);
}

export function command(): Command {
  const run = new Command('run')
    .description('Collect on this node until told to stop.')
    .option('--force', 'write samples of the source synthetic also to a store that has real ones')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      // Before anything else, since a signal without a listener ends the process.
      const signals = { stopped: stopSignal(), reloads: reloadSignals() };
      const loaded = await configFrom(options);
      requireAllDevices(loaded.config);
      await requireLibrary(loaded.config);
      const [{ collectingWays }, { runUntilStopped }] = await Promise.all([
        import('../resident/collecting.ts'),
        import('../resident/run-until-stopped.ts'),
      ]);
      const ways = {
        load: () => configFrom(options),
        begin: collectingWays(options['force'] === true),
        metrics: metricsOf,
      };
      await runUntilStopped(ways, loaded, signals);
    });
  return addConfigFlags(run, 'run');
}
