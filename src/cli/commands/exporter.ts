import { unwatchFile, watchFile } from 'node:fs';
import { Command, Option } from 'commander';
import type { Config } from '../../config/config.ts';
import { exporterArguments } from '../../exporter/exporter-arguments.ts';
import type { ExporterConfig } from '../../exporter/exporter-config.ts';
import { EXPORTER_FLAGS, type ExporterFlag } from '../../exporter/exporter-flags.ts';
import { requireAllDevices } from '../../source/source-spec.ts';
import { addConfigFlags, flaggedSettings, overridesFrom } from '../config-flags.ts';
import { requireLibrary } from '../require-library.ts';
import { reloadSignals, stopSignal, type ReloadSignals } from '../stop-signal.ts';

const EXAMPLES = `
Examples:
  gpuledger exporter -f /etc/dcgm-exporter/default-counters.csv       as dcgm-exporter was started
  gpuledger exporter --source synthetic --gpus 2 -a 127.0.0.1:9400    without a GPU
  gpuledger exporter --questdb-conf-file /etc/gpuledger/questdb.conf  records too

It takes the flags and the variables of dcgm-exporter 4.8.4, and serves the same names at the same port. Where a QuestDB is
configured it records as run does; else it only serves. SIGHUP, and a counters file that changes, are read again.

Exit codes: 0 stopped; 69 no source; 75 the port is taken, or unwritten rows; 77 not permitted; 78 configuration
`;

export function command(): Command {
  const exporter = new Command('exporter')
    .description('Serve /metrics for Prometheus in the place of dcgm-exporter.')
    .option('--force', 'write samples of the source synthetic also to a store that has real ones')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      // Before anything else, since a signal without a listener ends the process.
      const signals = { stopped: stopSignal(), reloads: reloadSignals() };
      await serve(options, signals);
    });
  for (const flag of OWN_FLAGS) exporter.addOption(optionOf(flag));
  return addConfigFlags(exporter, 'exporter');
}

/** Flags that our configuration has by the same name are its own. */
const OURS = flaggedSettings('exporter').map(({ flag }) => /--([a-z-]+)/.exec(flag ?? '')![1]);
const OWN_FLAGS = EXPORTER_FLAGS.filter(({ name }) => !OURS.includes(name));

/** Those of them without a value are written as dcgm-exporter's may be. */
const OUR_ON_OFF = flaggedSettings('exporter').flatMap(
  ({ flag }) => /^--([a-z-]+)$/.exec(flag ?? '')?.[1] ?? [],
);

export function argumentsOf(argv: readonly string[]): readonly string[] {
  return exporterArguments(argv, OUR_ON_OFF);
}

function optionOf({ name, alias, value, doc }: ExporterFlag): Option {
  const short = alias?.length === 1 ? `-${alias}, ` : '';
  return new Option(`${short}--${name}${value === undefined ? '' : ` ${value}`}`, doc);
}

/** As commander names them: `--no-hostname` takes `hostname` back. */
function toldFlags(options: Readonly<Record<string, unknown>>): Record<string, string | boolean | undefined> {
  return Object.fromEntries(
    OWN_FLAGS.map((flag) => {
      const option = optionOf(flag);
      const held = options[option.attributeName()];
      const isOn = option.negate ? held === false : held === true;
      return [flag.name, typeof held === 'string' ? held : isOn];
    }),
  );
}

async function serve(
  options: Readonly<Record<string, unknown>>,
  signals: { readonly stopped: Promise<string>; readonly reloads: ReloadSignals },
): Promise<void> {
  const { loadExporterConfig } = await import('../../exporter/exporter-config.ts');
  const file = options['config'];
  const read = (): Promise<ExporterConfig> =>
    loadExporterConfig({
      flags: toldFlags(options),
      overrides: overridesFrom(options),
      file: typeof file === 'string' ? file : undefined,
      env: process.env,
    });
  const first = await read();
  let asked = first;
  requireAllDevices(first.loaded.config);
  await requireLibrary(first.loaded.config);
  const [{ collectingWays }, { servingWays }, { runUntilStopped }] = await Promise.all([
    import('../resident/collecting.ts'),
    import('../resident/serving-metrics.ts'),
    import('../resident/run-until-stopped.ts'),
  ]);
  const watch = countersWatch(signals.reloads);
  watch(first.metrics.countersFile);
  const load = async () => {
    asked = await read();
    watch(asked.metrics.countersFile);
    return asked.loaded;
  };
  const metrics = (_config: Config) => Promise.resolve(asked.metrics);
  const [collect, serveOnly] = [collectingWays(options['force'] === true), servingWays()];
  // A QuestDB may be named, or be named no more, from one reading to the next.
  const begin: typeof collect = (...told) => (asked.isStoreless ? serveOnly : collect)(...told);
  await runUntilStopped({ load, metrics, begin }, first.loaded, signals);
}

/** How soon a change is seen. The file is looked at, not watched: below a ConfigMap it is a link to a link that is exchanged. */
const LOOK_MS = 1_000;

/** Reads everything again, as at SIGHUP, once the counters file has changed. */
function countersWatch(reloads: ReloadSignals): (file: string | undefined) => void {
  let watched: string | undefined;
  return (file) => {
    if (file === watched) return;
    if (watched !== undefined) unwatchFile(watched);
    watched = file;
    if (file === undefined) return;
    watchFile(file, { interval: LOOK_MS, persistent: false }, () => {
      reloads.ask(`${file} changed`);
    });
  };
}
