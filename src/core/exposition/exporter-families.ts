import type { Field } from '../fields/field.ts';
import { findField } from '../fields/find-field.ts';
import { THROTTLE_FIELD_ID, XID_FIELD_ID } from '../fields/well-known.ts';
import {
  findable,
  freshRowUs,
  labelledDevices,
  ownerOf,
  type DeviceExposition,
  type LabelledDevice,
} from './device-families.ts';
import type { ExporterCounts } from './exporter-counts.ts';
import type { Compat, ExpositionLabel, Family, Series } from './family.ts';
import { shortestNumber } from './sample-number.ts';

/** Over how much time the two counts go, ms. */
export interface CountWindows {
  readonly xidMs: number;
  readonly reasonsMs: number;
}

interface CountedFamily {
  /** What is counted. */
  readonly field: Field;
  /** @returns each label and how often it was counted; none: a series of 0 without it; undefined: no series */
  readonly counted: (
    counts: ExporterCounts,
    gpu: string,
    nowUs: number,
    windows: CountWindows,
  ) => readonly (readonly [label: string, count: number])[] | undefined;
  readonly label: string;
  /** Of which window; absent: since the beginning. */
  readonly window?: keyof CountWindows;
}

const XIDS: Pick<CountedFamily, 'field' | 'label'> = { field: findField(XID_FIELD_ID)!, label: 'xid' };
const REASONS: Pick<CountedFamily, 'field' | 'label'> = {
  field: findField(THROTTLE_FIELD_ID)!,
  label: 'clock_event',
};

function entriesOf(counts: ReadonlyMap<string | number, number>): (readonly [string, number])[] {
  return [...counts].map(([name, count]) => [String(name), count]);
}

/** A total of nothing has no series; a window without anything has one of 0. Samples without any reason are something. */
const FAMILIES: ReadonlyMap<string, CountedFamily> = new Map<string, CountedFamily>([
  [
    'DCGM_EXP_XID_ERRORS_COUNT',
    {
      ...XIDS,
      window: 'xidMs',
      counted: (counts, gpu, nowUs, { xidMs }) => entriesOf(counts.xidsSince(gpu, nowUs - xidMs * 1000)),
    },
  ],
  [
    'DCGM_EXP_CLOCK_EVENTS_COUNT',
    {
      ...REASONS,
      window: 'reasonsMs',
      counted: (counts, gpu, nowUs, { reasonsMs }) => {
        const reasons = counts.reasonsSince(gpu, nowUs - reasonsMs * 1000);
        if (reasons === undefined) return [];
        return reasons.size === 0 ? undefined : entriesOf(reasons);
      },
    },
  ],
  ['DCGM_EXP_XID_ERRORS_TOTAL', { ...XIDS, counted: (counts, gpu) => some(counts.xidTotals(gpu)) }],
  ['DCGM_EXP_CLOCK_EVENTS_TOTAL', { ...REASONS, counted: (counts, gpu) => some(counts.reasonTotals(gpu)) }],
]);

function some(totals: ReadonlyMap<string | number, number>): (readonly [string, number])[] | undefined {
  return totals.size === 0 ? undefined : entriesOf(totals);
}

/** The field that a counter of dcgm-exporter's own is counted of; undefined for one that is not counted here. */
export function countedFieldOf(name: string): Field | undefined {
  return FAMILIES.get(name)?.field;
}

/** A row of the counters file that asks for one of them. */
export interface ServedExporterCounter {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

export interface ExporterExposition extends DeviceExposition {
  readonly exporterCounters: readonly ServedExporterCounter[];
  readonly counts: ExporterCounts;
  readonly windows: CountWindows;
}

/** What dcgm-exporter counts by itself, of each device that is there now. */
export function exporterFamilies(asked: ExporterExposition): Family[] {
  const { exporterCounters } = asked;
  if (exporterCounters.length === 0) return [];
  const lanes = asked.lanes.map(findable);
  const labelled = labelledDevices(asked);
  return exporterCounters.flatMap(({ name, type, help }) => {
    const family = FAMILIES.get(name);
    if (family === undefined) return [];
    const there = labelled.filter(
      ({ device }) => freshRowUs(device, family.field, lanes, asked.nowUs) !== undefined,
    );
    return [{ name, type, help, series: there.flatMap((one) => seriesOf(one, family, asked)) }];
  });
}

function seriesOf(
  { device, labelsWith, ofJobsAt, labels }: LabelledDevice,
  { field, label, window, counted }: CountedFamily,
  { counts, windows, nowUs, style }: ExporterExposition,
): Series[] {
  const found = counted(counts, ownerOf(device, field), nowUs, windows);
  if (found === undefined) return [];
  const size: ExpositionLabel[] =
    window === undefined ? [] : [['window_size_in_ms', String(windows[window])]];
  const each: (readonly [ExpositionLabel[], number])[] =
    found.length === 0 ? [[[], 0]] : found.map(([name, count]) => [[[label, name]], count]);
  return each.flatMap(([own, count]) => {
    const all = labelsWith([...size, ...own]);
    const number = countText(count, style.compat);
    return ofJobsAt(nowUs).map((jobs) => ({ labels: [...all, ...jobs.slice(labels.length)], number }));
  });
}

function countText(count: number, compat: Compat): string {
  return compat === '4.8.2' ? String(count) : shortestNumber(count);
}
