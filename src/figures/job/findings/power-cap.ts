import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import { common, joined } from '../../spans.ts';
import { lastsUntilUs } from '../facts.ts';
import type { Found, JobDevice, JobFacts } from '../figures.ts';

/** The power limit held the clocks down for much of the time: nothing that a user can change. */
export function powerCap(facts: JobFacts, { powerCapRatio }: FindingLimits): readonly Found[] {
  const capped = facts.devices
    .map((device) => ({ device, us: cappedUs(facts, device) }))
    .filter(({ device: { sampledUs }, us }) => sampledUs > 0 && us >= powerCapRatio * sampledUs);
  if (capped.length === 0) return [];
  const us = capped.reduce((sum, one) => sum + one.us, 0);
  const seenUs = capped.reduce((sum, { device }) => sum + device.sampledUs, 0);
  return [
    { rule: 'power-cap', devices: capped.map(({ device }) => device), ratio: Math.min(1, us / seenUs) },
  ];
}

/** A limit that nobody told the end of is known up to the device's last sample. */
function cappedUs({ startUs }: JobFacts, { events, endUs, lastSampleUs = endUs }: JobDevice): number {
  const spans = events
    .filter(({ kind, subject }) => kind === 'throttle' && subject === 'sw_power_cap')
    .map((event) => ({ fromUs: event.tsUs, toUs: lastsUntilUs(event) }));
  const own = [{ fromUs: startUs, toUs: Math.min(endUs, lastSampleUs) }];
  return common(joined(spans), own).reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
}
