import { HOUR_US } from '../core/base/hour.ts';
import type { Label } from '../core/jobs/label.ts';
import type { OlderWindow, RelabelWindow } from '../core/jobs/relabel.ts';
import type { QuestDb } from '../questdb/http.ts';
import { findHourRollup, readLabelledHours, type LabelledHour } from '../questdb/reads/labelled-hours.ts';
import { readSampleTable, type SampleTable } from '../questdb/reads/sample-table.ts';
import { relabelSamples } from '../questdb/rows/relabel-samples.ts';
import { waitForVisible } from '../questdb/visible.ts';
import type { OlderStays } from './older-stays.ts';

/** Samples of some devices in one partition of a table: what is labelled again at once. */
export interface Portion {
  readonly table: string;
  /** Beginning of the partition, epoch µs. */
  readonly fromUs: number;
  readonly windows: readonly RelabelWindow[];
}

/** A portion is work of about a second where a server is not busy. */
const WINDOWS_PER_PORTION_MAX = 8;

export interface RelabelPlan {
  /** The oldest first. */
  readonly portions: readonly Portion[];
  /** Σ dt of samples that are gone and whose hour bears another label in the rollup, µs. */
  readonly goneUs: number;
}

type LabelsOf = OlderStays['ownership'];

/**
 * What has to be done so that the samples of these windows bear their labels. What may have been done before is looked up in
 * the hours of the rollup, so that it costs next to nothing.
 * @throws OperatingError when the store does not answer
 */
export async function planRelabelling(
  db: QuestDb,
  tables: readonly string[],
  { ownership, windows }: Pick<OlderStays, 'ownership' | 'windows'>,
): Promise<RelabelPlan> {
  const portions: Portion[] = [];
  let goneUs = 0;
  for (const name of tables) {
    // What was acknowledged is seen a moment later only.
    await waitForVisible(db, name);
    const table = await readSampleTable(db, name);
    const rollup = await findHourRollup(db, name);
    const pieces: RelabelWindow[] = [];
    let goneOfTableUs = 0;
    for (const window of windows) {
      // What was changed by a fact is looked at in the samples that there are.
      const askedToUs = window.isFirstTold ? window.toUs : Math.min(window.toUs, table.oldestUs);
      const asked = { fromUs: window.fromUs, toUs: askedToUs };
      const hours = rollup && (await readLabelledHours(db, rollup, window.gpu, asked));
      goneOfTableUs += goneOf(hours ?? [], window, table, ownership);
      const trusted = rollup?.isLevel === true ? hours : undefined;
      for (const span of spansOf(trusted, window, table, ownership)) pieces.push(...cutAt(table, span));
    }
    portions.push(...portionsOf(table, pieces));
    // Lanes sample the same devices.
    goneUs = Math.max(goneUs, goneOfTableUs);
  }
  return { portions: portions.sort((a, b) => a.fromUs - b.fromUs), goneUs };
}

/**
 * Labels the samples of a portion again. Call it only while no row of its time is on its way to the store.
 * @returns how many samples got another label
 * @throws OperatingError when the store does not do it; asking again is harmless.
 */
export async function relabelPortion(db: QuestDb, portion: Portion, ownership: LabelsOf): Promise<number> {
  const orders = portion.windows.map(({ gpu, fromUs, toUs }) => ({
    gpu,
    stretches: ownership.labelsBetween(gpu, fromUs, toUs),
  }));
  return await relabelSamples(db, portion.table, orders);
}

