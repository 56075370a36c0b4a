import type { FleetDevice, FleetIdleLimits } from '../draw/fleet.ts';

/** Below this part of the SMs a device is idle: of several beginnings of its model's name the longest one counts. */
export function idleBelow(device: FleetDevice, limits: FleetIdleLimits): number {
  return limits.models.get(decidingBeginning(device, limits) ?? '') ?? limits.smRatio;
}

function decidingBeginning({ model }: FleetDevice, { models }: FleetIdleLimits): string | undefined {
  let longest: string | undefined;
  for (const beginning of models.keys())
    if (model.slice(0, beginning.length) === beginning && beginning.length > (longest?.length ?? 0))
      longest = beginning;
  return longest;
}

/** What a report over these devices says of the limits: of models that there are and that have another one than all. */
export function toldLimits(
  devices: readonly FleetDevice[],
  limits: FleetIdleLimits,
): { readonly smRatio: number; readonly models: Record<string, number> | undefined } {
  const others = [...limits.models].filter(
    ([beginning, limit]) =>
      limit !== limits.smRatio && devices.some((device) => decidingBeginning(device, limits) === beginning),
  );
  return { smRatio: limits.smRatio, models: others.length === 0 ? undefined : Object.fromEntries(others) };
}
