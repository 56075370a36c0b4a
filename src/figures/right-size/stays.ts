import type { Lane } from '../../core/fields/lane.ts';
import type { DeviceUse } from '../../core/right-size/sizes.ts';
import { billedTime, type BilledRun } from '../bill/billed-runs.ts';
import type { Span } from '../levels.ts';
import type { Asked } from '../query-cells.ts';
import { measuredUses, useKey, type MeasuredUse } from './device-use.ts';
import type { Unsized } from './figures.ts';
import { fleetSizes, type FleetSizes, type SizedDevice } from './fleet-sizes.ts';

/** What a run had of one device in the window. */
export interface Stay {
  readonly run: BilledRun;
  readonly gpu: string;
  /** Jobs of one cluster, account and name on GPUs of one model. */
  readonly group: string;
  /** GPUs that can stand for each other: of one model and cluster. */
  readonly pool: string;
  /** When it had it, (startUs, endUs]; they do not overlap. */
  readonly times: readonly { readonly startUs: number; readonly endUs: number }[];
  /** Their length. */
  readonly heldUs: number;
  /** Undefined of a device of which the inventory does not tell how large it is. */
  readonly device: SizedDevice | undefined;
  /** What it made of it, of the whole GPU; or why that is not known. */
  readonly use: DeviceUse | Unsized;
}

/** A stay of which all is known. */
export interface KnownStay extends Stay {
  readonly device: SizedDevice;
  readonly use: DeviceUse;
}

export interface Stays {
  readonly stays: readonly Stay[];
  readonly runs: readonly BilledRun[];
  readonly fleet: FleetSizes;
}

export function isKnown(stay: Stay): stay is KnownStay {
  return typeof stay.use === 'object';
}

/** Of so much of its time both memory and activity have to be known. */
const SEEN_RATIO_MIN = 0.9;

/** Everything that jobs had in a time, and what they made of it. @throws what `ask` throws */
export async function readStays(
  db: Asked,
  lanes: readonly Lane[],
  span: Span,
  { nowUs, cluster }: { readonly nowUs: number; readonly cluster: string | undefined },
): Promise<Stays> {
  const [{ runs: all }, fleet, uses] = await Promise.all([
    billedTime(db, span, nowUs),
    fleetSizes(db),
    measuredUses(db, lanes, span),
  ]);
  const runs = all.filter((run) => cluster === undefined || run.cluster === cluster);
  const held = runs.flatMap((run) =>
    [...Map.groupBy(run.window.intervals, ({ gpu }) => gpu)].map(([gpu, times]) => {
      const key = useKey(run.run.jobId, gpu);
      return { run, gpu, times, key };
    }),
  );
  const firstOf = new Map<string, BilledRun>();
  const again = new Set<string>();
  for (const { run, key } of held) {
    const first = firstOf.get(key);
    if (first === undefined) firstOf.set(key, run);
    else if (first.member.job !== run.member.job) again.add(key);
  }
  const stays = held.map(({ run, gpu, times, key }): Stay => {
    const heldUs = times.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
    const device = fleet.devices.get(gpu);
    const use = again.has(key) ? 'id_again' : useOf(run, gpu, { heldUs, device, measured: uses.get(key) });
    const { cluster, account, member } = run;
    const group = JSON.stringify([cluster, account, member.record.name, device?.model]);
    const pool = JSON.stringify([cluster, device?.model]);
    return { run, gpu, group, pool, times, heldUs, device, use };
  });
  return { stays, runs, fleet };
}

interface Known {
  readonly heldUs: number;
  readonly device: SizedDevice | undefined;
  readonly measured: MeasuredUse | undefined;
}

function useOf(run: BilledRun, gpu: string, { heldUs, device, measured }: Known): DeviceUse | Unsized {
  if (device === undefined) return 'no_device';
  if (run.window.intervals.some((stay) => stay.gpu !== gpu)) return 'several_gpus';
  if (run.parts.some((part) => part.gpu === gpu && part.part < 1)) return 'shared';
  const { memoryPeakBytes, memoryUs = 0, smP95, smUs = 0 } = measured ?? {};
  if (memoryPeakBytes === undefined) return 'no_memory';
  if (smP95 === undefined) return 'no_activity';
  if (Math.min(memoryUs, smUs) < SEEN_RATIO_MIN * heldUs) return 'partly_seen';
  return { memoryPeakBytes, smP95: smP95 * (device.own.slices / device.own.wholeSlices) };
}

/** GPU time, of instances by slices. */
export function gpuUs({ heldUs, device }: Stay): number {
  return device === undefined ? heldUs : Math.round((heldUs * device.own.slices) / device.own.wholeSlices);
}
