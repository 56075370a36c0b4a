import { quoteText } from '../../../../schemas/tables.ts';
import type { ContextSpan, Span } from '../../../core/analysis/contexts.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { common, without } from '../../spans.ts';
import { quotedLists, quoteTime } from '../../sql-text.ts';
import type { JobWindow } from '../facts.ts';
import type { JobIdentity } from '../figures.ts';
import type { HostFigures, HostMeans } from './figures.ts';

/** What of a time is known for less of it is not told of it. */
const KNOWN_RATIO_MIN = 0.5;
/** Contexts are found in steps of so long at least. */
const MOMENT_US = 1e6;
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
  readonly sums: Map<Value, { dtSum: number; knownUs: number }>;
  cpuCoresMax: number | undefined;
  memoryPeakBytes: number | undefined;
}

type Job = Pick<JobIdentity, 'jobId' | 'cluster'>;

/**
 * What a job did on its nodes, from its first start to its last end.
 * @returns undefined where nobody recorded it
 * @throws what `ask` throws
 */
export async function hostFigures(
  db: Asked,
  job: Job,
  window: JobWindow,
): Promise<Omit<HostFigures, 'inPauses' | 'atWork'> | undefined> {
  // A store of an older version has no such table, and a report must not fail for the want of it.
  const tables = await ask(db, `SELECT table_name FROM tables() WHERE table_name = 'host_jobs'`);
  const stays = staysOf(window);
  if (tables.length === 0 || stays.size === 0) return undefined;
  const told = await sumsWithin(db, job, stays, timeSql(window));
  if (told.seenUs === 0) return undefined;
  const { cpuCoresMax, memoryPeakBytes, nodes } = told;
  return {
    ...meansOf(told, told.seenUs),
    nodeCount: nodes.size,
    ownedUs: lengthOf([...stays.values()]),
    cpuCoresMax,
    memoryPeakBytes,
  };
}

/**
 * The same while all its GPUs rested, and while they worked.
 * @param contexts what its devices did together
 * @param tickUs interval of the samples by which that is known
 * @throws what `ask` throws
 */
export async function hostByContext(
  db: Asked,
  job: Job,
  window: JobWindow,
  { contexts, tickUs }: { readonly contexts: readonly ContextSpan[]; readonly tickUs: number },
): Promise<Pick<HostFigures, 'inPauses' | 'atWork'>> {
  const stays = staysOf(window);
  const time = { fromUs: window.startUs + 1, toUs: window.endUs + 1 };
  const means = async (spans: readonly Span[]): Promise<HostMeans | undefined> => {
    const wholeUs = [...stays.values()].reduce((us, stay) => us + lengthOf(common(spans, [stay])), 0);
    if (wholeUs === 0) return undefined;
    const told = await Promise.all(
      inQueries(surelyWithin(spans, tickUs)).map((some) =>
        sumsWithin(db, job, stays, `(${some.map(insideSql).join(' OR ')})`),
      ),
    );
    return knownMeans(told.reduce(addSums, emptySums()), wholeUs);
  };
  const pauses = contexts.filter(({ context }) => context === 'pause');
  const rest = contexts.filter(({ context }) => context !== 'low');
  const [inPauses, atWork] = await Promise.all([means(pauses), means(without([time], rest))]);
  return { inPauses, atWork };
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

function timeSql({ startUs, endUs }: JobWindow): string {
  return `s.ts > ${quoteTime(startUs)} AND s.ts <= ${quoteTime(endUs)}`;
}

/** Spans are of stamps, and a sample speaks for the time before its own: what ends a step earlier is of the span, whenever samples come. */
function surelyWithin(spans: readonly Span[], tickUs: number): Span[] {
  const stepUs = Math.max(MOMENT_US, tickUs);
  return spans
    .map(({ fromUs, toUs }) => ({ fromUs, toUs: toUs - stepUs + 1 }))
    .filter(({ fromUs, toUs }) => fromUs < toUs);
}

/** Rows that are all within: a slow reading must not tell of a short pause what was before it. */
function insideSql({ fromUs, toUs }: Span): string {
  return `(s.ts >= ${quoteTime(fromUs)} AND s.ts < ${quoteTime(toUs)} AND cast(s.ts AS LONG) - s.dt_us >= ${fromUs - 1})`;
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
        `SELECT s.node AS node, sum(s.dt_us) AS seen_us, ${values.join(', ')}, max(s.cpu_cores) AS cpu_max,` +
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
    sums: new Map(),
    cpuCoresMax: undefined,
    memoryPeakBytes: undefined,
  };
}

function sumsOf(row: Cells): HostSums {
  return {
    nodes: new Set([row.text('node') ?? '']),
    seenUs: row.number('seen_us') ?? 0,
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

/** @returns undefined where too little of the time was seen */
function knownMeans(told: HostSums, wholeUs: number): HostMeans | undefined {
  return told.seenUs < KNOWN_RATIO_MIN * wholeUs ? undefined : meansOf(told, wholeUs);
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
