import pg from 'pg';
import { playScenario } from '../../../src/collector/play.ts';
import { defaultLanes, type Lane } from '../../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../../src/questdb/visible.ts';
import { insertRows } from '../../helpers/insert-rows.ts';
import type { TestQuestdb } from '../../helpers/questdb.ts';
import { ownerSetRows } from '../../helpers/owner-sets.ts';
import { at, COLLECTORS, HOSTILE, LATEST, STAYS, writeHistory } from '../../queries/history.ts';
import type { TimeRange } from './expand.ts';

/** A store that has everything a panel may meet, each in a time of its own: see `TIMES`. */
export interface PanelStore {
  readonly db: QuestDb;
  /** As the user that may only read. */
  readonly client: pg.Client;
  readonly stop: () => Promise<void>;
}

const HOUR_US = 3_600_000_000;
const MIG_US = Date.UTC(2025, 2, 3, 10) * 1000;
/** In the past, so that all of its rollups are there, and each run sees the same. */
const DEMO_US = Date.UTC(2025, 5, 11, 8) * 1000;

const rangeOf = (fromUs: number, toUs: number): TimeRange => ({ fromMs: fromUs / 1000, toMs: toUs / 1000 });

/** `made`: a few rows by hand, shared devices, gaps and hostile names among them. `demo`: two nodes of eight. `mig`: two GPUs that are cut. */
export const TIMES = {
  made: rangeOf(at(-600), at(LATEST)),
  demo: rangeOf(DEMO_US, DEMO_US + 6 * HOUR_US),
  mig: rangeOf(MIG_US, MIG_US + 6 * HOUR_US),
} as const;
export type StoreTime = keyof typeof TIMES;

/** The default lanes, more slowly: the scenarios have fewer rows. */
export const LANES: readonly Lane[] = defaultLanes.map((lane, index) => ({
  ...lane,
  schedule: index === 0 ? '*/10 * * * * *' : '* * * * *',
  intervalMs: index === 0 ? 10_000 : 60_000,
}));

/** Parts of the jobs on one device of `made`. */
const MEASURED = { [HOSTILE]: 0.7, '4221': 0.3 };

const READER = { user: 'grafana', password: 'only reads' };

/** A server whose reader is as `infra/grafana/compose.yaml` has it. */
async function withReader(start: () => Promise<TestQuestdb>): Promise<TestQuestdb> {
  const settings = {
    QDB_PG_READONLY_USER_ENABLED: 'true',
    QDB_PG_READONLY_USER: READER.user,
    QDB_PG_READONLY_PASSWORD: READER.password,
  };
  Object.assign(process.env, settings);
  try {
    return await start();
  } finally {
    for (const name of Object.keys(settings)) Reflect.deleteProperty(process.env, name);
  }
}

export async function openPanelStore(start: () => Promise<TestQuestdb>): Promise<PanelStore> {
  const server = await withReader(start);
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, LANES, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await writeHistory(db);
  // Of two owners whose shares nobody told one was seen to work more, as measured use of MPS is written.
  await insertRows(db, 'gpu_owner_sets', ownerSetRows(STAYS, [MEASURED]));
  await insertRows(db, 'collector_stats', [
    {
      ...COLLECTORS[0]!,
      ts: at(720),
      ...{
        sampled_rows: 100,
        acknowledged_rows: 80,
        held_rows: 9,
        spooled_rows: 6,
        refused_rows: 3,
        dropped_rows: 2,
      },
      ...{
        spool_bytes: 4096,
        flush_ms_mean: 5,
        flush_ms_max: 50,
        flush_failed_count: 1,
        sample_ms_mean: 1,
        sample_ms_max: 7,
      },
      ...{ late_ticks: 4, ring_fill_ratio: 0.25, oldest_unsent_ms: 2500 },
    },
  ]);
  await insertRows(db, 'job_figures', [keptRow()]);
  const play = { lanes: LANES, batchRows: 10_000, db, tell: () => undefined };
  const mig = {
    kind: 'steady',
    seed: 15,
    nodes: 1,
    gpusPerNode: 2,
    mig: true,
    nodeNames: ['n-mig'],
  } as const;
  await playScenario({ scenario: { ...mig, startUs: MIG_US }, endUs: MIG_US + 6 * HOUR_US, ...play });
  const demo = { kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8 } as const;
  await playScenario({ scenario: { ...demo, startUs: DEMO_US }, endUs: DEMO_US + 6 * HOUR_US, ...play });
  await waitForRollups(db, LANES, DEMO_US + 6 * HOUR_US);
  const client = new pg.Client({ host: '127.0.0.1', port: server.pgPort, database: 'qdb', ...READER });
  await client.connect();
  const stop = async (): Promise<void> => {
    await client.end();
    await db.close();
    await server.stop();
  };
  return { db, client, stop };
}

/** What was concluded of a job, and would be by a collector. */
function keptRow(): Parameters<typeof insertRows>[2][number] {
  return {
    ...{
      ts: at(500),
      end_ts: at(700),
      node: 'n2',
      gpu: 'GPU-30000000-aaaa',
      job_id: HOSTILE,
      run: 0,
      written_ts: at(2000),
    },
    ...{ cause_not_seen_us: 3e6, cause_effective_us: 150e6, cause_gaps_us: 47e6, causes_origin: 'samples' },
  };
}
