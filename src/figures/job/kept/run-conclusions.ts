import { UNRESOLVED_PREFIX } from '../../../core/devices/identity.ts';
import { addCauses } from '../causes/add-causes.ts';
import type { CauseAmounts, DeviceCauses, JobCauses, NoCauses } from '../causes/figures.ts';
import type { JobWindow } from '../facts.ts';
import { keptStays, type KeptFigures } from '../kept-figures.ts';
import type { DeviceConclusions, KeptCauses, RunConclusions } from './conclusions.ts';

/**
 * What was concluded of a run while its samples were there; undefined where that was not kept of each of its devices.
 * @param kept ascending by the time of writing
 */
export function keptConclusions(
  kept: readonly KeptFigures[],
  jobId: string,
  window: JobWindow,
): RunConclusions | undefined {
  const stays = keptStays(kept, jobId, window);
  const owned = Map.groupBy(window.intervals, ({ gpu }) => gpu);
  const devices = new Map<string, readonly DeviceConclusions[]>();
  for (const gpu of owned.keys()) {
    const own = (stays.get(gpu) ?? []).flatMap(({ conclusions }) => conclusions ?? []);
    if (own.length !== stays.get(gpu)?.length && !gpu.startsWith(UNRESOLVED_PREFIX)) return undefined;
    devices.set(gpu, own);
  }
  const rows = [...devices.values()].flat();
  const newest = rows.at(-1);
  if (newest === undefined) return undefined;
  const none = rows.find(({ causes }) => 'why' in causes)?.causes;
  const causes =
    none === undefined
      ? jobCauses(
          [...devices].map(([gpu, own]) => deviceCauses(gpu, own, owned.get(gpu)!)),
          rows,
        )
      : (none as NoCauses);
  return { causes, steps: newest.steps, rules: newest.rules };
}

function jobCauses(devices: readonly DeviceCauses[], rows: readonly DeviceConclusions[]): JobCauses {
  const told = rows.map(({ causes }) => causes as KeptCauses);
  const has = (origin: JobCauses['origin']): boolean => told.some((one) => one.origin === origin);
  return {
    // The least that any of them was read from.
    origin: has('minutes_alone') ? 'minutes_alone' : has('minutes') ? 'minutes' : 'samples',
    isCut: told.some(({ isCut }) => isCut),
    isKept: true,
    ...addCauses(devices),
    devices,
    contexts: [],
  };
}

/** Nobody saw a device that has no row, as one that nobody could name; nor what it was owned for beyond its rows. */
function deviceCauses(
  gpu: string,
  rows: readonly DeviceConclusions[],
  intervals: JobWindow['intervals'],
): DeviceCauses {
  const ownedUs = intervals.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
  const leftUs = ownedUs - rows.reduce((sum, row) => sum + row.ownedUs, 0);
  const unseen: CauseAmounts = new Map(leftUs > 0 ? [['notSeen', { us: leftUs, joules: undefined }]] : []);
  const told = rows.map(({ causes }) => causes as KeptCauses);
  return { gpu, ...addCauses([...told, { causes: unseen, waiting: undefined }]) };
}
