import type { EventSink, SampledLane, Source } from '../core/sampling/source.ts';
import type { ScenarioOptions } from '../core/synthetic/scenario.ts';
import type { DcgmOptions } from './dcgm/dcgm.ts';
import type { NvmlOptions } from './nvml/options.ts';

/** Which source to open, as plain data that can cross to the sampling worker. */
export type SourceSpec = OneSource & {
  /** To which its devices belong. */
  readonly cluster?: string;
};

type OneSource =
  | { readonly name: 'synthetic'; readonly scenario: ScenarioOptions }
  | ({ readonly name: 'dcgm' } & Omit<DcgmOptions, 'lanes' | 'onEvent'>)
  | ({ readonly name: 'nvml' } & Omit<NvmlOptions, 'lanes' | 'onEvent'>)
  | { readonly name: 'recording'; readonly file: string };

/**
 * Opens a source. Each is loaded only when asked for, so that a machine without NVIDIA's libraries never touches koffi.
 * @throws OperatingError when a library, an engine or a file is not there.
 */
export async function openSource(
  spec: SourceSpec,
  lanes: readonly SampledLane[],
  onEvent: EventSink,
): Promise<Source> {
  switch (spec.name) {
    case 'synthetic': {
      const { openSynthetic } = await import('./synthetic.ts');
      const { createScenario } = await import('../core/synthetic/create-scenario.ts');
      return openSynthetic(createScenario(spec.scenario), onEvent);
    }
    case 'recording': {
      const { openRecording } = await import('./recording.ts');
      return openRecording(spec.file, onEvent);
    }
    case 'dcgm': {
      const { openDcgmSource } = await import('./dcgm/dcgm.ts');
      return openDcgmSource({ ...spec, lanes, onEvent });
    }
    case 'nvml': {
      const { openNvmlSource } = await import('./nvml/nvml.ts');
      return openNvmlSource({ ...spec, lanes, onEvent });
    }
  }
}
