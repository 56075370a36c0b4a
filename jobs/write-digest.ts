import type { Digesting } from '../src/collector/collection.ts';
import type { Job } from './schedule.ts';

/** The digest of the last ended month. One that is tried again and again is one run. */
export function writeDigestJob({ schedule, digest }: Pick<Digesting, 'schedule' | 'digest'>): Job {
  return { name: 'write digest', schedule, run: digest };
}
