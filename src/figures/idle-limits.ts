import { quoteText } from '../../schemas/tables.ts';
import {
  beginningOf,
  IDLE_LIMITS,
  idleLimitOf,
  USUAL_IDLE_LIMITS,
  type IdleLimit,
  type IdleLimits,
} from '../core/fields/idle-limits.ts';
import { ask, type Asked } from './query-cells.ts';
import { quotedLists } from './sql-text.ts';

/** By which limit each of some devices is told to be idle. */
export interface DeviceIdleLimits {
  /** Those that any of them has, ascending. */
  readonly inUse: readonly IdleLimit[];
  readonly of: (gpu: string) => IdleLimit;
  /** What of the configuration concerns them: other limits are of models that any of them is. */
  readonly told: IdleLimits;
  /** Models whose limit is not that of all, as the inventory names them. */
  readonly others: ReadonlyMap<IdleLimit, readonly string[]>;
}

/** Rollups hold all: a sum of all of them serves whoever asks by any. */
export const EVERY_IDLE_LIMIT: DeviceIdleLimits = {
  ...withoutModels(USUAL_IDLE_LIMITS),
  inUse: IDLE_LIMITS,
};

function withoutModels({ smRatio }: IdleLimits): DeviceIdleLimits {
  return { inUse: [smRatio], of: () => smRatio, told: { smRatio }, others: new Map() };
}

/** What the inventory last said is each device's model; one of unknown model has the limit of all. */
export const MODEL_OF_DEVICE_SQL = 'SELECT gpu, last_not_null(model) AS model FROM gpu_inventory';

/**
 * The limits of these devices, or of all that the inventory knows.
 * @throws what `ask` throws
 */
export async function readIdleLimits(
  db: Asked,
  limits: IdleLimits,
  gpus?: readonly string[],
): Promise<DeviceIdleLimits> {
  if (limits.models === undefined) return withoutModels(limits);
  const modelOf = new Map<string, string | undefined>();
  for (const gpu of gpus ?? []) modelOf.set(gpu, undefined);
  for (const some of gpus === undefined ? [undefined] : quotedLists(new Set(gpus))) {
    const only = some === undefined ? '' : ` WHERE gpu IN (${some})`;
    for (const row of await ask(db, `${MODEL_OF_DEVICE_SQL}${only} GROUP BY gpu`))
      modelOf.set(row.text('gpu') ?? '', row.text('model'));
  }
  return limitsOfModels(limits, modelOf, gpus === undefined);
}

/** The devices that have one limit. */
export interface AlikeDevices {
  readonly limit: IdleLimit;
  /** ` AND …`: condition of a row `s` to be of one of them; empty where all devices are. */
  readonly andSql: string;
}

/** Devices by their limit: each is asked about by itself. @param limits of all devices */
export function alikeDevices({ inUse, told, others }: DeviceIdleLimits): AlikeDevices[] {
  return inUse.map((limit) => {
    if (inUse.length === 1) return { limit, andSql: '' };
    const isRest = limit === told.smRatio;
    const models = isRest ? [...others.values()].flat() : (others.get(limit) ?? []);
    return { limit, andSql: ofModelsSql(models, isRest) };
  });
}

/** Condition of a row `s` to be of a device of these models, or of none of them. @param models at least one */
export function ofModelsSql(models: readonly string[], isWithout: boolean): string {
  const devices = `SELECT gpu FROM (${MODEL_OF_DEVICE_SQL} GROUP BY gpu) WHERE model IN (${models.map(quoteText).join(', ')})`;
  // Ten thousand names would be too long, and in a CASE of an aggregate QuestDB 9.3.4 takes no subquery.
  return ` AND ${isWithout ? 'NOT ' : ''}s.gpu IN (${devices})`;
}

function limitsOfModels(
  limits: IdleLimits,
  modelOf: ReadonlyMap<string, string | undefined>,
  isOfAll: boolean,
): DeviceIdleLimits {
  const { smRatio } = limits;
  const models = new Set(modelOf.values());
  // A device may be sampled of which the inventory knows nothing.
  const inUse = new Set(isOfAll || models.size === 0 ? [smRatio] : []);
  const deciding = new Set<string>();
  const others = new Map<IdleLimit, string[]>();
  for (const model of models) {
    const limit = idleLimitOf(limits, model);
    inUse.add(limit);
    if (model === undefined || limit === smRatio) continue;
    deciding.add(beginningOf(limits, model)!);
    others.set(limit, [...(others.get(limit) ?? []), model]);
  }
  const told = new Map([...limits.models!].filter(([beginning]) => deciding.has(beginning)));
  return {
    inUse: [...inUse].sort((a, b) => a - b),
    of: (gpu) => idleLimitOf(limits, modelOf.get(gpu)),
    told: told.size === 0 ? { smRatio } : { smRatio, models: told },
    others,
  };
}
