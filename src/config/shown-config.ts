import { writtenSettings, type Config, type WrittenValue } from './config.ts';
import type { Key } from './keys.ts';
import type { ConfigPath } from './problem.ts';
import { formatDuration } from '../../schemas/duration.ts';
import { maskClientConf } from '../../schemas/mask-client-conf.ts';
import type { Lane } from '../core/fields/lane.ts';

/** One value of a configuration as people see it. */
export interface ShownRow {
  /** `flush.interval`, `lanes.device.fields`. */
  readonly key: string;
  /** As the file would have it; of a lane's fields their columns. Null where there is none. */
  readonly value: WrittenValue | readonly string[];
  /** `default`, `gpuledger.yaml, line 7`, `GPULEDGER_SOURCE` or `--source`. */
  readonly origin: string;
}

/** Where the value at a path came from; undefined for a default. */
type OriginAt = (path: ConfigPath) => string | undefined;

/** What holds a secret, without it. */
const SHOWN: Readonly<Record<NonNullable<Key['secretIn']>, (written: string) => string>> = {
  client_conf: maskClientConf,
  url: (written) => `${URL.parse(written)?.origin ?? ''}/***`,
};

/** Every value and where it came from; the passwords and tokens in them are masked. */
export function shownConfig(config: Config, originAt: OriginAt): ShownRow[] {
  const settings = writtenSettings(config).map(([{ key, secretIn }, value]) => ({
    key,
    value: value === null || secretIn === undefined ? value : SHOWN[secretIn](String(value)),
    origin: originAt(key.split('.')) ?? 'default',
  }));
  // The string has the origin of the file that it came from.
  const fromFile = originAt(['questdb', 'client_conf_file']) ?? 'default';
  return [
    ...settings.map((row) =>
      row.key === 'questdb.client_conf' && row.origin === 'default' ? { ...row, origin: fromFile } : row,
    ),
    ...config.lanes.flatMap((lane, index) => laneRows(lane, (key) => originAt(['lanes', index, key]))),
  ];
}

function laneRows(lane: Lane, originOf: (key: string) => string | undefined): ShownRow[] {
  const row = (key: string, value: ShownRow['value'], origin = originOf(key)): ShownRow => ({
    key: `lanes.${lane.name}.${key}`,
    value,
    origin: origin ?? 'default',
  });
  return [
    lane.schedule === 'continuous'
      ? row('interval', formatDuration(lane.intervalMs))
      : row('schedule', lane.schedule),
    row('table', lane.table),
    row('capacity', lane.capacityTicks),
    row(
      'fields',
      lane.fields.map(({ column }) => column),
      originOf('fields_file') ?? originOf('fields'),
    ),
  ];
}
