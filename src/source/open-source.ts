import type { EventSink, Source } from '../core/source.ts';
import { OperatingError } from '../core/errors.ts';
import type { ScenarioOptions } from '../core/synthetic/scenario.ts';

/** Which source to open, as plain data that can cross to the sampling worker. */
export type SourceSpec =
  | { readonly name: 'synthetic'; readonly scenario: ScenarioOptions }
  | { readonly name: 'dcgm' }
  | { readonly name: 'nvml' }
  | { readonly name: 'recording'; readonly file: string };

/**
 * Opens a source. Each is loaded only when asked for, so that a machine without NVIDIA's libraries never touches koffi.
 * @throws OperatingError when a library, an engine or a file is not there.
 */
export async function openSource(spec: SourceSpec, onEvent: EventSink): Promise<Source> {
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
    case 'dcgm':
    case 'nvml':
      throw new OperatingError(`source ${spec.name} is not part of this version`, {
        code: 'source.absent',
        exit: 'unavailable',
        hints: ['without a GPU: --source synthetic'],
      });
  }
}
