import { quoteText } from '../../../../schemas/tables.ts';
import type { ContextSpan, Span } from '../../../core/analysis/contexts.ts';
import { withinSql } from '../../levels.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { common, without } from '../../spans.ts';
import { quotedLists } from '../../sql-text.ts';
import type { JobWindow } from '../facts.ts';
import type { JobIdentity } from '../figures.ts';
import type { HostFigures, HostMeans } from './figures.ts';

/** What of a time is known for less of it is not told of it. */
const KNOWN_RATIO_MIN = 0.5;
/** Contexts are found in steps of so long at least. */
const MOMENT_US = 1e6;
/** A reading that came later than that is of no short time. */
const ROW_FACTOR_MAX = 1.5;
const LONG_US = 1800e6;
/** A query names the spans that it reads. */
const SPANS_PER_QUERY_MAX = 100;

const VALUES = [
  'cpu_cores',
  'cpu_wait_ratio',
  'io_wait_ratio',
  'read_bytes_per_second',
  'write_bytes_per_second',
] as const;
type Value = (typeof VALUES)[number];

/** Σ over rows. */
interface HostSums {
  readonly nodes: Set<string>;
  seenUs: number;
  rows: number;
  readonly sums: Map<Value, { dtSum: number; knownUs: number }>;
  cpuCoresMax: number | undefined;
  memoryPeakBytes: number | undefined;
}

type Job = Pick<JobIdentity, 'jobId' | 'cluster'>;

/** Of all of a job's time. */
interface HostTotals extends Omit<HostFigures, 'inPauses' | 'atWork'> {
  /** The time between two readings, on the mean. */
  readonly rowUs: number;
}

/**
 * What a job did on its nodes, from its first start to its last end.
 * @returns undefined where nobody recorded it
 * @throws what `ask` throws
 */
export async function hostTotals(db: Asked, job: Job, window: JobWindow): Promise<HostTotals | undefined> {
  // A store of an older version has no such table, and a report must not fail for the want of it.
  const tables = await ask(db, `SELECT table_name FROM tables() WHERE table_name = 'host_jobs'`);
  const stays = staysOf(window);
  if (tables.length === 0 || stays.size === 0) return undefined;
  const told = await sumsWithin(db, job, stays, withinSql({ spans: [timeOf(window)] }));
  if (told.seenUs === 0) return undefined;
  const { cpuCoresMax, memoryPeakBytes, nodes } = told;
  return {
    ...meansOf(told, told.seenUs),
    rowUs: told.seenUs / told.rows,
    nodeCount: nodes.size,
    ownedUs: lengthOf([...stays.values()]),
    cpuCoresMax,
    memoryPeakBytes,
  };
}

interface InContexts {
  /** What its devices did together; undefined where that is not known. */
  readonly contexts: readonly ContextSpan[] | undefined;
  /** Interval of the samples by which that is known. */
  readonly tickUs: number;
}

/**
 * The same while all its GPUs rested, and while they worked, beside the whole.
 * @throws what `ask` throws
 */
export async function hostFigures(
  db: Asked,
  job: Job,
  window: JobWindow,
  { rowUs, ...totals }: HostTotals,
  { contexts, tickUs }: InContexts,
): Promise<HostFigures> {
  if (contexts === undefined) return { ...totals, inPauses: undefined, atWork: undefined };
  const stays = staysOf(window);
  const rowUsMax = Math.ceil(ROW_FACTOR_MAX * rowUs);
  const means = async (spans: readonly Span[]): Promise<HostMeans | undefined> => {
    const sure = surelyWithin(spans, tickUs);
    const wholeUs = [...stays.values()].reduce((us, stay) => us + lengthOf(common(sure, [stay])), 0);
    // Rows that are all within: a slow reading must not tell of a short pause what was before it.
    const read = sure
      .map(({ fromUs, toUs }) => readably({ fromUs: fromUs + rowUsMax, toUs }))
      .filter(({ fromUs, toUs }) => fromUs < toUs);
    const told = await Promise.all(
      inQueries(read).map((some) =>
        sumsWithin(db, job, stays, `${withinSql({ spans: some })} AND s.dt_us <= ${rowUsMax}`),
      ),
    );
    return knownMeans(told.reduce(addSums, emptySums()), wholeUs);
  };
  const pauses = contexts.filter(({ context }) => context === 'pause');
  const rest = contexts.filter(({ context }) => context !== 'low');
  const [inPauses, atWork] = await Promise.all([means(pauses), means(without([timeOf(window)], rest))]);
  return { ...totals, inPauses, atWork };
}

function timeOf({ startUs, endUs }: JobWindow): Span {
  return { fromUs: startUs + 1, toUs: endUs + 1 };
}

/** From the first to the last time of the job on each node. */
function staysOf({ intervals }: JobWindow): Map<string, Span> {
  const stays = new Map<string, Span>();
  for (const { node, startUs, endUs } of intervals) {
    const { fromUs = Infinity, toUs = -Infinity } = stays.get(node) ?? {};
    stays.set(node, { fromUs: Math.min(fromUs, startUs + 1), toUs: Math.max(toUs, endUs + 1) });
  }
  return stays;
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((us, { fromUs, toUs }) => us + toUs - fromUs, 0);
}

