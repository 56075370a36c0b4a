import type {
  CapacityFigures,
  CapacityRow,
  CapacitySums,
  InstalledRow,
} from '../../figures/capacity/figures.ts';
import {
  INSTALLED_PARTS,
  type InstalledPart,
  type InstalledTimes,
} from '../../figures/capacity/installed/parts.ts';
import { isoMicroseconds } from '../../figures/sql-text.ts';
import { costCells } from '../costs-csv.ts';
import { csvOf, snake, type CsvRow } from '../text/csv-lines.ts';
import { inHours } from './in-hours.ts';

/** The account of the fleet for a spreadsheet: a header, then a row for each group, `all` last; hours, kWh, kg and money. */
export function capacityCsv(figures: CapacityFigures): string {
  return csvOf(baseRows(figures).map(inHours));
}

/** The same in base units: µs, joules, g. */
export function capacityBaseCsv(figures: CapacityFigures): string {
  return csvOf(baseRows(figures));
}

type Shown = Partial<Omit<CapacityRow, keyof CapacitySums | 'kind' | 'jobs'>> & {
  readonly kind: CapacityRow['kind'] | 'unseen' | 'all';
  /** Undefined of what was not seen at all. */
  readonly sums: (CapacitySums & { readonly jobs: number }) | undefined;
  readonly parts: InstalledTimes;
};

/** With rows for those that were there and never seen, so that the parts of all rows add up to those of `all`. */
function shownRows({ rows, installed, all }: CapacityFigures): Shown[] {
  const parts = new Map(installed.rows.map((row) => [keyOf(row), row.parts]));
  const shown = new Set(rows.map(keyOf));
  return [
    ...rows.map((row) => ({ ...row, sums: row, parts: parts.get(keyOf(row)) ?? {} })),
    ...installed.rows.filter((row) => !shown.has(keyOf(row))).map((row) => ({ ...row, sums: undefined })),
    { kind: 'all', sums: all, parts: installed.all },
  ];
}

function keyOf({ kind, name, also, cluster, period }: CapacityRow | InstalledRow): string {
  return JSON.stringify([kind, name, also, cluster, period]);
}

function baseRows(figures: CapacityFigures): CsvRow[] {
  const window = { from: isoMicroseconds(figures.fromUs), to: isoMicroseconds(figures.toUs), by: figures.by };
  return shownRows(figures).map(({ sums, parts, ...row }) => ({
    ...window,
    kind: row.kind,
    name: row.name,
    attributed_us: sums?.attributedUs,
    unowned_us: row.unownedUs,
    share_ratio:
      figures.sampledUs === 0 || sums === undefined ? undefined : sums.attributedUs / figures.sampledUs,
    idle_us: sums?.idle?.value,
    sm_active_ratio_mean: sums?.smActive?.value,
    energy_counter_joules: sums?.energy.counter?.value,
    energy_power_joules: sums?.energy.power?.value,
    jobs: sums?.jobs,
    cluster: row.cluster,
    energy_best_joules: sums?.energy.best?.value,
    energy_best_known_us: sums && (sums.energy.best?.knownUs ?? 0),
    sm_known_us: sums && (sums.smActive?.knownUs ?? 0),
    wasted_us: sums?.wasted?.value,
    instance_us: sums?.instanceUs,
    energy_divided_joules: sums?.energy.divided?.value,
    unowned_energy_joules: row.unownedEnergy?.value,
    period: row.period,
    idle_known_us: sums && (sums.idle?.knownUs ?? 0),
    ...Object.fromEntries(figures.also.map((other, at) => [other, row.also?.[at]])),
    ...costCells(figures.costBasis?.rates, sums?.costs),
    ...partCells(figures, parts),
  }));
}

/** What is of no job: of some jobs nobody is told of it. */
const NOBODYS: ReadonlySet<InstalledPart> = new Set([
  ...(['unseen', 'down', 'drained', 'free', 'unowned', 'partlyFree'] as const),
]);
/** Parts of which the name is that of a column already: of all that was idle, of all that nobody owned. */
const PART_NAMES: Readonly<Partial<Record<InstalledPart, string>>> = {
  idle: 'idle_rest',
  unowned: 'unowned_untold',
};

function partCells({ knownUs, installed }: CapacityFigures, parts: InstalledTimes): CsvRow {
  const isUntold = (part: InstalledPart): boolean =>
    part === 'fragmented' ? installed.inPieces !== 'told' : knownUs === undefined && NOBODYS.has(part);
  return Object.fromEntries(
    INSTALLED_PARTS.map((part) => [
      `${PART_NAMES[part] ?? snake(part)}_us`,
      parts[part] ?? (isUntold(part) ? undefined : 0),
    ]),
  );
}
