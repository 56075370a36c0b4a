import { nearestWords } from '../../../schemas/nearest.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { GAUGE_FIELD_IDS } from '../../core/fields/well-known.ts';
import { findNamedQuery } from '../../queries/query-files.ts';
import { fillQuery } from '../../queries/query-sql.ts';
import { storedLanes } from '../gauge-lanes.ts';
import { jobsFigures } from '../job/jobs.ts';
import type { JobsRow } from '../job/jobs-figures.ts';
import { ask, type Asked } from '../query-cells.ts';
import { isoMicroseconds, quoteTime } from '../sql-text.ts';
import type { LastSample, NodeDevice, NodeEvent, NodeFigures } from './figures.ts';

export interface NodeQueryOptions {
  readonly node: string;
  /** The window of its events, jobs and coverage, epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
  readonly idleLimits?: IdleLimits;
  readonly costs?: CostRates | undefined;
}

const HOUR_US = 3600e6;
/** Nothing older is looked at for what a device does. */
const LAST_US = 24 * HOUR_US;
/** Nodes with other clocks may be ahead of whoever asks. */
const AHEAD_US = 24 * HOUR_US;
const EVENTS_MAX = 50;
const NEAREST_MAX = 3;

/**
 * What there is on a node and what happened there, as of now and of a window.
 * @throws OperatingError `report.unknown_node`, and what `jobsFigures` throws
 */
export async function nodeFigures(
  db: Asked,
  lanes: readonly Lane[],
  { node, fromUs, toUs, nowUs, ...how }: NodeQueryOptions,
): Promise<NodeFigures> {
  const devices = await devicesOf(db, node);
  const jobs = await jobsFigures(db, lanes, {
    ...{ ...how, fromUs, toUs, nowUs, node, filters: {}, order: 'start' },
  });
  if (devices.length === 0 && jobs.rows.length === 0) throw await unknownNode(db, node);
  const owners = await ownersOf(db, node, jobs.rows);
  const last = await lastSamples(db, lanes, node, nowUs);
  const { events, eventCount } = await eventsOf(db, node, fromUs, toUs);
  return {
    ...{ node, fromUs, toUs },
    isSynthetic: devices.some(({ source }) => source === 'synthetic'),
    devices: devices.map(({ source: _source, ...device }) => ({
      ...device,
      owners: owners.get(device.gpu) ?? [],
      last: last.get(device.gpu),
    })),
    coverage: await coverageOf(db, lanes, node, { fromUs, toUs, nowUs }),
    ...{ events, eventCount, jobs },
  };
}

type Inventoried = Omit<NodeDevice, 'owners' | 'last'> & { readonly source: string | undefined };

/** Those of which the newest entry is of this node: a device that was moved is elsewhere. */
async function devicesOf(db: Asked, node: string): Promise<Inventoried[]> {
  const rows = await ask(
    db,
    'SELECT cluster, gpu, gpu_index, model, memory_bytes, mig_profile, driver, source FROM' +
      ' (SELECT ts, cluster, node, gpu, gpu_index, model, memory_bytes, mig_profile, driver, source FROM gpu_inventory LATEST ON ts PARTITION BY gpu)' +
      ` WHERE node = ${quoteText(node)} ORDER BY cluster, gpu_index, gpu`,
  );
  return rows.map((row) => ({
    cluster: row.text('cluster'),
    gpu: row.text('gpu') ?? '',
    index: row.number('gpu_index'),
    model: row.text('model'),
    memoryBytes: row.number('memory_bytes'),
    migProfile: row.text('mig_profile'),
    driver: row.text('driver'),
    source: row.text('source'),
  }));
}

async function unknownNode(db: Asked, node: string): Promise<OperatingError> {
  const rows = await ask(db, 'SELECT DISTINCT node FROM gpu_inventory');
  const nearest = nearestWords(
    node,
    rows.flatMap((row) => row.text('node') ?? []),
    NEAREST_MAX,
  );
  return new OperatingError(
    `there is no node ${JSON.stringify(node.slice(0, 60))}: no GPU is known to be of it`,
    {
      code: 'report.unknown_node',
      exit: 'usage',
      where: `${db.where}, tables gpu_inventory and gpu_ownership`,
      hints: nearest.length === 0 ? [] : [`did you mean: ${nearest.join(', ')}`],
    },
  );
}

/** By device the running jobs that have it: one whose end the scheduler has told has none, whatever no epilog told. */
async function ownersOf(db: Asked, node: string, rows: readonly JobsRow[]): Promise<Map<string, JobsRow[]>> {
  const stays = await ask(
    db,
    `SELECT gpu, job_id, run FROM gpu_ownership WHERE node = ${quoteText(node)} AND end_ts IS NULL`,
  );
  const owners = new Map<string, JobsRow[]>();
  for (const stay of stays) {
    const row = rows.find(
      ({ isOpen, jobId, run }) =>
        isOpen && jobId === stay.text('job_id') && run === (stay.number('run') ?? run),
    );
    const gpu = stay.text('gpu') ?? '';
    const own = owners.get(gpu) ?? [];
    if (row !== undefined && !own.includes(row)) owners.set(gpu, [...own, row]);
  }
  return owners;
}

const LAST_GAUGES = [
  ['smActiveRatio', GAUGE_FIELD_IDS.smActive],
  ['powerWatts', GAUGE_FIELD_IDS.power],
  ['memoryUsedBytes', GAUGE_FIELD_IDS.memoryUsed],
] as const;

/** By device its newest sample, and of each gauge the value of the newest one of the table that is sampled most often. */
async function lastSamples(
  db: Asked,
  lanes: readonly Lane[],
  node: string,
  nowUs: number,
): Promise<Map<string, LastSample>> {
  const span = { fromUs: nowUs - LAST_US, toUs: nowUs + AHEAD_US };
  const stored = (await storedLanes(db, lanes, span)).sort(
    (a, b) => (a.lane.intervalMs || Infinity) - (b.lane.intervalMs || Infinity),
  );
  const last = new Map<string, LastSample>();
  for (const { lane } of stored) {
    const columns = LAST_GAUGES.map(([key, id]) => {
      const field = lane.fields.find((one) => one.id === id);
      return `${field === undefined ? 'cast(null AS DOUBLE)' : quoteName(field.column)} AS "${key}"`;
    });
    const rows = await ask(
      db,
      `SELECT gpu, cast(ts AS LONG) AS ts_us, ${columns.join(', ')} FROM ${quoteName(lane.table)}` +
        ` WHERE node = ${quoteText(node)} AND ts > ${quoteTime(span.fromUs)} AND ts <= ${quoteTime(span.toUs)} LATEST ON ts PARTITION BY gpu`,
    );
    for (const row of rows) {
      const gpu = row.text('gpu') ?? '';
      const known = last.get(gpu);
      last.set(gpu, {
        tsUs: Math.max(known?.tsUs ?? 0, row.number('ts_us') ?? 0),
        smActiveRatio: known?.smActiveRatio ?? row.number('smActiveRatio'),
        powerWatts: known?.powerWatts ?? row.number('powerWatts'),
        memoryUsedBytes: known?.memoryUsedBytes ?? row.number('memoryUsedBytes'),
      });
    }
  }
  return last;
}

async function eventsOf(
  db: Asked,
  node: string,
  fromUs: number,
  toUs: number,
): Promise<{ readonly events: readonly NodeEvent[]; readonly eventCount: number }> {
  const where = `FROM gpu_events WHERE node = ${quoteText(node)} AND ts > ${quoteTime(fromUs)} AND ts <= ${quoteTime(toUs)}`;
  const [count] = await ask(db, `SELECT count() AS events ${where}`);
  const rows = await ask(
    db,
    `SELECT cast(ts AS LONG) AS ts_us, cast(end_ts AS LONG) AS end_us, gpu, kind, code, subject, text, job_id ${where} ORDER BY ts DESC, gpu, kind LIMIT ${EVENTS_MAX}`,
  );
  return {
    eventCount: count?.number('events') ?? 0,
    events: rows.map((row) => ({
      tsUs: row.number('ts_us') ?? 0,
      endUs: row.number('end_us'),
      gpu: row.text('gpu'),
      kind: row.text('kind') ?? '',
      code: row.number('code'),
      subject: row.text('subject') || undefined,
      text: row.text('text') || undefined,
      jobId: row.text('job_id'),
    })),
  };
}

/** As the named query has it. */
async function coverageOf(
  db: Asked,
  lanes: readonly Lane[],
  node: string,
  { fromUs, toUs, nowUs }: Pick<NodeQueryOptions, 'fromUs' | 'toUs' | 'nowUs'>,
): Promise<NodeFigures['coverage']> {
  const given = new Map([
    ['from', isoMicroseconds(fromUs)],
    ['to', isoMicroseconds(toUs)],
    ['node', node],
  ]);
  const { sql } = fillQuery(findNamedQuery('coverage-per-node'), given, lanes, nowUs);
  const [row] = await ask(db, sql);
  const [seen, span] = [row?.number('seen_hours'), row?.number('span_hours')];
  return seen === undefined || span === undefined || span === 0
    ? undefined
    : { seenUs: seen * HOUR_US, knownUs: span * HOUR_US };
}
