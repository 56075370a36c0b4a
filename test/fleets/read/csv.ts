import { parse } from 'csv-parse/sync';
import type { Difference, Json } from '../differences.ts';

/** The CSV of a report against its JSON: each cell is the field that it is named after, to its last digit. */

type Cells = Readonly<Record<string, string>>;
type Fields = Readonly<Record<string, Json | undefined>>;

export function capacityCsvDifferences(csv: string, json: Json): Difference[] {
  const report = json as Fields;
  const own = report.rows as readonly Fields[];
  const installed = report.installed as { readonly rows: readonly Fields[]; readonly all: Fields };
  const isSame = (a: Fields, b: Fields): boolean =>
    ['kind', 'name', 'cluster', 'period'].every((key) => a[key] === b[key]);
  const partsOf = (row: Fields): Fields =>
    row.kind === 'all' ? installed.all : (installed.rows.find((other) => isSame(row, other)) ?? {});
  const never = installed.rows.filter((row) => !own.some((other) => isSame(row, other)));
  const rows = [...own, ...never, { ...(report.all as Fields), kind: 'all' } as Fields];
  const ifSeen = (row: Fields, value: Json | undefined): Json | undefined =>
    row.attributedUs === undefined ? undefined : value;
  return tableDifferences(csv, rows, (row) => ({
    from: iso(report.fromUs),
    to: iso(report.toUs),
    by: report.by,
    kind: row.kind,
    name: row.name,
    attributed_us: row.attributedUs,
    unowned_us: row.unownedUs,
    share_ratio:
      report.sampledUs === 0
        ? undefined
        : ifSeen(row, (row.attributedUs as number) / (report.sampledUs as number)),
    idle_us: row.idleUs,
    sm_active_ratio_mean: row.smActiveMean,
    energy_counter_joules: row.counterJoules,
    energy_power_joules: row.powerJoules,
    jobs: row.jobs,
    cluster: row.cluster,
    energy_best_joules: row.bestJoules,
    energy_best_known_us: row.bestUs,
    sm_known_us: row.smKnownUs,
    wasted_us: row.wastedUs,
    instance_us: ifSeen(row, row.instanceUs ?? 0),
    energy_divided_joules: row.dividedJoules,
    unowned_energy_joules: row.unownedJoules,
    period: row.period,
    idle_known_us: row.idleKnownUs,
    ...partCells(partsOf(row)),
  }));
}

/** Of these two the names are columns of other things. */
const PARTS: readonly (readonly [key: string, column: string])[] = [
  ['unseen', 'unseen'],
  ['down', 'down'],
  ['drained', 'drained'],
  ['fragmented', 'fragmented'],
  ['free', 'free'],
  ['unowned', 'unowned_untold'],
  ['partlyFree', 'partly_free'],
  ['idleHead', 'idle_head'],
  ['idle', 'idle_rest'],
  ['idleTail', 'idle_tail'],
  ['stalled', 'stalled'],
  ['low', 'low'],
  ['effective', 'effective'],
  ['untold', 'untold'],
];

/** Nobody asks who waits in drawn fleets: what of free GPUs lay in pieces is unknown. */
function partCells(parts: Fields): Record<string, Json | undefined> {
  return cellsOf(
    PARTS.map(([key, column]) => [
      `${column}_us`,
      key === 'fragmented' ? undefined : (parts[`${key}Us`] ?? 0),
    ]),
  );
}

const GAUGE_NAMES: readonly (readonly [key: string, name: string])[] = [
  ['smActive', 'sm_active_ratio'],
  ['tensorActive', 'tensor_active_ratio'],
  ['dramActive', 'dram_active_ratio'],
  ['engineActive', 'engine_active_ratio'],
  ['gpuUtil', 'gpu_util_ratio'],
  ['power', 'power_watts'],
  ['memoryUsed', 'memory_used_bytes'],
  ['pcieSent', 'pcie_sent_bytes_per_second'],
  ['pcieReceived', 'pcie_received_bytes_per_second'],
  ['nvlinkSent', 'nvlink_sent_bytes_per_second'],
  ['nvlinkReceived', 'nvlink_received_bytes_per_second'],
];

/** Gauges of which percentiles are told. */
export const RANKED: ReadonlySet<string> = new Set(['smActive', 'tensorActive', 'dramActive', 'power']);

