import { writtenSettings, type WrittenValue } from '../../schemas/config/config.ts';
import { formatDuration } from '../../schemas/duration.ts';
import { maskClientConf } from '../../schemas/mask-client-conf.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { LoadedConfig } from './config-file.ts';

/** One value of a configuration as people see it. */
export interface ShownRow {
  /** `flush.interval`, `lanes.device.fields`. */
  readonly key: string;
  /** As the file would have it; of a lane's fields their columns. Null where there is none. */
  readonly value: WrittenValue | readonly string[];
  /** `default`, `gpuledger.yaml, line 7`, `GPULEDGER_SOURCE` or `--source`. */
  readonly origin: string;
}

/** Every value and where it came from; the passwords and tokens in them are masked. */
export function shownConfig({ config, origins }: LoadedConfig): ShownRow[] {
  const settings = writtenSettings(config).map(([{ key, isSecret }, value]): [string, ShownRow['value']] => [
    key,
    isSecret === true ? maskClientConf(String(value)) : value,
  ]);
  return [...settings, ...config.lanes.flatMap(laneValues)].map(([key, value]) => ({
    key,
    value,
    origin: originOf(origins, key),
  }));
}

/** The string has the origin of the file that it came from. */
function originOf(origins: ReadonlyMap<string, string>, key: string): string {
  const origin = origins.get(key) ?? 'default';
  if (key !== 'questdb.client_conf' || origin !== 'default') return origin;
  return origins.get('questdb.client_conf_file') ?? origin;
}

function laneValues(lane: Lane): [string, ShownRow['value']][] {
  return [
    lane.schedule === 'continuous'
      ? [`lanes.${lane.name}.interval`, formatDuration(lane.intervalMs)]
      : [`lanes.${lane.name}.schedule`, lane.schedule],
    [`lanes.${lane.name}.table`, lane.table],
    [`lanes.${lane.name}.capacity`, lane.capacityTicks],
    [`lanes.${lane.name}.fields`, lane.fields.map(({ column }) => column)],
  ];
}
