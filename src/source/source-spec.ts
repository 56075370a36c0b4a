import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { SourceSpec } from './open-source.ts';
import { pauseDirectoryOf } from './profiling-pause.ts';

/** What the configuration has where nobody selects. */
const ALL_DEVICES = 'f';

/**
 * What the sampling worker is to open, by the configuration. Plain data: it crosses a thread.
 * @throws OperatingError `config.device_selector` where the source has all its devices sampled, whatever is selected
 */
export function sourceSpecOf(config: Config): SourceSpec {
  switch (config.source) {
    case 'synthetic':
      requireAllDevices(config);
      return syntheticSpecOf(config);
    case 'recording':
      requireAllDevices(config);
      return { name: 'recording', file: config.recording.file ?? '' };
    case 'dcgm': {
      const { engine, library, route } = config.dcgm;
      return {
        name: 'dcgm',
        node: config.node,
        engine,
        route,
        devices: config.devices,
        flushIntervalMs: config.flush.intervalMs,
        pauseDir: pauseDirectoryOf(config.stateDir),
        ...(library === undefined ? {} : { library }),
      };
    }
    case 'nvml': {
      const { library } = config.nvml;
      const pauseDir = pauseDirectoryOf(config.stateDir);
      return {
        name: 'nvml',
        node: config.node,
        devices: config.devices,
        pauseDir,
        ...(library === undefined ? {} : { library }),
      };
    }
  }
}

/** @throws OperatingError `config.device_selector` where devices are selected of a source that knows no selection */
export function requireAllDevices({ source, devices }: Pick<Config, 'source' | 'devices'>): void {
  if (devices === ALL_DEVICES || source === 'dcgm' || source === 'nvml') return;
  throw new OperatingError(`expected no device selector for the source ${source}, came "${devices}"`, {
    code: 'config.device_selector',
    exit: 'config',
    hints: [
      'leave devices out (--devices, -i, GPULEDGER_DEVICES): all devices of this source are sampled',
      ...(source === 'synthetic' ? ['how many there are: --gpus, synthetic.gpus'] : []),
    ],
  });
}

/** The same devices for whoever samples, lists or watches them. */
export function syntheticSpecOf(config: Config): Extract<SourceSpec, { name: 'synthetic' }> {
  const { nodes, gpus, seed, mig } = config.synthetic;
  const nodeNames = nodes === 1 ? { nodeNames: [config.node] } : {};
  const startUs = Date.now() * 1000;
  return {
    name: 'synthetic',
    scenario: { kind: 'steady', seed, nodes, gpusPerNode: gpus, mig, startUs, ...nodeNames },
  };
}
