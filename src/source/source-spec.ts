import type { Config } from '../config/config.ts';
import type { SourceSpec } from './open-source.ts';
import { pauseDirectoryOf } from './profiling-pause.ts';

/** What the sampling worker is to open, by the configuration. Plain data: it crosses a thread. */
export function sourceSpecOf(config: Config): SourceSpec {
  switch (config.source) {
    case 'synthetic':
      return syntheticSpecOf(config);
    case 'recording':
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
