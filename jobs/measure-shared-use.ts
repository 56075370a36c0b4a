import type { Collector } from '../src/collector/collector.ts';
import type { Job } from './schedule.ts';

/** The driver keeps some ten seconds of what each process did. */
const EVERY_MS = 10_000;

/** What the owners of shared devices do with them; nothing while no device is shared. */
export function measureSharedUseJob(collector: Collector): Job {
  return {
    name: 'measure shared use',
    schedule: { everyMs: EVERY_MS },
    run: () => collector.measureSharedUse(),
  };
}
