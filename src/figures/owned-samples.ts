import { quoteName, quoteText } from '../../schemas/tables.ts';
import { ask, type Asked, type Cells } from './query-cells.ts';
import { quoteTime } from './sql-text.ts';

/** Samples of this device with start < ts ≤ end are a job's. Epoch µs. */
interface OwnedSpan {
  readonly gpu: string;
  readonly startUs: number;
  readonly endUs: number;
}

/** How the samples of some spans are asked for: `SELECT … ${from} WHERE ${where} GROUP BY …`; the sample is `s`. */
interface OwnedSamples {
  readonly from: string;
  readonly where: string;
}

/** A further column of the spans, as a literal: `o.NAME`. */
type SpanColumns<T> = Readonly<Record<string, (span: T) => string>>;

/** Of the 32 KiB that the server takes as the URL of a query: one half for the spans, one for what is asked about them. */
const SPANS_TEXT_MAX = 16_384;
/** The server finds a union of more than some hundred selects too complex. */
const UNION_MAX = 96;

/**
 * Asks about the samples of one table in these spans. Where there are more of them than a query holds it asks several times,
 * so that a group may come in several rows, to be added up.
 * @param spans of one job and device they do not overlap
 * @param more asked for by a query that needs them
 * @throws what `ask` throws
 */
export async function askOwned<T extends OwnedSpan>(
  db: Asked,
  table: string,
  spans: readonly T[],
  sqlOf: (samples: OwnedSamples) => string,
  more?: SpanColumns<T>,
): Promise<Cells[]> {
  const owning = spans.filter(({ startUs, endUs }) => endUs > startUs);
  const samples =
    more === undefined && areAlike(owning)
      ? alikeSamples(table, owning)
      : joinedSamples(table, owning, more ?? {});
  const rows: Cells[][] = [];
  for (const some of samples) rows.push(await ask(db, sqlOf(some)));
  return rows.flat();
}

/** Each device once. */
function areAlike(spans: readonly OwnedSpan[]): boolean {
  return new Set(spans.map(({ gpu }) => gpu)).size === spans.length;
}

/** Without a join, which would cost more than all else. What all spans have in common is said first. */
function alikeSamples(table: string, spans: readonly OwnedSpan[]): OwnedSamples[] {
  const within = (gpus: readonly OwnedSpan[], fromUs: number, toUs: number): string =>
    `s.gpu IN (${gpus.map(({ gpu }) => quoteText(gpu)).join(', ')}) AND s.ts > ${quoteTime(fromUs)} AND s.ts <= ${quoteTime(toUs)}`;
  const setOf = ({ startUs, endUs }: OwnedSpan): string => `${startUs} ${endUs}`;
  const said = new Set<string>();
  /** Each device is named twice, each set of times once. */
  const textOf = (span: OwnedSpan): string => {
    const times = said.has(setOf(span)) ? '' : ` OR (${within([], span.startUs, span.endUs)})`;
    said.add(setOf(span));
    return quoteText(span.gpu).repeat(2) + times;
  };
  const bySet = spans.toSorted((a, b) => a.startUs - b.startUs || a.endUs - b.endUs);
  return inQueries(bySet, Infinity, textOf).map((some) => {
    const starts = some.map(({ startUs }) => startUs);
    const ends = some.map(({ endUs }) => endUs);
    const sets = [...Map.groupBy(some, setOf).values()];
    const common = `s.ts > ${quoteTime(Math.max(...starts))} AND s.ts <= ${quoteTime(Math.min(...ends))}`;
    const edges = sets.map((set) => `(${within(set, set[0]!.startUs, set[0]!.endUs)})`);
    return {
      from: `FROM ${quoteName(table)} s`,
      where:
        within(some, Math.min(...starts), Math.max(...ends)) +
        (sets.length === 1 ? '' : ` AND ((${common}) OR ${edges.join(' OR ')})`),
    };
  });
}

/** In order of time: every query reads the table between its first start and its last end. */
function joinedSamples<T extends OwnedSpan>(
  table: string,
  spans: readonly T[],
  more: SpanColumns<T>,
): OwnedSamples[] {
  const columns: SpanColumns<T> = {
    owned_gpu: ({ gpu }) => quoteText(gpu),
    start_ts: ({ startUs }) => `cast(${startUs} AS TIMESTAMP)`,
    stop_ts: ({ endUs }) => `cast(${endUs} AS TIMESTAMP)`,
    ...more,
  };
  const selectOf = (span: T, isFirst = false): string =>
    `SELECT ${Object.entries(columns)
      .map(([name, column]) => `${column(span)}${isFirst ? ` AS ${name}` : ''}`)
      .join(', ')}`;
  const byTime = spans.toSorted((a, b) => a.startUs - b.startUs);
  return inQueries(byTime, UNION_MAX, (span) => selectOf(span)).map((some) => {
    const union = some.map((span, index) => selectOf(span, index === 0)).join(' UNION ALL ');
    const lastUs = some.reduce((us, { endUs }) => Math.max(us, endUs), -Infinity);
    return {
      from: `FROM ${quoteName(table)} s JOIN (${union}) o ON s.gpu = o.owned_gpu`,
      where:
        `s.ts > ${quoteTime(some[0]!.startUs)} AND s.ts <= ${quoteTime(lastUs)}` +
        ' AND s.ts > o.start_ts AND s.ts <= o.stop_ts',
    };
  });
}

/** @param textOf what a span adds to a query */
function inQueries<T>(spans: readonly T[], countMax: number, textOf: (span: T) => string): T[][] {
  const queries: T[][] = [];
  let left = 0;
  for (const span of spans) {
    const length = new URLSearchParams(` UNION ALL ${textOf(span)}`).toString().length;
    if (left < length || queries.at(-1)!.length >= countMax) {
      queries.push([]);
      left = SPANS_TEXT_MAX;
    }
    queries.at(-1)!.push(span);
    left -= length;
  }
  return queries;
}