function cellsOf(cells: readonly (readonly [string, Json | undefined])[]): Record<string, Json | undefined> {
  return Object.fromEntries(cells);
}

function rankedCells(name: string, gauge: Fields | undefined): [string, Json | undefined][] {
  return [
    [`${name}_p50`, gauge?.p50],
    [`${name}_p95`, gauge?.p95],
  ];
}

function useCells(device: Fields): Record<string, Json | undefined> {
  const shares = (device.smShares ?? {}) as Readonly<Record<string, { readonly ratio: number } | undefined>>;
  const longest = device.longestIdle as Fields | undefined;
  return {
    wasted_us: device.wastedUs,
    ...cellsOf(
      ['tensor', 'fp64', 'fp32', 'fp16'].map((pipe) => [`${pipe}_of_sm_ratio`, shares[pipe]?.ratio]),
    ),
    longest_idle_us: longest?.lengthUs,
    longest_idle_from: longest?.fromUs === undefined ? undefined : iso(longest.fromUs),
    longest_idle_is_at_least:
      longest === undefined ? undefined : longest.isAtLeast === true ? 'true' : 'false',
  };
}

export function jobCsvDifferences(csv: string, json: Json): Difference[] {
  const report = json as Fields;
  return tableDifferences(csv, report.devices as readonly Fields[], (device) => {
    const gauges = device.gauges as Readonly<Record<string, Fields | undefined>>;
    const energy = device.energy as Fields;
    return {
      job_id: report.jobId,
      run: report.run,
      node: device.node,
      gpu: device.gpu,
      gpu_index: device.index,
      model: device.model,
      mig_profile: device.migProfile,
      start: iso(report.startUs),
      end: report.isOpen === true ? undefined : iso(report.endUs),
      owned_us: device.ownedUs,
      sampled_us: device.sampledUs,
      attributed_us: device.attributedUs,
      samples: device.samples,
      idle_us: device.idleUs,
      ...cellsOf(
        GAUGE_NAMES.flatMap(([key, name]): [string, Json | undefined][] => [
          [`${name}_mean`, gauges[key]?.mean ?? undefined],
          [`${name}_max`, gauges[key]?.max],
        ]),
      ),
      energy_counter_joules: energy.counterJoules,
      energy_power_joules: energy.powerJoules,
      events: (device.events as readonly Json[]).length,
      cluster: report.cluster,
      energy_best_joules: energy.bestJoules,
      energy_best_known_us: energy.bestUs,
      idle_known_us: device.idleKnownUs,
      used_us: device.usedUs,
      owned_gpu_us: device.ownedGpuUs ?? device.ownedUs,
      slice_ratio: device.migProfile === undefined ? 1 : device.sliceRatio,
      energy_divided_joules: energy.dividedJoules,
      ...useCells(device),
      idle_sm_ratio: device.idleSmRatio,
      ...cellsOf(
        GAUGE_NAMES.flatMap(([key, name]): [string, Json | undefined][] => [
          [`${name}_min`, gauges[key]?.min],
          ...(RANKED.has(key) ? rankedCells(name, gauges[key]) : []),
        ]),
      ),
    };
  });
}

function tableDifferences(
  csv: string,
  rows: readonly Fields[],
  cellsOf: (row: Fields) => Readonly<Record<string, Json | undefined>>,
): Difference[] {
  const [header = [], ...lines] = parse(csv);
  if (lines.length !== rows.length)
    return [{ path: 'csv: rows', expected: String(rows.length), got: String(lines.length) }];
  return rows.flatMap((row, index) => {
    const got: Cells = Object.fromEntries(header.map((name, column) => [name, lines[index]![column] ?? '']));
    const wanted = cellsOf(row);
    return [...new Set([...Object.keys(wanted), ...header])].flatMap((name): Difference[] => {
      const expected = name in wanted ? textOf(wanted[name]) : 'a column that is known here';
      const there = got[name] ?? 'no such column';
      return expected === there ? [] : [{ path: `csv: ${index}.${name}`, expected, got: there }];
    });
  });
}

function textOf(value: Json | undefined): string {
  return value === undefined || value === null
    ? ''
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);
}

/** With microseconds. */
function iso(us: Json | undefined): string {
  const [whole, micro] = [Math.floor((us as number) / 1000), (us as number) % 1000];
  return new Date(whole).toISOString().replace('Z', `${String(micro).padStart(3, '0')}Z`);
}
