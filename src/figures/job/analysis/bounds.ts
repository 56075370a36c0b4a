import { classOf, type ActivityClass } from '../../../core/analysis/activity-class.ts';
import { peaksOf, type ModelPeaks } from '../../../core/devices/model-peaks.ts';
import type { PipeKey } from '../../../core/fields/well-known.ts';
import type { GaugeKey } from '../../gauges.ts';
import type { Quantity } from '../../quantity.ts';

/** What a job can have computed and moved at most: activities times what its devices can do. */
export interface Bounds {
  readonly workClass: ActivityClass;
  /** By the model; undefined where its data sheet is not known, of several models, and of MIG instances. */
  readonly peaks: ModelPeaks | undefined;
  /** Mean activities: in no cycle does a pipe do more than its peak. */
  readonly tensorRatio: number;
  readonly dramRatio: number;
  /** Which roof is nearer, that of the busiest pipe or that of the memory; `low` where it is far from both. */
  readonly roof: 'compute' | 'memory' | 'low';
}

/** A job whose pipe and memory do less is near to none of its roofs. */
const ROOF_RATIO_MIN = 0.3;

/** What of a job's facts they are made of. */
interface BoundedJob {
  readonly gauges: readonly { readonly key: GaugeKey; readonly mean: Quantity | undefined }[];
  readonly devices: readonly {
    readonly model: string | undefined;
    readonly migProfile: string | undefined;
  }[];
  readonly all: { readonly smShares: Readonly<Partial<Record<PipeKey, Quantity>>> };
}

/** Undefined where SM, tensor or DRAM activity is not known. */
export function boundsOf({ gauges, devices, all }: BoundedJob): Bounds | undefined {
  const meanOf = (wanted: GaugeKey): number | undefined =>
    gauges.find(({ key }) => key === wanted)?.mean?.value;
  const [sm, tensor, dram] = [meanOf('smActive'), meanOf('tensorActive'), meanOf('dramActive')];
  if (sm === undefined || tensor === undefined || dram === undefined) return undefined;
  const pipeOf = (pipe: PipeKey): number | undefined => {
    const share = all.smShares[pipe]?.value;
    return share === undefined ? undefined : share * sm;
  };
  const busiest = Math.max(tensor, ...(['fp64', 'fp32', 'fp16'] as const).map((pipe) => pipeOf(pipe) ?? 0));
  const [sent, received] = [meanOf('pcieSent'), meanOf('pcieReceived')];
  const models = new Set(
    devices.map(({ model, migProfile }) => (migProfile === undefined ? model : undefined)),
  );
  const [model] = models;
  return {
    workClass: classOf({
      sm,
      tensor,
      dram,
      engine: meanOf('engineActive'),
      fp64: pipeOf('fp64'),
      pcie: sent === undefined || received === undefined ? undefined : sent + received,
    }),
    peaks: models.size === 1 && model !== undefined ? peaksOf(model) : undefined,
    tensorRatio: tensor,
    dramRatio: dram,
    roof: Math.max(busiest, dram) < ROOF_RATIO_MIN ? 'low' : busiest >= dram ? 'compute' : 'memory',
  };
}
