import { quoteName, quoteText } from '../../../schemas/tables.ts';
import type { CapacitySource, DeviceFilter } from './samples.ts';
import { segmentsIn, segmentsOf, withinSql, type KeptLane, type Level, type Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { common, joined } from '../spans.ts';

/** What a report reads of a table, and what is kept of that. */
export interface CapacityTable extends Omit<CapacitySource, 'segments' | 'only'> {
  /** With `times` where it is read of some devices at some times only. */
  readonly kept: KeptLane;
}

/** Devices that are asked about together: all sums of a device are in one answer, or its energy could not be chosen. */
export interface CapacityPart {
  readonly tables: readonly CapacityTable[];
  /** Of tables that are always read; all devices where it is undefined. */
  readonly only: Extract<DeviceFilter, { isWithout: boolean }> | undefined;
}

/** Characters that the devices of a part may take in a query, as it travels in a URL. */
const PART_LENGTH_MAX = 14_000;
/** What the buckets around an end of a device's time take in it. */
const EDGE_LENGTH = 300;

/**
 * What a report asks: once of the devices whose gauges are always read in the same tables, and of some of the others at a time.
 * @throws what `ask` throws
 */
export async function partsOf(
  db: Asked,
  tables: readonly CapacityTable[],
  window: Span,
): Promise<CapacityPart[]> {
  const partly = tables.filter(({ kept }) => kept.times !== undefined);
  const apart = [...new Set(partly.flatMap(({ kept }) => [...kept.times!.keys()]))].sort();
  if (apart.length === 0) return [{ tables, only: undefined }];
  const whole = tables.filter(({ kept }) => kept.times === undefined);
  // Each segment of a table names them again.
  const countOf = (some: readonly CapacityTable[]): number =>
    some.reduce((count, { kept }) => count + segmentsOf(kept, window).length, 0);
  const [wholeCount, partlyCount] = [countOf(whole), countOf(partly)];
  const named = (gpu: string): number => encodeURIComponent(`, ${quoteText(gpu)}`).length * wholeCount;
  const isShort = apart.reduce((sum, gpu) => sum + named(gpu), 0) <= PART_LENGTH_MAX;
  const others = isShort
    ? [{ gpus: apart, isWithout: true }]
    : inQueries(await otherDevices(db, whole, window, apart), named).map((gpus) => ({
        gpus,
        isWithout: false,
      }));
  const lengthOf = (gpu: string): number => {
    const spans = partly.flatMap(({ kept }) => kept.times!.get(gpu) ?? []);
    return named(gpu) + spans.length * (SPAN_LENGTH * partlyCount + 2 * EDGE_LENGTH);
  };
  return [
    ...others.map((only) => ({ tables: whole, only })),
    ...inQueries(apart, lengthOf).map((gpus) => partOf(gpus, whole, partly)),
  ];
}

/** A device with one of its times, as a condition. */
const SPAN_LENGTH = 220;

/** Those that have samples in the window, without these. */
async function otherDevices(
  db: Asked,
  whole: readonly CapacityTable[],
  window: Span,
  apart: readonly string[],
): Promise<string[]> {
  const parts = whole.flatMap(({ kept }) =>
    segmentsOf(kept, window).map(
      (segment) =>
        `SELECT DISTINCT s.gpu AS gpu FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}`,
    ),
  );
  const rows = await ask(db, `SELECT DISTINCT gpu FROM (${parts.join(' UNION ALL ')})`);
  const known = new Set(apart);
  return rows.flatMap((row) => row.text('gpu') ?? []).filter((gpu) => !known.has(gpu));
}

function inQueries(gpus: readonly string[], lengthOf: (gpu: string) => number): string[][] {
  const lists: string[][] = [];
  let left = 0;
  for (const gpu of gpus) {
    const length = lengthOf(gpu);
    if (left < length) {
      lists.push([]);
      left = PART_LENGTH_MAX;
    }
    lists.at(-1)!.push(gpu);
    left -= length;
  }
  return lists;
}

function partOf(
  gpus: readonly string[],
  whole: readonly CapacityTable[],
  partly: readonly CapacityTable[],
): CapacityPart {
  const own = partly.flatMap((table): CapacityTable[] => {
    const times = new Map(
      gpus.flatMap((gpu) => {
        const spans = table.kept.times!.get(gpu);
        return spans === undefined ? [] : [[gpu, spans] as const];
      }),
    );
    return times.size === 0 ? [] : [{ ...table, kept: { ...table.kept, times } }];
  });
  return { tables: [...whole, ...own], only: { gpus, isWithout: false } };
}

/** Where the tables of a part are read in a span. @param accepted, finerAtUs as those of `segmentsOf` */
export function sourcesOf(
  { tables, only }: CapacityPart,
  span: Span,
  accepted?: readonly Level[],
  finerAtUs: readonly number[] = [],
): CapacitySource[] {
  return tables.map(({ kept, ...table }): CapacitySource => {
    if (kept.times === undefined)
      return {
        ...table,
        ...(only === undefined ? {} : { only }),
        segments: segmentsOf(kept, span, accepted, finerAtUs),
      };
    const times = [...kept.times.values()].flatMap((own) => common(own, [span]));
    // No bucket may hold a moment at which the time of any device begins or ends.
    const edgesUs = times.flatMap(({ fromUs, toUs }) => [fromUs, toUs]);
    const segments = segmentsIn(kept, joined(times), accepted, [...finerAtUs, ...edgesUs]);
    return { ...table, only: { times: kept.times }, segments };
  });
}
