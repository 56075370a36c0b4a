import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import {
  parseDeviceSelector,
  selectDevices,
  type SelectableDevice,
} from '../../core/devices/device-selector.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { createScenario } from '../../core/synthetic/create-scenario.ts';
import { formatCount, formatMemory } from '../../report/text/format-quantity.ts';
import { tableText } from '../../report/text/table-text.ts';
import type { ListedSource, Listing } from '../../sampler/sampler-protocol.ts';
import { syntheticSpecOf } from '../../source/source-spec.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { whileShown } from '../progress.ts';
import { requireLibrary } from '../require-library.ts';
import { fittingTable, terminalStyle } from '../terminal.ts';

const EXAMPLES = `
Examples:
  gpuledger devices                       by the source that the configuration names (default: DCGM, embedded)
  gpuledger devices -r localhost          as a running host engine sees them
  gpuledger devices --source nvml --json  by the driver's own library, for a script
  gpuledger devices --devices g:0-3       what a selector stands for

The first column is what --devices takes: g:0,2 for GPUs, i:8 for MIG instances.

Exit codes: 0 listed; 69 no library, no driver or no device; 75 the engine does not answer; 78 a selector that is none
`;

export function command(): Command {
  const devices = new Command('devices')
    .description('List the GPUs and MIG instances of this node with every identity they have.')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'onlooker');
      await requireLibrary(config);
      const { about, devices: all } = await whileShown(
        `asking ${config.source}`,
        async () => await listDevices(config),
      );
      const isAsked = options['devices'] !== undefined;
      const listing = { about, devices: isAsked ? chosen(config.devices, all) : all };
      process.stdout.write(
        options['json'] === true ? jsonText(listing) : listingText(listing, terminalStyle().width),
      );
    });
  return addConfigFlags(devices, 'devices');
}

/**
 * Those that a selector stands for; what it names and nobody has goes to stderr.
 * @throws OperatingError (exit 69) when that is all.
 */
function chosen(selector: string, all: readonly SelectableDevice[]): readonly SelectableDevice[] {
  const { selected, absent } = selectDevices(parseDeviceSelector(selector), all);
  if (selected.length === 0) {
    throw new OperatingError(`no device is selected by "${selector}"`, {
      code: 'source.no_device',
      exit: 'unavailable',
      hints: ['see what there is: gpuledger devices'],
    });
  }
  if (absent.length > 0) process.stderr.write(`gpuledger: not there: ${absent.join(', ')}\n`);
  return selected;
}

/** @throws OperatingError exit 69 without library, driver or device; 75 when an engine does not answer. */
async function listDevices(config: Config): Promise<Listing> {
  switch (config.source) {
    case 'dcgm':
    case 'nvml': {
      const { listInWorker } = await import('../../sampler/sampler.ts');
      return await listInWorker(nativeSourceOf(config));
    }
    case 'synthetic': {
      const { openSynthetic } = await import('../../source/synthetic.ts');
      const { scenario } = syntheticSpecOf(config);
      const source = openSynthetic(createScenario(scenario), () => undefined);
      return { about: 'synthetic', devices: numbered(source.devices) };
    }
    case 'recording': {
      const { openRecording } = await import('../../source/recording.ts');
      const source = openRecording(config.recording.file ?? '', () => undefined);
      try {
        return { about: `recording ${config.recording.file ?? ''}`, devices: numbered(source.devices) };
      } finally {
        source.close();
      }
    }
  }
}

function nativeSourceOf(config: Config): ListedSource {
  const { library } = config[config.source === 'nvml' ? 'nvml' : 'dcgm'];
  const own = { node: config.node, ...(library === undefined ? {} : { library }) };
  return config.source === 'nvml'
    ? { name: 'nvml', ...own }
    : { name: 'dcgm', engine: config.dcgm.engine, ...own };
}

function numbered(devices: readonly SelectableDevice['device'][]): readonly SelectableDevice[] {
  return devices.map((device) => ({ device, selectorId: device.index }));
}

function jsonText({ about, devices }: Listing): string {
  const rows = devices.map(({ device, selectorId }) => ({
    selector: selectorOf({ device, selectorId }),
    ...device,
  }));
  return `${JSON.stringify({ source: about, devices: rows }, undefined, 2)}\n`;
}

function selectorOf({ device, selectorId }: SelectableDevice): string {
  return `${device.parentUuid === undefined ? 'g' : 'i'}:${selectorId}`;
}

function listingText({ about, devices }: Listing, width: number): string {
  const rows = devices.map((each) => {
    const { device } = each;
    const instance =
      device.gpuInstanceId === undefined ? '' : `${device.gpuInstanceId}/${device.computeInstanceId ?? '-'}`;
    return [
      selectorOf(each),
      device.model,
      device.migProfile ?? '',
      device.memoryBytes === 0 ? '' : formatMemory(device.memoryBytes),
      device.pciBusId ?? '',
      device.minor === undefined ? '' : String(device.minor),
      instance,
      device.uuid,
    ];
  });
  const header = ['device', 'model', 'profile', 'memory', 'PCI', 'minor', 'GI/CI', 'UUID'];
  // A column without any value would only make the lines longer.
  const isUsed = header.map((_, column) => rows.some((row) => row[column] !== ''));
  const shown = [header, ...rows].map((row) => row.filter((_, column) => isUsed[column] === true));
  const flush = tableText(shown, 'left', '');
  const isFitting = flush.every((line) => line.length <= width);
  // The last column is a UUID, which may not be cut as free text is: they are as long as each other, so it may be flush right.
  const lines = isFitting
    ? flush
    : fittingTable(shown, [...shown[0]!.slice(1).map(() => 'left' as const), 'right'], width);
  const gpus = devices.filter(({ device }) => device.parentUuid === undefined).length;
  const driver = devices.find(({ device }) => device.driver !== undefined)?.device.driver;
  const instances = devices.length - gpus;
  const counts = [
    formatCount(gpus, 'GPU'),
    ...(instances === 0 ? [] : [formatCount(instances, 'MIG instance')]),
  ].join(', ');
  return `${about} · ${counts}${driver === undefined ? '' : ` · driver ${driver}`}\n\n${lines.join('\n')}\n`;
}
