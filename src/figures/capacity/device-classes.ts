import { idleLimitOf } from '../../core/fields/idle-limits.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import { rateOf } from '../../core/costs/model-rates.ts';
import {
  alikeDevices,
  MODEL_OF_DEVICE_SQL,
  ofModelsSql,
  type AlikeDevices,
  type DeviceIdleLimits,
} from '../idle-limits.ts';
import { ask, type Asked } from '../query-cells.ts';

/** Devices that have one limit of idleness and one rate: each class is asked about by itself. */
interface DeviceClass extends AlikeDevices {
  /** One of their models, of which the rate is; undefined of those that have the rate of all others. */
  readonly model: string | undefined;
}

export interface DeviceClasses {
  readonly classes: readonly DeviceClass[];
  /** By UUID, where the inventory tells and it matters. */
  readonly modelOf: ReadonlyMap<string, string | undefined>;
}

/**
 * How devices are to be asked about. Where no rate depends on the model, by their limits of idleness alone.
 * @throws what `ask` throws
 */
export async function deviceClasses(
  db: Asked,
  idle: DeviceIdleLimits,
  rates: CostRates | undefined,
): Promise<DeviceClasses> {
  if (rates?.gpuHour === undefined && rates?.rgu === undefined)
    return {
      classes: alikeDevices(idle).map((alike) => ({ ...alike, model: undefined })),
      modelOf: new Map(),
    };
  const rows = await ask(db, `${MODEL_OF_DEVICE_SQL} GROUP BY gpu`);
  const modelOf = new Map(rows.map((row) => [row.text('gpu') ?? '', row.text('model')]));
  return { classes: classesOf([...new Set(modelOf.values())], idle, rates), modelOf };
}

function classesOf(
  models: readonly (string | undefined)[],
  { told }: DeviceIdleLimits,
  { gpuHour, rgu }: CostRates,
): DeviceClass[] {
  const keyOf = (model: string | undefined): string =>
    JSON.stringify([
      idleLimitOf(told, model),
      gpuHour === undefined ? null : (rateOf(gpuHour, model) ?? 'none'),
      rgu === undefined ? null : (rateOf(rgu, model) ?? 'none'),
    ]);
  // A device may be sampled of which the inventory knows nothing: it is one of the rest.
  const restKey = keyOf(undefined);
  const named = models.filter((model) => model !== undefined && keyOf(model) !== restKey) as string[];
  const others = [...Map.groupBy(named, keyOf).values()];
  return [
    {
      limit: told.smRatio,
      model: undefined,
      andSql: named.length === 0 ? '' : ofModelsSql(named, true),
    },
    ...others.map((alike) => ({
      limit: idleLimitOf(told, alike[0]),
      model: alike[0],
      andSql: ofModelsSql(alike, false),
    })),
  ];
}