/** The parts of a window in which samples may bear another label. */
function spansOf(
  hours: readonly LabelledHour[] | undefined,
  window: OlderWindow,
  { oldestUs }: SampleTable,
  ownership: LabelsOf,
): RelabelWindow[] {
  const { gpu, toUs } = window;
  const fromUs = Math.max(window.fromUs, oldestUs - 1);
  if (!(fromUs < toUs)) return [];
  if (!window.isFirstTold || hours === undefined) return [{ gpu, fromUs, toUs }];
  const told = new Set(hours.map(({ hourUs }) => hourUs));
  for (const hour of hours) if (mayDiffer(hour, window, ownership)) told.delete(hour.hourUs);
  const spans: RelabelWindow[] = [];
  // An hour of which nothing is told yet may hold samples all the same.
  for (let hourUs = Math.floor((fromUs + 1) / HOUR_US) * HOUR_US; hourUs <= toUs; hourUs += HOUR_US) {
    if (told.has(hourUs)) continue;
    const span = {
      gpu,
      fromUs: Math.max(fromUs, hourUs - 1),
      toUs: Math.min(toUs, hourUs + HOUR_US - 1),
    };
    const last = spans.at(-1);
    if (last !== undefined && span.fromUs <= last.toUs)
      spans[spans.length - 1] = { ...last, toUs: span.toUs };
    else if (span.fromUs < span.toUs) spans.push(span);
  }
  return spans;
}

/** Whether the samples of an hour may not all bear their labels. Where labels change within it, its samples tell alone. */
function mayDiffer(hour: LabelledHour, window: RelabelWindow, ownership: LabelsOf): boolean {
  const labels = labelsIn(hour.hourUs, window.gpu, ownership);
  return labels.length > 1 || !isWithin(hour.hourUs, window) || !isLabelOf(labels[0]!, hour);
}

/** Σ dt of the hours whose samples are gone, and which bear a label that none of them should bear. */
function goneOf(
  hours: readonly LabelledHour[],
  window: RelabelWindow,
  { oldestUs }: SampleTable,
  ownership: LabelsOf,
): number {
  const isGone = ({ hourUs }: LabelledHour): boolean =>
    hourUs + HOUR_US <= oldestUs && isWithin(hourUs, window);
  const isWrong = (hour: LabelledHour): boolean =>
    !labelsIn(hour.hourUs, window.gpu, ownership).some((label) => isLabelOf(label, hour));
  return hours.filter((hour) => isGone(hour) && isWrong(hour)).reduce((sum, { dtUs }) => sum + dtUs, 0);
}

function labelsIn(hourUs: number, gpu: string, ownership: LabelsOf): readonly Label[] {
  // A bucket holds the sample of its first moment, a stretch that of its last.
  return ownership.labelsBetween(gpu, hourUs - 1, hourUs + HOUR_US - 1).map(({ label }) => label);
}

function isWithin(hourUs: number, { fromUs, toUs }: RelabelWindow): boolean {
  return fromUs < hourUs && hourUs + HOUR_US - 1 <= toUs;
}

function isLabelOf({ jobId, owners, ownerSet }: Label, hour: LabelledHour): boolean {
  return hour.jobId === jobId && hour.owners === owners && hour.ownerSet === ownerSet;
}

/** A partition is written anew for what changes in it: cut there, and put together there again. */
function cutAt(
  { partitionUs, newestUs }: SampleTable,
  { gpu, fromUs, toUs }: RelabelWindow,
): RelabelWindow[] {
  const pieces: RelabelWindow[] = [];
  const endUs = Math.min(toUs, newestUs);
  for (let atUs = fromUs; atUs < endUs;) {
    const nextUs = Math.min(endUs, partitionOf(atUs, partitionUs) + partitionUs - 1);
    pieces.push({ gpu, fromUs: atUs, toUs: nextUs });
    atUs = nextUs;
  }
  return pieces;
}

function portionsOf({ name: table, partitionUs }: SampleTable, pieces: readonly RelabelWindow[]): Portion[] {
  const byPartition = Map.groupBy(pieces, ({ fromUs }) => partitionOf(fromUs, partitionUs));
  return [...byPartition].flatMap(([fromUs, own]) => {
    const portions: Portion[] = [];
    for (let at = 0; at < own.length; at += WINDOWS_PER_PORTION_MAX)
      portions.push({ table, fromUs, windows: own.slice(at, at + WINDOWS_PER_PORTION_MAX) });
    return portions;
  });
}

/** Of the samples after `us`. */
function partitionOf(us: number, partitionUs: number): number {
  return Math.floor((us + 1) / partitionUs) * partitionUs;
}
