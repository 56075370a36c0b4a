import { Command } from 'commander';
import { startCollection } from './collection.ts';
import { addConfigFlags, configFrom } from './config-flags.ts';
import { createLog } from './log.ts';
import { stopSignal } from './stop-signal.ts';

const EXAMPLES = `
Examples:
  gpuledger run --config /etc/gpuledger/gpuledger.yaml     as a service on a node
  gpuledger run --source synthetic --gpus 8                without a GPU
  gpuledger run --hpc-job-mapping-dir /var/lib/dcgm-exporter/job-mapping

It runs until SIGINT or SIGTERM, then writes what it holds. A store that is down does not stop it.

Exit codes: 0 stopped and all written; 69 no source; 75 stopped with unwritten rows; 78 configuration
`;

export function command(): Command {
  const run = new Command('run')
    .description('Collect on this node until told to stop.')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      const { config, warnings } = await configFrom(options);
      const log = createLog(config.log.format, config.log.level);
      for (const text of warnings) log({ level: 'warn', event: 'config.warning', text });
      const collection = await startCollection(config, { kind: 'real' }, false, log);
      const { collector, db } = collection;
      const lanes = collector.lanes.map(
        (lane) => `${lane.name} ${lane.schedule === 'continuous' ? `${lane.intervalMs} ms` : lane.schedule}`,
      );
      log({
        level: 'info',
        event: 'run.started',
        text: `${collector.description}: ${collector.devices.length} devices, lanes ${lanes.join(', ')}, to ${db.where}`,
        data: { source: collector.source, devices: collector.devices.length },
      });
      const signal = await Promise.race([collector.ended.then(() => undefined), stopSignal()]);
      log({
        level: 'info',
        event: 'run.stopping',
        text: `stopping${signal === undefined ? '' : ` on ${signal}`}: writing what is held`,
      });
      if (!(await collection.close())) process.exitCode = 75;
    });
  return addConfigFlags(run);
}
