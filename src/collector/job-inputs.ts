import type { Config } from '../config/config.ts';
import type { Device } from '../core/devices/device.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import { createScenario } from '../core/synthetic/create-scenario.ts';
import { loadJobInputs } from '../ownership/open-inputs.ts';
import { isAnyInputNamed, readCluster } from '../ownership/schedulers.ts';
import { createSyntheticJobs } from '../ownership/synthetic-jobs.ts';
import type { SourceSpec } from '../source/open-source.ts';
import { inputPathsOf } from './input-paths.ts';

/** Who tells whose devices these are. @returns what opens it, once the devices are known */
export async function jobInputsOf(
  config: Config,
  source: SourceSpec,
): Promise<(devices: readonly Device[]) => readonly JobInput[]> {
  if (source.name === 'synthetic' && !isAnyInputNamed(config.jobs))
    return () => [createSyntheticJobs(createScenario(source.scenario))];
  return await loadJobInputs(inputPathsOf(config));
}

/** By the configuration, else as the scheduler calls it whose jobs are read. */
export async function clusterOf(config: Config): Promise<string | undefined> {
  return config.cluster ?? (await readCluster(inputPathsOf(config)));
}
