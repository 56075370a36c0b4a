import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { partsOf, type DevicePart, type Sharing } from '../../core/jobs/device-parts.ts';
import type { Membership } from './membership.ts';
import { sharedDevicesSql } from './samples.ts';
import type { CapacityWindow } from './window.ts';
import type { LaneGauges } from '../gauges.ts';
import { withinSql, type Segment } from '../levels.ts';
import { askOwned } from '../owned-samples.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { readDivision } from '../stays.ts';

interface SharedSums {
  /** A row per group and kind, or several, to be added up. */
  readonly rows: readonly Cells[];
  readonly areSharesScaled: boolean;
}

/** What a job owned of a device that is not wholly its own. */
interface SharedSpan extends DevicePart {
  /** The job was told a share below 1 there: its samples are divided also where it is the only owner. */
  readonly hasShare: boolean;
}

/** As a query has them: as numbers, since texts do not go through joins and sums unharmed. */
const SHARINGS: readonly Sharing[] = ['stated', 'measured', 'equal', 'whole'];

/** How the parts were found of which a row has the sums. One that is all of a device leaves nothing to its other owners. */
export function sharingIn(row: Cells): Exclude<Sharing, 'whole'> {
  const sharing = SHARINGS[row.number('sharing')!]!;
  return sharing === 'whole' ? 'stated' : sharing;
}

/** Sums of the shared devices, from their samples, by each owner's part. */
export async function sharedSums(
  db: Asked,
  of: Membership,
  source: LaneGauges,
  segments: readonly Segment[],
): Promise<SharedSums> {
  const { window } = of;
  const rows: Cells[][] = [];
  let areSharesScaled = false;
  const gpus = await sharedDevices(db, window, segments);
  // A sample at the very start of the window counts.
  const span = { fromUs: window.fromUs - 1, toUs: window.toUs };
  for await (const { stays, uses } of readDivision(db, gpus, span)) {
    const withShare = new Set(
      stays
        .filter(({ share = 1, startUs, endUs }) => share < 1 && endUs > Math.max(startUs, span.fromUs))
        .filter(({ startUs }) => startUs < span.toUs)
        .map(({ gpu, jobId }) => JSON.stringify([gpu, jobId])),
    );
    const spans = partsOf(stays, uses).map((part): SharedSpan => ({
      ...part,
      startUs: Math.max(part.startUs, span.fromUs),
      endUs: Math.min(part.endUs, span.toUs),
      hasShare: withShare.has(JSON.stringify([part.gpu, part.jobId])),
    }));
    areSharesScaled ||= spans.some(({ isScaled, startUs, endUs }) => isScaled && endUs > startUs);
    rows.push(
      await askOwned(db, source.lane.table, spans, (samples) => sharedDevicesSql(of, source, samples), {
        owner: ({ jobId }) => quoteText(jobId),
        has_share: ({ hasShare }) => (hasShare ? '1' : '0'),
        sharing: ({ sharing }) => String(SHARINGS.indexOf(sharing)),
      }),
    );
  }
  return { rows: rows.flat(), areSharesScaled };
}

/** Devices that had several owners at once, or one who was told to have only a part. */
async function sharedDevices(
  db: Asked,
  { fromUs, toUs }: CapacityWindow,
  segments: readonly Segment[],
): Promise<string[]> {
  const several = segments.map(
    (segment) =>
      `SELECT s.gpu AS gpu FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.owners > 1`,
  );
  const part = `SELECT gpu FROM gpu_ownership WHERE share < 1 AND ts < ${quoteTime(toUs)} AND (end_ts IS NULL OR end_ts >= ${quoteTime(fromUs)})`;
  const rows = await ask(db, `SELECT DISTINCT gpu FROM (${[...several, part].join(' UNION ALL ')})`);
  return rows.map((row) => row.text('gpu') ?? '');
}
