import { KEYS, LANE_KEYS, type Key } from './keys.ts';

/** A value that flags and the environment can set: its key, and everything that is known of it. */
export interface Setting extends Key {
  /** As in the file, with its section: `flush.interval`. */
  readonly key: string;
  readonly variable: string;
}

/** The single values of the configuration. */
export const SETTINGS: readonly Setting[] = Object.entries(KEYS).flatMap(([name, entry]) =>
  'keys' in entry ? settingsOf(entry.keys, `${name}.`) : settingsOf({ [name]: entry }, ''),
);

/** The lane that `--interval` and `--counters` are about. */
export const FLAGGED_LANE = 'profiling';

/** Of that lane, as if it were a section: `lanes.profiling.interval`. */
const LANE_SETTINGS: readonly Setting[] = settingsOf(LANE_KEYS, `lanes.${FLAGGED_LANE}.`).filter(
  ({ flag }) => flag !== undefined,
);

export const ALL_SETTINGS: readonly Setting[] = [...SETTINGS, ...LANE_SETTINGS];

function settingsOf(keys: Readonly<Record<string, Key>>, prefix: string): Setting[] {
  return Object.entries(keys).map(([name, entry]) => {
    const key = prefix + name;
    const variable = entry.variable ?? `GPULEDGER_${key.toUpperCase().replaceAll('.', '_')}`;
    return { ...entry, key, variable };
  });
}

/** Names the file itself. */
export const CONFIG_FILE_VARIABLE = 'GPULEDGER_CONFIG';
export const DEFAULT_CONFIG_FILE = '/etc/gpuledger/gpuledger.yaml';
/** What all readers of a site have in common: YAML with the same keys. */
export const CLIENT_FILE = '/etc/gpuledger/client.conf';
