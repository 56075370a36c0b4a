import { OperatingError } from '../../core/base/errors.ts';
import type { AskedJobs, AskedSpan } from '../../core/queue/had-and-asked.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { isoMicroseconds, quoteTime } from '../sql-text.ts';
import { timesOfTable } from '../table-times.ts';
import { WAITS_FOR_GPUS } from './waits-for-gpus.ts';

/** A poll speaks for no more than this before it: 2.5 × the longest interval. */
const DT_US_MAX = 2.5 * 3600e6;
/** A hundred kinds of jobs a minute are 140,000 rows a day; mostly there are a dozen. */
const PORTION_US = 24 * 3600e6;
/** Kinds of jobs over all polls, of which some 200 bytes each are kept: a hundred kinds a minute for a month. */
const KINDS_MAX = 5_000_000;

/** Who waited for GPUs in one cluster. */
export interface AskedCluster {
  /** Undefined where nobody told. */
  readonly cluster: string | undefined;
  readonly spans: readonly AskedSpan[];
  readonly askedUs: number;
  readonly waitedGpuUs: number;
  readonly unknownTypeGpuUs: number;
  readonly unknownTypes: ReadonlySet<string>;
}

interface Poll {
  readonly cluster: string | undefined;
  readonly tsUs: number;
  dtUs: number;
  isWhole: boolean;
  readonly rows: { readonly type: string | undefined; readonly jobs: Omit<AskedJobs, 'models'> }[];
}

/**
 * Who waited for GPUs, of each poll for the time for which it speaks. None in a store without the table.
 * @param modelsOf which models a type means: none where nobody knows
 * @throws OperatingError `report.window` of a window that is too long, and what `ask` throws
 */
export async function readAsked(
  db: Asked,
  window: Span,
  cluster: string | undefined,
  modelsOf: (type: string) => readonly number[],
): Promise<AskedCluster[]> {
  const tables = await ask(db, "SELECT table_name FROM tables() WHERE table_name = 'queue_1m'");
  if (tables.length === 0) return [];
  const found = new Map<string | undefined, MutableCluster>();
  const { toUs } = window;
  const polled = await timesOfTable(db, 'queue_1m', { fromUs: window.fromUs, toUs: toUs + DT_US_MAX });
  let kinds = 0;
  // A poll at the beginning of the window speaks for none of it; the first one that there is may be after that.
  const beforeUs = Math.max(window.fromUs, polled.fromUs - 1);
  for (let atUs = beforeUs; atUs < polled.toUs; atUs += PORTION_US)
    for (const poll of await pollsOf(
      db,
      { fromUs: atUs, toUs: Math.min(atUs + PORTION_US, polled.toUs) },
      cluster,
    )) {
      kinds += poll.rows.length;
      if (kinds > KINDS_MAX) throw tooMany(window);
      addPoll(found, poll, window, modelsOf);
    }
  return [...found.values()];
}

function tooMany({ fromUs, toUs }: Span): OperatingError {
  return new OperatingError(
    `expected at most ${KINDS_MAX.toLocaleString('en-US')} kinds of waiting jobs over all polls of ${isoMicroseconds(fromUs)} to ${isoMicroseconds(toUs)}, came more`,
    { code: 'report.window', exit: 'usage', hints: ['ask for a shorter window, or for one cluster'] },
  );
}

type MutableCluster = {
  -readonly [Key in keyof AskedCluster]: Key extends 'spans'
    ? AskedSpan[]
    : Key extends 'unknownTypes'
      ? Set<string>
      : AskedCluster[Key];
};

/** Ascending; those that were cut short are none. */
async function pollsOf(db: Asked, { fromUs, toUs }: Span, cluster: string | undefined): Promise<Poll[]> {
  const ofCluster = cluster === undefined ? '' : ` AND cluster = ${quoteText(cluster)}`;
  const rows = await ask(
    db,
    'SELECT cast(ts AS LONG) AS ts_us, cluster, gpu_type, gpus, nodes, sum(jobs) AS jobs, max(dt_us) AS dt_us FROM queue_1m' +
      ` WHERE ts > ${quoteTime(fromUs)} AND ts <= ${quoteTime(toUs)}${ofCluster}` +
      ` AND (jobs = 0 OR (gpus > 0 AND reason IN (${WAITS_FOR_GPUS.map(quoteText).join(', ')})))` +
      ' GROUP BY ts_us, cluster, gpu_type, gpus, nodes ORDER BY ts_us',
  );
  const polls = new Map<string, Poll>();
  for (const row of rows) addRow(polls, row);
  return [...polls.values()].filter(({ isWhole }) => isWhole);
}

function addRow(polls: Map<string, Poll>, row: Cells): void {
  const [tsUs, cluster, gpus] = [row.number('ts_us')!, row.text('cluster'), row.number('gpus')];
  const key = JSON.stringify([tsUs, cluster]);
  const poll = polls.get(key) ?? { cluster, tsUs, dtUs: 0, isWhole: false, rows: [] };
  polls.set(key, poll);
  if (gpus === undefined) {
    poll.isWhole = true;
    poll.dtUs = row.number('dt_us') ?? 0;
  } else
    poll.rows.push({
      type: row.text('gpu_type'),
      jobs: { gpus, nodes: Math.max(1, row.number('nodes') ?? 1), jobs: row.number('jobs') ?? 0 },
    });
}

function addPoll(
  found: Map<string | undefined, MutableCluster>,
  { cluster, tsUs, dtUs, rows }: Poll,
  window: Span,
  modelsOf: (type: string) => readonly number[],
): void {
  const own = found.get(cluster) ?? {
    ...{ cluster, spans: [], askedUs: 0, waitedGpuUs: 0, unknownTypeGpuUs: 0 },
    unknownTypes: new Set<string>(),
  };
  // A first poll speaks for no time, and tells all the same that somebody asks.
  if (tsUs <= window.toUs) found.set(cluster, own);
  // Two machines that ask by turns speak for the same time but once.
  const fromUs = Math.max(tsUs - dtUs, window.fromUs, own.spans.at(-1)?.toUs ?? -Infinity);
  const toUs = Math.min(tsUs, window.toUs);
  if (fromUs >= toUs) return;
  found.set(cluster, own);
  own.askedUs += toUs - fromUs;
  const asked: AskedJobs[] = [];
  for (const { type, jobs } of rows) {
    const gpuUs = jobs.gpus * jobs.jobs * (toUs - fromUs);
    own.waitedGpuUs += gpuUs;
    const models = type === undefined ? undefined : modelsOf(type);
    if (models?.length === 0) {
      own.unknownTypeGpuUs += gpuUs;
      own.unknownTypes.add(type!);
    } else asked.push({ ...jobs, models });
  }
  own.spans.push({ fromUs, toUs, asked });
}
