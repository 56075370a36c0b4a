import { instanceSlicesOf, wholeSlicesOf } from '../../core/devices/mig-slices.ts';
import { sizesOf, type Size } from '../../core/right-size/sizes.ts';
import { ask, type Asked } from '../query-cells.ts';

/** A device, as far as it matters how large it is. */
export interface SizedDevice {
  /** Of the whole GPU. */
  readonly model: string;
  /** The GPU itself, or of which it is an instance. */
  readonly parent: string;
  /** What it is. */
  readonly own: Size;
  /** What its GPU can be cut into, smallest first. */
  readonly sizes: readonly Size[];
}

export interface FleetSizes {
  /** By UUID; one of unknown size is missing. */
  readonly devices: ReadonlyMap<string, SizedDevice>;
  /** By model, what its GPUs can be cut into. */
  readonly models: ReadonlyMap<string, readonly Size[]>;
  readonly isSynthetic: boolean;
}

interface Listed {
  readonly gpu: string;
  readonly model: string | undefined;
  readonly memoryBytes: number | undefined;
  readonly parent: string | undefined;
  readonly profile: string | undefined;
}

/** How large devices are, and what they can be cut into, as the inventory tells. @throws what `ask` throws */
export async function fleetSizes(db: Asked): Promise<FleetSizes> {
  const rows = await ask(
    db,
    'SELECT gpu, last_not_null(model) AS model, last_not_null(memory_bytes) AS memory_bytes, last(parent) AS parent,' +
      ' last(mig_profile) AS mig_profile, last_not_null(source) AS source FROM gpu_inventory GROUP BY gpu',
  );
  const listed = rows.map((row): Listed => ({
    gpu: row.text('gpu') ?? '',
    model: row.text('model'),
    memoryBytes: row.number('memory_bytes'),
    parent: row.text('parent') || undefined,
    profile: row.text('mig_profile') || undefined,
  }));
  const models = modelSizes(listed);
  const parents = new Map(listed.map((one) => [one.gpu, one]));
  const devices = new Map(
    listed.flatMap((one): [string, SizedDevice][] => {
      const model = wholeModel(parents.get(one.parent ?? '')?.model ?? one.model);
      const sizes = model === undefined ? undefined : models.get(model);
      if (model === undefined || sizes === undefined) return [];
      const own = one.profile === undefined ? sizes.at(-1) : sizeOfProfile(sizes, one.profile);
      return own === undefined ? [] : [[one.gpu, { model, parent: one.parent ?? one.gpu, own, sizes }]];
    }),
  );
  return { devices, models, isSynthetic: rows.some((row) => row.text('source') === 'synthetic') };
}

/** Media extensions make a profile no larger, and a compute instance is in a GPU instance of its size. */
function sizeOfProfile(sizes: readonly Size[], profile: string): Size | undefined {
  const name = profile.replace(/^[1-7]c\./, '').replace(/[+-][a-z.+-]+$/, '');
  const own = sizes.find((size) => size.profile === name);
  // An instance of all slices is as large as the GPU.
  return (
    own ??
    sizes.find(({ slices, wholeSlices }) => slices === wholeSlices && instanceSlicesOf(name) === slices)
  );
}

/** `NVIDIA H200` of an instance of one, too. */
function wholeModel(model: string | undefined): string | undefined {
  return model?.replace(/ MIG \S+$/, '');
}

function modelSizes(listed: readonly Listed[]): Map<string, Size[]> {
  const models = new Map<string, Size[]>();
  for (const [model, own] of Map.groupBy(listed, (one) => wholeModel(one.model))) {
    const whole = own.filter(({ parent, profile }) => parent === undefined && profile === undefined);
    // Of GPUs of one name that differ the smaller memory counts.
    const memories = whole.flatMap(({ memoryBytes }) => memoryBytes ?? []);
    if (model === undefined || memories.length === 0) continue;
    const seen = new Map<string, number>();
    for (const { profile, memoryBytes } of own)
      if (profile !== undefined && memoryBytes !== undefined)
        seen.set(profile, Math.min(memoryBytes, seen.get(profile) ?? Infinity));
    models.set(model, sizesOf({ memoryBytes: Math.min(...memories), slices: wholeSlicesOf(model), seen }));
  }
  return models;
}