/** Spans are of stamps, and a sample speaks for the time before its own: what ends a step earlier is of the span, whenever samples come. */
function surelyWithin(spans: readonly Span[], tickUs: number): Span[] {
  const stepUs = Math.max(MOMENT_US, tickUs);
  return spans
    .map(({ fromUs, toUs }) => ({ fromUs, toUs: toUs - stepUs + 1 }))
    .filter(({ fromUs, toUs }) => fromUs < toUs);
}

/** A long one of whole seconds, which the server finds without a look at all rows: see `withinSql`. */
function readably({ fromUs, toUs }: Span): Span {
  const lengthUs = toUs - fromUs;
  return { fromUs, toUs: lengthUs < LONG_US ? toUs : fromUs + Math.floor(lengthUs / 1e6) * 1e6 };
}

function inQueries(spans: readonly Span[]): (readonly Span[])[] {
  return Array.from({ length: Math.ceil(spans.length / SPANS_PER_QUERY_MAX) }, (_, at) =>
    spans.slice(at * SPANS_PER_QUERY_MAX, (at + 1) * SPANS_PER_QUERY_MAX),
  );
}

async function sumsWithin(
  db: Asked,
  { jobId, cluster }: Job,
  stays: ReadonlyMap<string, Span>,
  within: string,
): Promise<HostSums> {
  const values = VALUES.map(
    (name) =>
      `sum(s.${name} * s.dt_us) AS ${name}_dtsum, sum(CASE WHEN s.${name} IS NOT NULL THEN s.dt_us END) AS ${name}_dt`,
  );
  const ofCluster =
    cluster === undefined ? '' : ` AND (s.cluster = ${quoteText(cluster)} OR s.cluster IS NULL)`;
  const answers = await Promise.all(
    quotedLists(stays.keys()).map((nodes) =>
      ask(
        db,
        `SELECT s.node AS node, sum(s.dt_us) AS seen_us, count() AS row_count, ${values.join(', ')}, max(s.cpu_cores) AS cpu_max,` +
          ' max(s.memory_bytes) AS memory_max, max(s.memory_peak_bytes) AS peak FROM host_jobs s' +
          ` WHERE ${within} AND s.node IN (${nodes}) AND s.job_id = ${quoteText(jobId)}${ofCluster}`,
      ),
    ),
  );
  return answers.flat().map(sumsOf).reduce(addSums, emptySums());
}

function emptySums(): HostSums {
  return {
    nodes: new Set(),
    seenUs: 0,
    rows: 0,
    sums: new Map(),
    cpuCoresMax: undefined,
    memoryPeakBytes: undefined,
  };
}

function sumsOf(row: Cells): HostSums {
  return {
    nodes: new Set([row.text('node') ?? '']),
    seenUs: row.number('seen_us') ?? 0,
    rows: row.number('row_count') ?? 0,
    sums: new Map(
      VALUES.map((name) => [
        name,
        { dtSum: row.number(`${name}_dtsum`) ?? 0, knownUs: row.number(`${name}_dt`) ?? 0 },
      ]),
    ),
    cpuCoresMax: row.number('cpu_max'),
    memoryPeakBytes: mostOf(row.number('memory_max'), row.number('peak')),
  };
}

function addSums(all: HostSums, more: HostSums): HostSums {
  for (const node of more.nodes) all.nodes.add(node);
  all.seenUs += more.seenUs;
  all.rows += more.rows;
  for (const [name, { dtSum, knownUs }] of more.sums) {
    const sum = all.sums.get(name) ?? { dtSum: 0, knownUs: 0 };
    all.sums.set(name, { dtSum: sum.dtSum + dtSum, knownUs: sum.knownUs + knownUs });
  }
  all.cpuCoresMax = mostOf(all.cpuCoresMax, more.cpuCoresMax);
  all.memoryPeakBytes = mostOf(all.memoryPeakBytes, more.memoryPeakBytes);
  return all;
}

function mostOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}

/** @returns undefined where there is no such time, or too little of it was seen */
function knownMeans(told: HostSums, wholeUs: number): HostMeans | undefined {
  return wholeUs === 0 || told.seenUs < KNOWN_RATIO_MIN * wholeUs ? undefined : meansOf(told, wholeUs);
}

function meansOf({ seenUs, sums }: HostSums, wholeUs: number): HostMeans {
  const mean = (name: Value): number | undefined => {
    const { dtSum, knownUs } = sums.get(name) ?? { dtSum: 0, knownUs: 0 };
    return knownUs > 0 && knownUs >= KNOWN_RATIO_MIN * wholeUs ? dtSum / knownUs : undefined;
  };
  return {
    seenUs,
    cpuCores: mean('cpu_cores'),
    cpuWaitRatio: mean('cpu_wait_ratio'),
    ioWaitRatio: mean('io_wait_ratio'),
    readBytesPerSecond: mean('read_bytes_per_second'),
    writeBytesPerSecond: mean('write_bytes_per_second'),
  };
}
