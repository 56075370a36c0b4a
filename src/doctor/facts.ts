import type { LoadedConfig } from '../config/config-file.ts';
import type { Config } from '../config/config.ts';
import type { ConfigUse } from '../config/reading/usual-files.ts';
import { loadConfig } from '../config/config-file.ts';
import { openQuestDb, type QuestDb } from '../questdb/http.ts';
import type { Listing } from '../sampler/sampler-protocol.ts';
import { hookOf } from './hook-place.ts';
import type { Machine } from './machine.ts';
import { NotTold } from './not-told.ts';
import { operating } from './operating.ts';
import { listByDcgm, listByNvml } from './node/listed.ts';
import { serviceEnvironment } from './node/unit-file.ts';
import { openTrial, type Trial } from './proof/trial.ts';

/** Whose configuration: of the services of this machine, or of those who ask. */
export type DoctorUse = Extract<ConfigUse, 'operator' | 'reader'>;

/** What several checks want to know, asked once. */
export interface Facts {
  readonly machine: Machine;
  /** As it is loaded: `config.invalid` and its like are thrown. */
  loaded(use: DoctorUse): Promise<LoadedConfig>;
  /** @throws NotTold where it cannot be loaded, which a check of its own tells */
  config(use?: DoctorUse): Promise<Config>;
  /** A store that has answered. Its first failure is thrown to everybody. */
  reached(use: DoctorUse): Promise<ReachedStore>;
  /** @throws NotTold where it does not answer, which a check of its own tells */
  store(use?: DoctorUse): Promise<QuestDb>;
  /** @throws OperatingError as `gpuledger devices` */
  nvml(): Promise<Listing>;
  /** @throws OperatingError as `gpuledger devices` */
  dcgm(): Promise<Listing>;
  /** @throws OperatingError when the source cannot be opened or gives no tick */
  trial(): Promise<Trial>;
  /** Ends what was opened. */
  close(): Promise<void>;
}

interface ReachedStore {
  readonly db: QuestDb;
  readonly version: string;
}

/** No check waits for a store that hangs as long as a service would. */
export const PATIENCE_MS_MAX = 10_000;

/** @param file that the command line names; undefined: the usual ones */
export function gatherFacts(machine: Machine, file?: string): Facts {
  const configs = new Map<DoctorUse, Promise<LoadedConfig>>();
  const stores = new Map<DoctorUse, Promise<ReachedStore>>();
  const opened: QuestDb[] = [];
  const listings = new Map<'nvml' | 'dcgm', Promise<Listing>>();
  let trial: Promise<Trial> | undefined;

  const loaded = (use: DoctorUse): Promise<LoadedConfig> =>
    once(configs, use, async () => {
      // What only the service is told counts for what is said of it.
      const env = use === 'reader' ? machine.env : { ...machine.env, ...serviceEnvironment(machine) };
      return await loadConfig({ file, use, env, flags: [] });
    });

  async function config(use: DoctorUse = 'operator'): Promise<Config> {
    return (await known(loaded(use), 'the configuration cannot be used')).config;
  }

  const reached = (use: DoctorUse): Promise<ReachedStore> =>
    once(stores, use, async () => {
      const { questdb } = await config(use);
      const requestTimeoutMs = Math.min(questdb.requestTimeoutMs, PATIENCE_MS_MAX);
      const db = await openQuestDb(questdb.clientConf, { requestTimeoutMs });
      opened.push(db);
      const { version } = await db.checkServer();
      // Who says the same to everybody is found out by another question.
      await db.exec('SELECT 1');
      return { db, version };
    });

  return {
    machine,
    loaded,
    config,
    reached,
    async store(use = 'operator') {
      return (await known(reached(use), 'the store does not answer')).db;
    },
    nvml: () => once(listings, 'nvml', async () => await listByNvml(await config())),
    dcgm: () => once(listings, 'dcgm', async () => await listByDcgm(await config())),
    trial: () => (trial ??= config().then((own) => openTrial(own, hookOf(machine)))),
    async close() {
      for (const db of opened) await db.close();
      const [tried] = trial === undefined ? [] : await Promise.allSettled([trial]);
      if (tried?.status === 'fulfilled') tried.value.remove();
    },
  };
}

function once<Key, Value>(
  asked: Map<Key, Promise<Value>>,
  key: Key,
  ask: () => Promise<Value>,
): Promise<Value> {
  const before = asked.get(key);
  if (before !== undefined) return before;
  const answer = ask();
  asked.set(key, answer);
  return answer;
}

async function known<T>(asked: Promise<T>, otherwise: string): Promise<T> {
  try {
    return await asked;
  } catch (thrown) {
    operating(thrown);
    throw new NotTold(otherwise);
  }
}
