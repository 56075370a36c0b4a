import { quoteName } from '../../schemas/tables.ts';
import { withinSql, type Segment, type Span } from './levels.ts';
import { ask, type Asked } from './query-cells.ts';

/**
 * Samples that one question reads at most, those of other devices among them: at 30 ns a sample and sum, two dozen sums of them
 * take some seconds.
 */
const SAMPLES_MAX = 10_000_000;
/** Shorter times hold fewer, unless more than a thousand devices are sampled ten times a second. */
const BRIEF_US_MAX = 600e6;

/**
 * Cuts what is read from samples by time, so that no question takes long: whoever waits sees how far it is, and none comes near the
 * deadline of a request. Rollups are read whole.
 * @param samples there are in all of the segments at most; absent: it is asked
 * @returns segments whose answers are to be added up, in the order of time
 * @throws what `ask` throws
 */
export async function inPortions(
  db: Asked,
  segments: readonly Segment[],
  samples = Infinity,
): Promise<readonly Segment[]> {
  const { samplesMax = SAMPLES_MAX } = db;
  if (samples <= samplesMax) return segments;
  const portions: Segment[] = [];
  for (const segment of segments) portions.push(...(await portionsOf(db, segment, samplesMax)));
  return portions;
}

async function portionsOf(db: Asked, segment: Segment, samplesMax: number): Promise<readonly Segment[]> {
  const briefUsMax = BRIEF_US_MAX * (samplesMax / SAMPLES_MAX);
  const lengthUs = segment.spans.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
  if (segment.level !== 'raw' || lengthUs <= briefUsMax) return [segment];
  const rows = await ask(
    db,
    `SELECT count() AS samples FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}`,
  );
  const count = Math.ceil((rows[0]?.number('samples') ?? 0) / samplesMax);
  if (count <= 1) return [segment];
  return cutSpans(segment.spans, Math.ceil(lengthUs / count)).map((spans) => ({ ...segment, spans }));
}

/** Each list `portionUs` long, the last one shorter. @param spans ascending, without overlaps */
function cutSpans(spans: readonly Span[], portionUs: number): Span[][] {
  const portions: Span[][] = [];
  let leftUs = 0;
  for (const { fromUs, toUs } of spans) {
    let atUs = fromUs;
    while (atUs < toUs) {
      if (leftUs === 0) {
        portions.push([]);
        leftUs = portionUs;
      }
      const untilUs = Math.min(toUs, atUs + leftUs);
      portions.at(-1)!.push({ fromUs: atUs, toUs: untilUs });
      leftUs -= untilUs - atUs;
      atUs = untilUs;
    }
  }
  return portions;
}
